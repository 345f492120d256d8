import assert from "node:assert/strict";
import { test } from "node:test";
import { HOUR, MINUTE, SECOND, World, event } from "./world.js";

const LIFETIME = 2 * HOUR; // API Gateway's

const watch = (world, options) => {
  const gateway = world.connect(options);
  const states = [];
  gateway.connection.bind("state_change", ({ current }) => states.push(current));
  const heard = [];
  gateway.subscribe("admin").bind_global((name, data) => heard.push(name === "admin_event" ? data : name));
  return { gateway, states, heard };
};

/** Runs until the page has begun another connection. */
const runToHandover = async (world, limit = 2 * HOUR) => {
  const count = world.sockets.length;
  for (const end = world.clock.now + limit; world.sockets.length === count; await world.run(10)) {
    await world.run(world.sockets[0].sent.length && 990);
    assert.ok(world.clock.now < end, "no handover");
  }
};

for (const [chance, earliest, latest] of [[0, 90, 91], [0.999, 114, 116]]) {
  test(`a connection is replaced, unnoticed, between 90 and 115 minutes of age (chance ${chance})`, async () => {
    const world = new World();
    world.chance = chance;
    const { gateway, states, heard } = watch(world);
    await world.run(earliest * MINUTE - SECOND);
    assert.equal(world.sockets.length, 1);
    await world.run((latest - earliest) * MINUTE);
    assert.equal(world.sockets.length, 2);
    await world.run(MINUTE);
    assert.deepEqual(world.open, [world.sockets[1]]);
    assert.equal(gateway.connection.socket_id, world.sockets[1].id);
    assert.deepEqual(states, ["connected"]);
    assert.deepEqual(heard, ["pusher:subscription_succeeded"]);
  });
}

test("the old connection stays until the new one is registered and subscribed, and twenty seconds more", async () => {
  const world = new World();
  const { gateway, heard } = watch(world, { register: "/websocket/register", auth: "/websocket/auth" });
  await world.run();
  heard.length = 0;
  world.backend = (url) => [url.includes("auth") ? 503 : 500];
  await runToHandover(world);
  const [old, next] = world.sockets;
  await world.run(MINUTE);
  assert.equal(gateway.connection.socket_id, old.id);
  assert.equal(world.open.length, 2);
  old.receive(event("on the old one"));
  world.backend = (url) => (url.includes("auth") ? [200, { auth: "signature" }] : [500]);
  await world.run(MINUTE);
  assert.equal(next.actions("subscribe").length, 1);
  assert.equal(gateway.connection.socket_id, old.id);
  world.backend = () => [200, { auth: "signature" }];
  while (gateway.connection.socket_id === old.id) await world.run(100);
  await world.run(19 * SECOND);
  old.receive(event("under way when the new one took over"));
  await world.run(2 * SECOND);
  assert.deepEqual(world.open, [next]);
  next.receive(event("on the new one"));
  assert.deepEqual(heard, ["on the old one", "under way when the new one took over", "on the new one"]);
});

test("an event that comes over both connections is heard once", async () => {
  const world = new World();
  const { heard } = watch(world);
  await world.run();
  await runToHandover(world);
  await world.run(SECOND);
  heard.length = 0;
  assert.equal(world.open.length, 2);
  for (let i = 0; i < 100; i++) world.open.forEach((socket) => socket.receive(event(i, `id-${i}`)));
  for (const socket of world.open) for (let i = 100; i < 200; i++) socket.receive(event(i, `id-${i}`));
  assert.deepEqual(heard, Array.from({ length: 200 }, (_, i) => i));
});

test("equal events with different ids, or with none, are all heard", async () => {
  const world = new World();
  const { heard } = watch(world);
  await world.run();
  heard.length = 0;
  for (const id of ["a", "b", undefined, undefined]) world.socket.receive(event("same", id));
  assert.equal(heard.length, 4);
});

test("the memory of ids is bounded, and forgets the oldest", async () => {
  const world = new World();
  const { heard } = watch(world);
  await world.run();
  heard.length = 0;
  for (let i = 0; i <= 5000; i++) world.socket.receive(event(i, `id-${i}`));
  world.socket.receive(event("again", "id-5000"));
  world.socket.receive(event("again", "id-1"));
  assert.equal(heard.length, 5001);
  world.socket.receive(event("again", "id-0"));
  assert.equal(heard.length, 5002);
});

