// Calls the Node.js library as it is told: a line of its input is `[function, ...arguments]`, the answer a line of
// output, `{"value": …}` with the failures of a broadcast, or `{"error": [class, text]}`.
import { createInterface } from "node:readline";
import * as library from "../../node_broadcaster/index.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...given] = JSON.parse(line);
  let answer;
  try {
    const value = await library[name](...given);
    answer = name === "initBroadcaster" ? {} : { value: value ?? null, failures: value?.failures };
  } catch (error) {
    answer = { error: [error.name, error.message] };
  }
  console.log(JSON.stringify(answer));
}
await library.closeBroadcaster();
