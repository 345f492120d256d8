import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "../src/gateway.js";
import { MINUTE, World, event } from "./world.js";

test("it connects when it is made and passes through Pusher's states", async () => {
  const world = new World();
  const gateway = world.connect();
  const { connection } = gateway;
  const states = [];
  const ids = [];
  connection.bind("state_change", ({ previous, current }) => states.push(`${previous} > ${current}`));
  connection.bind("connected", ({ socket_id }) => ids.push(socket_id));
  assert.deepEqual([connection.state, connection.socket_id], ["connecting", null]);
  await world.run();
  assert.deepEqual([connection.state, connection.socket_id], ["connected", world.socket.id]);
  gateway.disconnect();
  assert.deepEqual([connection.state, connection.socket_id], ["disconnected", null]);
  assert.deepEqual(states, ["connecting > connected", "connected > disconnected"]);
  assert.deepEqual(ids, [world.socket.id]);
});

test("without a network it is unavailable until an attempt succeeds", async () => {
  const world = new World();
  world.isDown = "refusing";
  const { connection } = world.connect();
  const states = [];
  connection.bind("state_change", ({ current }) => states.push(current));
  await world.run(60_000);
  world.isDown = false;
  await world.run(60_000);
  assert.deepEqual(states, ["unavailable", "connected"]);
});

test("an address that the browser refuses is a failed connection, not an exception", async () => {
  const world = new World();
  world.platform.WebSocket = class {
    constructor() {
      throw new DOMException("An insecure WebSocket connection may not be initiated", "SecurityError");
    }
  };
  const gateway = world.connect();
  assert.equal(gateway.connection.state, "failed");
  await world.run(60_000);
  assert.equal(world.clock.timers, 0);
});

test("a server that renders a page has a WebSocket too, and connects nothing", async () => {
  const world = new World();
  delete world.platform.document;
  const { connection } = world.connect({ register: "/websocket/register" });
  await world.run(MINUTE);
  assert.equal(world.sockets.length, 0);
  assert.deepEqual([connection.state, connection.socket_id, connection.send({})], ["initialized", null, false]);
});

test("where there is a WebSocket and no page, it connects with the first subscription", async () => {
  const world = new World();
  // React Native, Node.js, Bun, Electron's main process
  for (const name of ["document", "addEventListener", "removeEventListener"]) delete world.platform[name];
  const gateway = world.connect();
  const channel = gateway.subscribe("admin");
  await world.run();
  assert.equal(channel.subscribed, true);
  gateway.disconnect();
  assert.equal(world.clock.timers, 0);
});

test("where there is no WebSocket it fails and says so, to who listens right after", async () => {
  for (const document of [{}, undefined]) {
    const world = new World();
    Object.assign(world.platform, { WebSocket: undefined, document });
    const gateway = world.connect();
    if (!document) assert.equal(gateway.connection.state, "initialized");
    gateway.subscribe("admin");
    assert.equal(gateway.connection.state, "failed");
    await world.run();
    assert.match(world.errors[0].error.data.message, /no WebSocket here/);
    gateway.disconnect();
    assert.equal(gateway.connection.state, "failed");
  }
});

test("a gateway that cannot be reached is an error of the connection, once for each outage", async () => {
  const world = new World();
  world.isDown = "refusing";
  world.url += "?token=secret";
  world.connect();
  await world.run(5 * MINUTE);
  const message = `${world.url.split("?")[0]} cannot be reached, or refuses this page`;
  assert.deepEqual(
    world.errors.map(({ type, error }) => [type, error.data.message]),
    [["WebSocketError", message]],
  );
  world.isDown = false;
  await world.run(MINUTE);
  world.isDown = "refusing";
  world.socket.drop();
  await world.run(5 * MINUTE);
  assert.equal(world.errors.length, 2);
});

test("the same address and options share one socket, however often it is made", async () => {
  const world = new World();
  const register = () => {};
  const auth = () => "signature";
  const options = [
    { register, auth, pongTimeout: 5000 },
    { pongTimeout: 5000, auth, register },
  ];
  const gateways = Array.from({ length: 10 }, (_, i) => world.connect(options[i % 2]));
  for (const gateway of gateways) gateway.subscribe("admin");
  await world.run();
  assert.equal(world.sockets.length, 1);
  assert.equal(new Set(gateways.map(({ connection }) => connection)).size, 1);
  assert.equal(Gateway.latest, gateways.at(-1));
});

test("two functions of one factory are two tenants, whose channels are never signed by each other", async () => {
  const world = new World();
  const signed = [];
  const tenant = (name) => (id, channel) => signed.push(`${channel} by ${name}`) && `signature of ${name}`;
  world.connect({ auth: tenant("a") }).subscribe("a");
  world.connect({ auth: tenant("b") }).subscribe("b");
  await world.run();
  assert.deepEqual(signed, ["a by a", "b by b"]);
  const sent = world.sockets.map((socket) => socket.actions("subscribe").map(({ channel, auth }) => [channel, auth]));
  assert.deepEqual(sent, [[["a", "signature of a"]], [["b", "signature of b"]]]);
});

