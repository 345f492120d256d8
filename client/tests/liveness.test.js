import assert from "node:assert/strict";
import { test } from "node:test";
import { HOUR, MINUTE, SECOND, World, event } from "./world.js";

const IDLE_LIMIT = 10 * MINUTE; // API Gateway's

/** Cuts like API Gateway: a connection without a message for ten minutes. Returns the number of cuts. */
async function runWithIdleCuts(world, duration) {
  let cuts = 0;
  for (const end = world.clock.now + duration; world.clock.now < end; ) {
    await world.run(SECOND);
    if (world.clock.now - world.lastTraffic >= IDLE_LIMIT) {
      cuts++;
      world.socket.drop();
    }
  }
  return cuts;
}

for (const chance of [0, 0.5, 0.999]) {
  test(`an idle connection is never cut, and pings at most eight times an hour (chance ${chance})`, async () => {
    const world = new World();
    world.chance = chance;
    world.connect().subscribe("admin");
    assert.equal(await runWithIdleCuts(world, HOUR), 0);
    assert.equal(world.sockets.length, 1);
    const pings = world.socket.actions("ping").length;
    assert.ok(pings >= 6 && pings <= 8, `${pings} pings`);
  });
}

test("a connection on which events arrive is not pinged", async () => {
  const world = new World();
  world.connect().subscribe("admin");
  for (let minute = 0; minute < 60; minute++) {
    await world.run(MINUTE);
    world.socket.receive(event(minute));
  }
  assert.equal(world.socket.actions("ping").length, 0);
});

test("a dead link is found by the missing pong and replaced without waiting for the browser", async () => {
  const world = new World();
  const gateway = world.connect({ activityTimeout: MINUTE, pongTimeout: 5 * SECOND });
  const channel = gateway.subscribe("admin");
  await world.run();
  world.socket.isDead = true;
  await world.run(2 * MINUTE);
  assert.equal(world.sockets.length, 2);
  assert.equal(world.sockets[0].readyState, 3);
  assert.equal(gateway.connection.state, "connected");
  assert.equal(channel.subscribed, true);
});

test("any frame is a sign of life, and an earlier ping's time limit does not end a link that answered", async () => {
  const world = new World();
  world.connect();
  await world.run();
  const answer = world.gateway;
  world.gateway = () => [];
  world.network(true);
  await world.run(9 * SECOND);
  world.socket.receive(event(1));
  world.network(true);
  await world.run(9 * SECOND);
  assert.equal(world.open.length, 1);
  world.gateway = answer;
  await world.run(SECOND + 1);
  assert.equal(world.sockets[0].readyState, 3);
});

test("a change of the network is followed by a ping at once", async () => {
  const world = new World();
  world.connect();
  await world.run();
  world.network(false);
  world.network(true);
  assert.equal(world.socket.actions("ping").length, 1);
  world.socket.isDead = true;
  await world.run(12 * SECOND);
  assert.equal(world.sockets.length, 2);
});

test("a page that comes to the front pings if it has heard nothing for a while", async () => {
  const world = new World();
  world.connect();
  await world.run();
  world.show(true);
  assert.equal(world.socket.actions("ping").length, 0);
  world.show(false);
  await world.run(MINUTE);
  assert.equal(world.socket.actions("ping").length, 0);
  world.show(true);
  assert.equal(world.socket.actions("ping").length, 1);
});

test("a page that iOS kept, which says nothing of its visibility, pings when it is shown", async () => {
  const world = new World();
  world.connect();
  await world.run(MINUTE);
  world.restore();
  assert.equal(world.socket.actions("ping").length, 1);
});

test("a laptop that wakes up finds out that its link is dead within the tick and the pong's time limit", async () => {
  const world = new World();
  world.connect();
  await world.run(5 * SECOND);
  world.clock.sleep(5 * MINUTE);
  world.socket.isDead = true;
  await world.run(42 * SECOND);
  assert.equal(world.sockets.length, 2);
});

