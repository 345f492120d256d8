// The process of one Node.js sender: it reads what to send from its input, line by line, and tells what that cost.
// Arguments: `library` or `sdk`, and the sink's address. Its certificate is trusted by NODE_EXTRA_CA_CERTS.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [name, url] = process.argv.slice(2);
const IN_FLIGHT = 50;
const region = "us-east-1";
const require = createRequire(new URL("../node_broadcaster/package.json", import.meta.url));

/** This project's library, as an application uses it. */
class Library {
  #broadcasters = {};

  async prepare(stage, ids) {
    const { Broadcaster } = require("./index.js");
    const settings = { endpointUrl: `${url}/${stage}`, region, concurrency: IN_FLIGHT, rate: Infinity, deadline: 600 };
    const broadcaster = (this.#broadcasters[stage] ??= new Broadcaster(settings));
    for (const id of ids) await broadcaster.registerConnection(id);
  }

  async send(stage, ids, text) {
    const result = await this.#broadcasters[stage].broadcast("admin", "admin_event", { text });
    if (result.sent !== ids.length) throw new Error(JSON.stringify([result, result.failures.slice(0, 3)]));
  }
}

/** AWS's own SDK, so many posts in flight. */
class Sdk {
  #clients = {};

  async prepare(stage) {
    const { ApiGatewayManagementApiClient } = require("@aws-sdk/client-apigatewaymanagementapi");
    const requestHandler = { httpsAgent: { keepAlive: true, maxSockets: IN_FLIGHT } };
    const settings = { endpoint: `${url}/${stage}`, region, requestHandler };
    this.#clients[stage] ??= new ApiGatewayManagementApiClient(settings);
  }

  async send(stage, ids, text) {
    const { PostToConnectionCommand } = require("@aws-sdk/client-apigatewaymanagementapi");
    const Data = JSON.stringify({ channel: "admin", event: "admin_event", data: { text } });
    const left = [...ids];
    const work = async () => {
      for (let ConnectionId; (ConnectionId = left.pop());) {
        await this.#clients[stage].send(new PostToConnectionCommand({ ConnectionId, Data }));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  }
}

const sender = new { library: Library, sdk: Sdk }[name]();
for await (const line of createInterface({ input: process.stdin })) {
  const { stage, size, count } = JSON.parse(line);
  const ids = Array.from({ length: count }, (_, number) => `L0SM9c${String(number).padStart(9, "0")}=`);
  await sender.prepare(stage, ids);
  const before = process.cpuUsage();
  const began = performance.now();
  await sender.send(stage, ids, "x".repeat(size));
  const { user, system } = process.cpuUsage(before);
  const wall = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ cpu: (user + system) / 1e6, wall, messages: count }));
}
process.exit(); // the SDK's kept connections would wait for their time