test("a new connection that fails is tried again while the old one serves", async () => {
  const world = new World();
  const { states, heard } = watch(world);
  await world.run();
  world.isDown = "refusing";
  await runToHandover(world);
  await world.run(3 * MINUTE);
  assert.ok(world.sockets.length > 3);
  world.sockets[0].receive(event("still served"));
  world.isDown = false;
  await world.run(2 * MINUTE);
  assert.deepEqual(world.open, [world.socket]);
  assert.deepEqual([states, heard.at(-1)], [["connected"], "still served"]);
});

test("if the old connection is cut while the new one prepares, the new one takes over at once", async () => {
  const world = new World();
  world.backend = () => [204];
  const { gateway, states, heard } = watch(world, { register: "/websocket/register" });
  await world.run();
  world.backend = () => [500];
  await runToHandover(world);
  await world.run(SECOND);
  world.sockets[0].drop();
  assert.equal(gateway.connection.socket_id, world.sockets[1].id);
  assert.equal(gateway.channel("admin").subscribed, false);
  world.backend = () => [204];
  await world.run(MINUTE);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(states, ["connected"]);
  assert.deepEqual(heard, ["pusher:subscription_succeeded", "pusher:subscription_succeeded"]);
});

test("if the old connection is cut before the new one knows its id, the state says so", async () => {
  const world = new World();
  const { states } = watch(world);
  await world.run();
  await runToHandover(world);
  world.sockets[0].drop();
  await world.run(MINUTE);
  assert.deepEqual(states, ["connected", "connecting", "connected"]);
  assert.equal(world.sockets.length, 2);
});

test("what is subscribed or given up during a handover is so on the new connection", async () => {
  const world = new World();
  world.backend = () => [204];
  const { gateway } = watch(world, { register: "/websocket/register" });
  await world.run();
  world.backend = () => [500];
  await runToHandover(world);
  await world.run(SECOND);
  const logs = gateway.subscribe("logs");
  gateway.unsubscribe("admin");
  await world.run(SECOND);
  assert.equal(logs.subscribed, true);
  world.backend = () => [204];
  await world.run(2 * MINUTE);
  assert.deepEqual(world.open, [world.sockets[1]]);
  assert.deepEqual(world.socket.sent.map(({ action, channel }) => channel && `${action} ${channel}`).filter(Boolean), [
    "subscribe admin",
    "subscribe logs",
    "unsubscribe admin",
  ]);
  assert.equal(logs.subscribed, true);
});

test("a subscription that the new connection is refused does not hold up the handover", async () => {
  const world = new World();
  world.backend = () => [200, { auth: "signature" }];
  const { gateway, heard } = watch(world, { auth: "/websocket/auth" });
  await world.run();
  world.backend = () => [403];
  await runToHandover(world);
  await world.run(MINUTE);
  assert.deepEqual(world.open, [world.sockets[1]]);
  assert.equal(gateway.channel("admin").subscribed, false);
  assert.deepEqual(heard, ["pusher:subscription_succeeded", "pusher:subscription_error"]);
});

test("a new connection that takes long to register is the only one", async () => {
  const world = new World();
  world.backend = () => [204];
  watch(world, { register: "/websocket/register" });
  await world.run();
  world.backend = () => [500];
  await runToHandover(world);
  await world.run(10 * SECOND);
  world.backend = () => [204];
  await world.run(2 * MINUTE);
  assert.deepEqual([world.open.length, world.sockets.length], [1, 2]);
});

test("disconnecting in the middle of a handover closes both", async () => {
  const world = new World();
  const { gateway } = watch(world);
  await world.run();
  await runToHandover(world);
  gateway.disconnect();
  await world.run(HOUR);
  assert.equal(world.open.length, 0);
  assert.equal(world.sockets.length, 2);
});

test("in a day of a busy channel nothing is lost and nothing is doubled", async () => {
  const world = new World();
  const { heard, states } = watch(world);
  await world.run();
  heard.length = 0;
  const born = new Map();
  let sent = 0;
  for (const end = world.clock.now + 24 * HOUR; world.clock.now < end; await world.run(20 * SECOND)) {
    for (const socket of world.open) {
      if (!born.has(socket)) born.set(socket, world.clock.now);
      if (world.clock.now - born.get(socket) >= LIFETIME) socket.drop();
      // As a broadcast: to whoever was subscribed when it began.
      const post = () => socket.receive(event(sent, `id-${sent}`));
      if (socket.actions("subscribe").length) world.clock.setTimeout(post, 50);
    }
    await world.run(100);
    sent++;
  }
  assert.deepEqual(heard, Array.from({ length: sent }, (_, i) => i));
  assert.deepEqual(states, ["connected"]);
  assert.ok(world.sockets.length >= 13 && world.sockets.length <= 16, `${world.sockets.length} connections`);
});