test("functions made anew with every Gateway are one socket: that of the Gateway whose channels are in use", async () => {
  const world = new World();
  const claims = [];
  for (let i = 0; i < 10; i++) {
    // As a hot reload does it: what is mounted is given back, and mounted on the newest Gateway.
    world.connect({ auth: () => "signature" });
    claims.pop()?.unsubscribe();
    claims.push(Gateway.latest.subscribe("admin"));
    await world.run();
    assert.equal(world.open.length, 1);
    assert.equal(claims[0].subscribed, true);
  }
  for (let i = 0; i < 100; i++) world.connect({ auth: () => "signature" });
  await world.run();
  assert.equal(world.open.length, 1);
});

test("Gateways of one name share a socket, and the newest options are used", async () => {
  const world = new World();
  const used = [];
  for (const token of ["old", "new"])
    world.connect({ name: "a", auth: () => used.push(token) && "signature" }).subscribe(token);
  world.connect({ name: "b", auth: () => used.push("other") && "signature" });
  await world.run();
  assert.deepEqual(used, ["new", "new"]);
  assert.equal(world.sockets.length, 2);
});

test("another address or other options are another socket", async () => {
  const world = new World();
  world.connect();
  world.connect({ register: "/websocket/register" });
  world.connect({ auth: "/websocket/register" });
  await world.run();
  assert.equal(world.sockets.length, 3);
});

test("a region and a stage that say nothing new about the address are not another socket", async () => {
  const world = new World();
  for (const options of [{}, { cluster: "eu-central-1" }, { stage: "production" }]) world.connect(options);
  await world.run();
  assert.equal(world.sockets.length, 1);
});

test("one function in two roles is two connections", () => {
  const world = new World();
  const ask = () => "signature";
  const roles = [{ register: ask }, { auth: ask }, { auth: { url: ask, batch: true } }, { history: ask }];
  assert.equal(new Set(roles.map((role) => world.connect(role).connection)).size, roles.length);
});

test("a second copy of the module, as hot reload makes it, shares the socket of the first", async () => {
  const world = new World();
  const copy = await import("../src/gateway.js?copy");
  assert.notEqual(copy.Gateway, Gateway);
  const heard = [];
  world
    .connect()
    .subscribe("admin")
    .bind("admin_event", (data) => heard.push(["first", data]));
  const second = new copy.Gateway(world.url, { platform: world.platform });
  second.subscribe("admin").bind("admin_event", (data) => heard.push(["second", data]));
  await world.run();
  world.socket.receive(event(1));
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(heard, [
    ["first", 1],
    ["second", 1],
  ]);
});

test("the socket closes when the last Gateway disconnects, and opens again for a subscription", async () => {
  const world = new World();
  const [one, other] = [world.connect(), world.connect()];
  one.subscribe("admin");
  other.subscribe("logs");
  await world.run();
  one.disconnect();
  assert.equal(one.connection.state, "connected");
  other.disconnect();
  assert.equal(one.connection.state, "disconnected");
  assert.equal(world.open.length, 0);
  await world.run(3_600_000);
  assert.equal(world.sockets.length, 1);
  const channel = one.subscribe("admin");
  await world.run();
  assert.equal(world.sockets.length, 2);
  assert.equal(channel.subscribed, true);
});

test("a page can close the socket that several of its Gateways hold, and open it again with all their claims", async () => {
  const world = new World();
  const channels = ["admin", "logs"].map((name) => world.connect().subscribe(name));
  await world.run();
  const { connection } = Gateway.latest;
  connection.disconnect();
  assert.deepEqual([connection.state, channels.map(({ subscribed }) => subscribed)], ["disconnected", [false, false]]);
  await world.run(10 * MINUTE);
  assert.deepEqual([world.open.length, world.sockets.length, world.clock.timers], [0, 1, 0]);
  world.network(true); // nothing of the page wakes it
  world.show(true);
  assert.equal(world.sockets.length, 1);
  connection.connect();
  connection.connect();
  await world.run();
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(
    channels.map(({ subscribed }) => subscribed),
    [true, true],
  );
});

test("disconnecting leaves no timer behind", async () => {
  const world = new World();
  const gateway = world.connect({ register: "/websocket/register", auth: "/websocket/auth" });
  gateway.subscribe("admin");
  await world.run();
  gateway.disconnect();
  assert.equal(world.clock.timers, 0);
});

test("disconnecting between two attempts leaves no timer behind", async () => {
  const world = new World();
  world.isDown = "refusing";
  const gateway = world.connect();
  await world.run(MINUTE);
  while (world.socket.readyState !== 3) await world.run(10);
  gateway.disconnect();
  assert.equal(world.clock.timers, 0);
});

