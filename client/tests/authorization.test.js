import assert from "node:assert/strict";
import { test } from "node:test";
import { MINUTE, World } from "./world.js";

const AUTH = "/websocket/auth";

const outcomes = (channel) => {
  const told = [];
  channel.bind("pusher:subscription_succeeded", () => told.push("succeeded"));
  channel.bind("pusher:subscription_error", (error) => told.push(error));
  return told;
};

test("each subscription carries a signature that the backend gave for this connection and channel", async () => {
  const world = new World();
  world.backend = (url, { connection_id, channel }) => [200, { auth: `${connection_id}:${channel}` }];
  const gateway = world.connect({ auth: AUTH });
  const told = ["admin", "logs"].map((name) => outcomes(gateway.subscribe(name)));
  await world.run();
  const { id } = world.socket;
  assert.deepEqual(
    world.requests.map(({ url, method, body, credentials }) => ({ url, method, body, credentials })),
    ["admin", "logs"].map((channel) => ({
      url: AUTH,
      method: "POST",
      body: { connection_id: id, channel },
      credentials: "include",
    })),
  );
  assert.deepEqual(world.socket.sent, [
    { action: "connection_id" },
    { action: "subscribe", channel: "admin", auth: `${id}:admin` },
    { action: "subscribe", channel: "logs", auth: `${id}:logs` },
  ]);
  assert.deepEqual(told, [["succeeded"], ["succeeded"]]);
});

test("a new connection needs new signatures", async () => {
  const world = new World();
  world.connect({ auth: AUTH }).subscribe("admin");
  await world.run(MINUTE);
  world.socket.drop();
  await world.run(MINUTE);
  assert.deepEqual(
    world.requests.map(({ body }) => body.connection_id),
    world.sockets.map(({ id }) => id),
  );
});

test("auth may be a function that returns the signature or an object with it", async () => {
  for (const answer of ["signature", { auth: "signature" }]) {
    const world = new World();
    const calls = [];
    world.connect({ auth: (...call) => calls.push(call) && answer }).subscribe("admin");
    await world.run();
    assert.deepEqual(calls, [[world.socket.id, "admin"]]);
    assert.equal(world.socket.actions("subscribe")[0].auth, "signature");
  }
});

test("a subscription that the backend refuses is told so, is not sent, and is not asked for again", async () => {
  for (const status of [401, 403, 404]) {
    const world = new World();
    world.backend = () => [status];
    const told = outcomes(world.connect({ auth: AUTH }).subscribe("admin"));
    await world.run(10 * MINUTE);
    assert.deepEqual(told, [{ status, message: `/websocket/auth answered ${status}` }]);
    assert.equal(world.requests.length, 1);
    assert.equal(world.socket.actions("subscribe").length, 0);
    assert.deepEqual(world.errors, []);
  }
});

test("a subscription that the gateway refuses is told so, and the others go on", async () => {
  const world = new World();
  const refusal = { status: 403, message: "the signature is not for this connection" };
  const answer = world.gateway;
  world.gateway = (frame, socket) => {
    if (frame.channel !== "admin") return answer(frame, socket);
    return [{ channel: "admin", event: "pusher:subscription_error", data: refusal }];
  };
  const gateway = world.connect({ auth: AUTH });
  const told = [outcomes(gateway.subscribe("admin")), outcomes(gateway.subscribe("logs"))];
  await world.run(10 * MINUTE);
  assert.deepEqual(told, [[refusal], ["succeeded"]]);
  assert.equal(world.socket.actions("subscribe").length, 2);
});

test("a refused subscription is tried again on the next connection, or when it is asked for again", async () => {
  const world = new World();
  world.backend = () => [403];
  const gateway = world.connect({ auth: AUTH });
  const told = outcomes(gateway.subscribe("admin"));
  await world.run(MINUTE);
  world.socket.drop();
  await world.run(MINUTE);
  assert.equal(told.length, 2);
  world.backend = () => [200, { auth: "signature" }];
  const again = outcomes(gateway.subscribe("admin"));
  await world.run();
  assert.deepEqual([told.at(-1), again], ["succeeded", ["succeeded"]]);
});

for (const answer of [[500], [429], [200, {}], [200, "<html>"], [200, null]]) {
  test(`an answer of ${JSON.stringify(answer)} to a request for a signature is no refusal`, async () => {
    const world = new World();
    if (answer[1] === "<html>") answer[1] = { auth: 5 };
    world.backend = () => answer;
    const told = outcomes(world.connect({ auth: AUTH }).subscribe("admin"));
    await world.run(MINUTE);
    assert.deepEqual(told, []);
    assert.ok(world.requests.length > 3);
    assert.equal(world.errors[0].type, "SubscriptionError");
    world.backend = () => [200, { auth: "signature" }];
    await world.run(MINUTE);
    assert.deepEqual(told, ["succeeded"]);
  });
}

