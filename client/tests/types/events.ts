// How an application gives names and shapes to its Python events, and what the compiler then finds.
import { Gateway, type ConnectionState, type Envelope } from "apigw-broadcaster-client";
import { GatewayContext, useChannel, type UseChannel } from "apigw-broadcaster-client/react";

type AdminEvent =
  | { type: "run_started"; thread_id: string; run_name: string }
  | { type: "ack"; ack_key: string; status: "received" | "done" };

interface LogLine {
  text: string;
  thread_id: string;
  level: "debug" | "info" | "warning" | "error";
  timestamp: number;
}

interface Events {
  admin: { admin_event: AdminEvent };
  logs: { log: LogLine };
}

const gateway = new Gateway<Events>("wss://live.example.com/production", {
  register: "/websocket/register",
  auth: async (connection_id, channel) => ({ auth: `${connection_id}:${channel}` }),
});

const admin = gateway.subscribe("admin").bind("admin_event", (event, envelope) => {
  if (event.type === "run_started") event.run_name.toUpperCase();
  if (event.type === "ack") event.ack_key.toUpperCase();
  // @ts-expect-error: only a run that started has a name
  event.run_name;
  const id: string | undefined = envelope?.id;
  return id;
});
admin.bind("pusher:subscription_succeeded", () => {});
admin.bind("pusher:subscription_error", ({ status }) => status === 403);
admin.bind_global((name, data) => console.log(name, data)).unbind_all();
admin.unsubscribe();

gateway.subscribe("logs").bind("log", (line) => line.level === "error");
// @ts-expect-error: there is no such channel
gateway.subscribe("log");
// @ts-expect-error: there is no such event on this channel
gateway.subscribe("logs").bind("admin_event", () => {});
// @ts-expect-error: a line has text, not a message
gateway.subscribe("logs").bind("log", (line) => line.message);
gateway.channel("logs")?.unbind("log");
gateway.unsubscribe("logs");
gateway.bind_global((event: string, data: unknown, envelope?: Envelope) => [event, data, envelope]);

const { connection } = gateway;
connection.bind("state_change", ({ previous, current }) => {
  const states: ConnectionState[] = [previous, current];
  // @ts-expect-error: not one of the states
  return states.includes("online");
});
connection.bind("connected", ({ socket_id }) => socket_id.length);
connection.bind("error", ({ type, error }) => [type, error.data.code, error.data.requestId, error.data.message]);
// @ts-expect-error: a misspelt event
connection.bind("statechange", () => {});
const socketId: string | null = connection.socket_id;
// @ts-expect-error: read only
connection.state = "connected";

// Without a map of events everything may be bound, and data is of any type.
const untyped = new Gateway("a1b2c3d4e5", { cluster: "eu-central-1", stage: "production" });
untyped.subscribe("admin").bind("admin_event", (data) => data.anything);
// @ts-expect-error: a key is needed
new Gateway();
// @ts-expect-error: Pusher's option; here it is `auth`
new Gateway("a1b2c3d4e5", { authEndpoint: "/pusher/auth" });

const joined = gateway
  .subscribe("logs", { rewind: 100 })
  .bind("pusher:subscription_succeeded", ({ recovered, position }) => {
    if (recovered === false) gateway.subscribe("logs", { rewind: "5m" });
    return position && gateway.subscribe("logs", { since: position });
  });
const seq: number | undefined = joined.position?.seq;
// @ts-expect-error: a misspelt option
gateway.subscribe("logs", { rewnd: 100 });
new Gateway("a1b2c3d4e5", { history: true });
new Gateway("a1b2c3d4e5", { history: "/websocket/history" });
// @ts-expect-error: false is no way to read history
new Gateway("a1b2c3d4e5", { history: false });

connection.connect();
connection.disconnect();
new Gateway("a1b2c3d4e5", {
  name: "admin",
  auth: { url: "/websocket/auth", batch: true },
  credentials: "omit",
  registerInterval: 0,
});
new Gateway("a1b2c3d4e5", { auth: { url: async (id, channels) => ({ auth: { [channels[0]!]: id } }), batch: true } });
// @ts-expect-error: a string in place of options
new Gateway("a1b2c3d4e5", "eu-central-1");
// @ts-expect-error: no function
admin.bind("admin_event", 1);

const useEvents: UseChannel<Events> = useChannel;

export function Checked({ channel }: { channel: "admin" | null }) {
  useEvents("logs", "log", (line, envelope) => [line.text, envelope?.data.level]);
  useEvents("logs", "log", () => {}, { rewind: 5 });
  useEvents(channel, "admin_event", (event) => event.type === "ack" && event.ack_key);
  useEvents("admin", "pusher:subscription_error", ({ status }) => status === 403);
  // @ts-expect-error: there is no such channel
  useEvents("log", "log", () => {});
  // @ts-expect-error: there is no such event on this channel
  useEvents("logs", "admin_event", () => {});
  // @ts-expect-error: a line has no such field
  useEvents("logs", "log", (line) => line.message);
}

export function Component({ channel }: { channel: string | null }) {
  useChannel<LogLine>("logs", "log", (line, envelope) => [line.text, envelope?.data.level]);
  useChannel(channel, "admin_event", (data) => data.anything);
  // @ts-expect-error: a line has no such field
  useChannel<LogLine>("logs", "log", (line) => line.message);
  return [GatewayContext.Provider, socketId, seq];
}
GatewayContext.Provider({ value: gateway, children: null });
GatewayContext.Provider({ value: null, children: null });