test("it reconnects for ever, with full jitter and pauses of at most 30 seconds", async () => {
  const world = new World();
  world.isDown = "refusing";
  world.chance = 0.999;
  world.connect();
  const times = [];
  for (let made = 0; times.length < 200; await world.run(100)) {
    if (world.sockets.length > made) times.push(world.clock.now);
    made = world.sockets.length;
  }
  const pauses = times.slice(1).map((time, i) => time - times[i]);
  assert.ok(pauses[0] <= 1200 && pauses[1] > 1800 && pauses[1] <= 2200, `${pauses.slice(0, 8)}`);
  assert.ok(Math.max(...pauses) <= 30_200 && Math.min(...pauses.slice(6)) > 29_000);
  world.chance = 0;
  world.sockets.length = 0;
  await world.run(40_000);
  assert.ok(world.sockets.length > 100, "full jitter begins at nothing");
});

test("a handshake that never ends is given up", async () => {
  const world = new World();
  world.isDown = "silent";
  const { connection } = world.connect();
  await world.run(16 * SECOND);
  assert.equal(connection.state, "unavailable");
  world.isDown = false;
  await world.run(20 * SECOND); // the attempt under way has its own time limit
  assert.equal(connection.state, "connected");
});

test("a gateway that opens but never answers is given up", async () => {
  const world = new World();
  const answer = world.gateway;
  world.gateway = () => [{ message: "Internal server error", connectionId: "a=", requestId: "b=" }];
  const { connection } = world.connect();
  await world.run(16 * SECOND);
  assert.equal(connection.state, "unavailable");
  world.gateway = answer;
  await world.run(20 * SECOND);
  assert.equal(connection.state, "connected");
});

for (const [what, act] of [
  ["the network comes back", (world) => world.network(true)],
  ["the page comes to the front", (world) => world.show(true)],
  ["iOS shows a page that it kept", (world) => world.restore()],
]) {
  test(`it connects at once when ${what}`, async () => {
    const world = new World();
    world.chance = 0.999;
    world.isDown = "refusing";
    const { connection } = world.connect();
    await world.run(5 * MINUTE);
    world.isDown = false;
    const count = world.sockets.length;
    world.show(false);
    world.network(false);
    assert.equal(world.sockets.length, count);
    act(world);
    assert.equal(world.sockets.length, count + 1);
    await world.run(MINUTE);
    assert.equal(world.sockets.length, count + 1);
    assert.equal(connection.state, "connected");
  });
}

test("an attempt that began without a network is begun again when there is one", async () => {
  const world = new World();
  world.isDown = "silent";
  const { connection } = world.connect();
  await world.run(2 * SECOND);
  world.isDown = false;
  world.network(true);
  await world.run(SECOND);
  assert.equal(connection.state, "connected");
  assert.deepEqual(world.sockets.map(({ readyState }) => readyState), [3, 1]);
});

test("after a cut it subscribes again and says so, and goes on hearing events", async () => {
  const world = new World();
  const channel = world.connect().subscribe("admin");
  const heard = [];
  channel.bind_global((name, data) => heard.push(name.startsWith("pusher:") ? name : data));
  await world.run(MINUTE);
  world.socket.drop();
  assert.equal(channel.subscribed, false);
  await world.run();
  world.socket.receive(event("after"));
  assert.deepEqual(heard, ["pusher:subscription_succeeded", "pusher:subscription_succeeded", "after"]);
});

test("a gateway that cuts every connection at once is not hammered", async () => {
  const world = new World();
  world.connect();
  for (let i = 0; i < 600; i++) {
    await world.run(SECOND);
    world.socket.drop();
  }
  assert.ok(world.sockets.length < 60, `${world.sockets.length} connections in ten minutes`);
});

test("a connection that lasted a while is replaced within a second", async () => {
  const world = new World();
  world.chance = 0.999;
  const { connection } = world.connect();
  for (let i = 0; i < 20; i++) {
    await world.run(11 * SECOND);
    assert.equal(connection.state, "connected");
    world.socket.drop();
    await world.run(1.1 * SECOND);
    assert.equal(connection.state, "connected");
  }
});