test("where the backend can sign all channels at once, one request does for a connection", async () => {
  const world = new World();
  world.backend = (url, { channels }) => [
    200,
    { auth: Object.fromEntries(channels.map((name) => [name, `for ${name}`])) },
  ];
  const gateway = world.connect({ auth: { url: AUTH, batch: true } });
  const names = Array.from({ length: 300 }, (_, i) => `private-${i}`);
  const told = names.map((name) => outcomes(gateway.subscribe(name)));
  await world.run();
  assert.deepEqual(
    world.requests.map(({ body }) => body),
    [{ connection_id: world.socket.id, channels: names }],
  );
  for (const { channel, auth } of world.socket.actions("subscribe")) assert.equal(auth, `for ${channel}`);
  assert.deepEqual(told, Array(300).fill(["succeeded"]));
  world.socket.drop();
  await world.run(2000);
  assert.equal(world.requests.length, 2);
  assert.deepEqual(told, Array(300).fill(["succeeded", "succeeded"]));
});

test("when such a request fails, its channels say so once and come back together, in fewer and fewer attempts", async () => {
  const world = new World();
  world.backend = () => [503];
  const gateway = world.connect({ auth: { url: AUTH, batch: true } });
  const told = Array.from({ length: 50 }, (_, i) => outcomes(gateway.subscribe(`private-${i}`)));
  await world.run(5 * MINUTE);
  assert.equal(world.errors.length, world.requests.length);
  assert.ok(world.requests.length > 10 && world.requests.length < 30, `${world.requests.length} requests`);
  assert.ok(world.requests.every(({ body }) => body.channels.length === 50));
  world.backend = (url, { channels }) => [
    200,
    { auth: Object.fromEntries(channels.map((name) => [name, "signature"])) },
  ];
  await world.run(MINUTE);
  assert.deepEqual(told, Array(50).fill(["succeeded"]));
});

test("a channel that such an answer leaves out is refused, the others go on", async () => {
  const world = new World();
  const calls = [];
  const url = (...call) => calls.push(call) && { auth: { logs: "signature" } };
  const gateway = world.connect({ auth: { url, batch: true } });
  const told = ["admin", "logs"].map((name) => outcomes(gateway.subscribe(name)));
  await world.run(MINUTE);
  assert.deepEqual(calls, [[world.socket.id, ["admin", "logs"]]]);
  const refusal = { status: undefined, message: "nothing signed for 'admin'" };
  assert.deepEqual(told, [[refusal], ["succeeded"]]);
});

test("a channel that was given up while its signature was fetched is not subscribed", async () => {
  const world = new World();
  const channel = world.connect({ auth: AUTH }).subscribe("admin");
  await world.run(50);
  assert.equal(world.requests.length, 1);
  channel.unsubscribe();
  await world.run();
  assert.equal(world.socket.actions("subscribe").length, 0);
});

test("a refusal that comes after its connection has ended is not told", async () => {
  const world = new World();
  world.backend = () => (world.requests.length === 1 ? [403] : [200, { auth: "signature" }]);
  const told = outcomes(world.connect({ auth: AUTH }).subscribe("admin"));
  await world.run(50);
  assert.equal(world.requests.length, 1);
  world.socket.drop();
  await world.run(MINUTE);
  assert.deepEqual(told, ["succeeded"]);
});

test("a signature that makes the frame too large is a refusal", async () => {
  const world = new World();
  const told = outcomes(world.connect({ auth: () => "x".repeat(40_000) }).subscribe("admin"));
  await world.run(MINUTE);
  assert.equal(told.length, 1);
  assert.equal(told[0].status, 413);
  assert.equal(world.socket.actions("subscribe").length, 0);
});

test("a failure of the gateway that it reports as a refusal with a 5xx is tried again", async () => {
  const world = new World();
  const answer = world.gateway;
  world.gateway = (frame, socket) => {
    if (frame.action !== "subscribe") return answer(frame, socket);
    return [{ channel: frame.channel, event: "pusher:subscription_error", data: { status: 503, message: "later" } }];
  };
  const told = outcomes(world.connect().subscribe("admin"));
  await world.run(MINUTE);
  world.gateway = answer;
  await world.run(MINUTE);
  assert.deepEqual(told, ["succeeded"]);
});