test("API Gateway's own error frames are errors of the connection, not events", async () => {
  const world = new World();
  const heard = [];
  world
    .connect()
    .subscribe("admin")
    .bind_global((name) => heard.push(name));
  await world.run();
  heard.length = 0;
  for (const message of ["Internal server error", "Forbidden", "Endpoint request timed out"]) {
    const ids = '"connectionId":"Zq0lpfIyliACGbQ=", "requestId":"Zq1LaGLQliAFsbA="';
    world.socket.receive(`{"message": "${message}", ${ids}}`);
  }
  world.socket.receive('{"message" : "Bad request body", "connectionId": "Zq0lpfIyliACGbQ=", "messageId": "1"}');
  assert.equal(world.errors.length, 4);
  assert.deepEqual(world.errors[0], {
    type: "GatewayError",
    error: { data: { message: "Internal server error", code: undefined, requestId: "Zq1LaGLQliAFsbA=" } },
  });
  assert.deepEqual(heard, []);
  assert.equal(world.open.length, 1);
});

test("an event whose data looks like an error frame is an event", async () => {
  const world = new World();
  const heard = [];
  world
    .connect()
    .subscribe("admin")
    .bind("admin_event", (data) => heard.push(data));
  await world.run();
  const data = { message: "Forbidden", connectionId: "a=", requestId: "b=", type: "error" };
  world.socket.receive({ ...event(data), message: "Forbidden", connectionId: "a=", type: "pong" });
  assert.deepEqual(heard, [data]);
  assert.deepEqual(world.errors, []);
});

test("an error frame of the Lambda and a frame that is not JSON are errors of the connection", async () => {
  const world = new World();
  world.connect();
  await world.run();
  world.socket.receive({ type: "error", message: "channel is missing" });
  world.socket.receive("<html>");
  assert.deepEqual(
    world.errors.map(({ type, error }) => [type, error.data.message]),
    [
      ["ProtocolError", "channel is missing"],
      ["ProtocolError", "a frame is not JSON"],
    ],
  );
});

test("frames of kinds that do not exist yet are ignored", async () => {
  const world = new World();
  world.connect().subscribe("admin");
  await world.run();
  const objects = ["{}", '{"type":"new"}', '{"event":1}', '{"event":"e","channel":"other"}'];
  for (const frame of ["null", "1", '"text"', "[]", ...objects]) {
    world.socket.receive(frame);
  }
  assert.deepEqual(world.errors, []);
  assert.equal(world.open.length, 1);
});

test("a frame over 32 KB of UTF-8 is refused before it is sent", async () => {
  const world = new World();
  const { connection } = world.connect();
  assert.equal(connection.send({ action: "early" }), false);
  await world.run();
  const overhead = JSON.stringify({ action: "" }).length;
  assert.equal(connection.send({ action: "x".repeat(32_768 - overhead) }), true);
  const count = world.socket.sent.length;
  assert.throws(() => connection.send({ action: "x".repeat(32_769 - overhead) }), /32769 bytes.*at most 32768/);
  assert.throws(() => connection.send({ action: "é".repeat(16_384) }), /32781 bytes/);
  assert.equal(world.socket.sent.length, count);
});

const spyOnConsole = (t) =>
  ["log", "info", "warn", "debug", "error"].map((name) => t.mock.method(console, name, () => {}).mock);

test("what is handled is not written to the console", async (t) => {
  const spies = spyOnConsole(t);
  const world = new World();
  world.backend = (url) => [url.includes("auth") ? 403 : 500];
  const gateway = world.connect({ register: "/websocket/register", auth: "/websocket/auth" });
  gateway.subscribe("admin").bind("pusher:subscription_error", () => {});
  gateway.subscribe("logs");
  gateway.bind("pusher:subscription_error", () => {});
  await world.run(60_000);
  world.socket.receive("not JSON");
  world.socket.drop();
  await world.run(60_000);
  assert.ok(world.errors.length > 5);
  assert.deepEqual(
    spies.map((spy) => spy.callCount()),
    [0, 0, 0, 0, 0],
  );
});

test("what nobody handles is written to the console, once for each kind", async (t) => {
  const spies = spyOnConsole(t);
  const world = new World();
  world.isWatched = true; // so nobody is
  world.backend = (url) => [url.includes("auth") ? 403 : 500];
  const gateway = world.connect({ register: "/websocket/register", auth: "/websocket/auth" });
  gateway.subscribe("admin");
  gateway.subscribe("logs");
  await world.run(60_000);
  world.socket.receive("not JSON");
  world.socket.receive({ type: "error", message: "a second of its kind" });
  world.isDown = "refusing";
  world.socket.drop();
  await world.run(60_000);
  assert.deepEqual(
    spies.map((spy) => spy.callCount()),
    [0, 0, 0, 0, 4],
  );
  assert.deepEqual(
    spies[4].calls.map(({ arguments: [text] }) => text),
    [
      "RegistrationError: /websocket/register answered 500; nobody handles it",
      "pusher:subscription_error: /websocket/auth answered 403 (channel 'admin'); nobody handles it",
      "ProtocolError: a frame is not JSON; nobody handles it",
      `WebSocketError: ${world.url} cannot be reached, or refuses this page; nobody handles it`,
    ],
  );
});
