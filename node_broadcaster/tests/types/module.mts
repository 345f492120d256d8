// What an application in TypeScript writes, and what the compiler then finds.
import {
  Broadcaster,
  MemoryRegistry,
  RegistryError,
  broadcast,
  broadcastAdminEvent,
  getConnection,
  initBroadcaster,
  registerConnection,
  type BroadcastResult,
  type Failure,
  type Registry,
  type Settings,
} from "apigw-broadcaster";

const settings: Settings = { apiId: "abc123xyz", region: process.env.AWS_REGION, registry: new MemoryRegistry() };
const broadcaster: Broadcaster = initBroadcaster(settings);
await registerConnection("L0SM9cOFvHcCIhw=", { channels: ["logs"] });
await registerConnection("L0SM9cOFvHcCIhw=", { channels: "logs" });
const result: BroadcastResult = await broadcastAdminEvent({ type: "run_started" });
const first: Failure | undefined = result.failures[0];
const status: number | null | undefined = first?.status;
const seen: Date | undefined = (await getConnection("L0SM9cOFvHcCIhw="))?.lastActiveAt;
try {
  await broadcast("logs", "log", { text: "…" });
} catch (error) {
  if (error instanceof RegistryError) console.log(error.result?.sent, error.cause);
}
console.log(status, seen);

class Mine implements Registry {
  async add() {}
  async remove() {}
  async *pages() {
    yield ["L0SM9cOFvHcCIhw="];
  }
  async count() {
    return 1;
  }
  async close() {}
}
new Broadcaster({ endpointUrl: "http://127.0.0.1:8001/production", registry: new Mine() });

// @ts-expect-error: a misspelt setting
initBroadcaster({ apiID: "abc123xyz" });
// @ts-expect-error: data is missing
broadcast("logs", "log");
// @ts-expect-error: read only
result.sent = 2;
// @ts-expect-error: a number of attempts
new Broadcaster({ attempts: "3" });
// @ts-expect-error: the channels are in an object
broadcaster.registerConnection("L0SM9cOFvHcCIhw=", ["logs"]);
