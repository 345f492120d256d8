import assert from "node:assert/strict";
import { test } from "node:test";
import { HOUR, MINUTE, SECOND, World } from "./world.js";

const REGISTER = "/websocket/register";
const registrations = (world) => world.requests.filter(({ url }) => url === REGISTER);

test("every new connection is posted to the backend, with credentials", async () => {
  const world = new World();
  world.connect({ register: REGISTER });
  await world.run(MINUTE);
  const first = world.socket;
  first.drop();
  await world.run(MINUTE);
  assert.deepEqual(
    registrations(world).map(({ method, body, credentials, type }) => ({ method, body, credentials, type })),
    [first, world.socket].map(({ id }) => ({
      method: "POST",
      body: { connection_id: id },
      credentials: "include",
      type: "application/json",
    })),
  );
});

test("an id that is pushed as well as answered is registered once", async () => {
  const world = new World();
  const answer = world.gateway;
  world.gateway = (frame, socket) => [{ type: "connection_id", connection_id: socket.id }, ...answer(frame, socket)];
  const gateway = world.connect({ register: REGISTER });
  gateway.subscribe("admin");
  await world.run();
  gateway.subscribe("logs");
  await world.run();
  assert.equal(registrations(world).length, 1);
});

test("a gateway that leaves registration to the backend, and a page that registers nothing, is an error", async () => {
  for (const [isByHand, count] of [
    [false, 1],
    [true, 0],
  ]) {
    const world = new World();
    const answer = world.gateway;
    world.gateway = (frame, socket) => {
      const pushed = { type: "connection_id", connection_id: socket.id };
      return [...(frame.action === "subscribe" ? [pushed] : []), ...answer(frame, socket)];
    };
    const gateway = world.connect();
    if (isByHand) gateway.connection.bind("connected", ({ socket_id }) => socket_id);
    gateway.subscribe("admin");
    await world.run(MINUTE);
    assert.equal(world.errors.length, count);
    if (count) assert.match(world.errors[0].error.data.message, /^nothing comes without 'register'$/);
  }
});

test("functions that register and sign find the new id in the connection, also after a cut", async () => {
  const world = new World();
  const found = [];
  const find = (id) => found.push([id, gateway.connection.socket_id]) && "signature";
  const gateway = world.connect({ register: find, auth: find, registerInterval: 0 });
  gateway.subscribe("admin");
  await world.run();
  world.socket.drop();
  await world.run(MINUTE);
  const ids = world.sockets.flatMap(({ id }) => [id, id]); // asked once each
  assert.deepEqual(
    found,
    ids.map((id) => [id, id]),
  );
});

test("a pushed id is enough", async () => {
  const world = new World();
  const answer = world.gateway;
  world.gateway = (frame, socket) => {
    if (frame.action === "connection_id") return [{ message: "Forbidden", connectionId: "a=", requestId: "b=" }];
    return [{ type: "connection_id", connection_id: socket.id }, ...answer(frame, socket)];
  };
  const channel = world.connect({ register: REGISTER }).subscribe("admin");
  await world.run(MINUTE);
  assert.equal(world.sockets.length, 1);
  assert.equal(channel.subscribed, true);
});

test("a subscription has succeeded only when the backend knows the connection", async () => {
  const world = new World();
  world.backend = () => [500];
  const channel = world.connect({ register: REGISTER }).subscribe("admin");
  await world.run(MINUTE);
  assert.equal(channel.subscribed, false);
  world.backend = () => [200, {}];
  await world.run(MINUTE);
  assert.equal(channel.subscribed, true);
});

for (const status of [408, 429, 500, 503]) {
  test(`registration is repeated with growing pauses after ${status}`, async () => {
    const world = new World();
    world.chance = 0.999;
    world.backend = () => [status];
    world.connect({ register: REGISTER, registerInterval: 0 });
    await world.run(5 * MINUTE);
    const times = registrations(world).map(({ at }) => at);
    assert.ok(times.length > 8 && times.length < 20, `${times.length}`);
    assert.ok(times.at(-1) - times.at(-2) <= 30 * SECOND + 40);
    assert.equal(world.errors[0].type, "RegistrationError");
    assert.equal(world.errors[0].error.data.message, `/websocket/register answered ${status}`);
    assert.equal(world.open.length, 1);
    const count = times.length;
    world.backend = () => [204];
    await world.run(2 * MINUTE);
    assert.equal(registrations(world).length, count + 1);
  });
}

for (const status of [400, 401, 403, 404, 422]) {
  test(`what the backend refuses with ${status} is not repeated, and the page is told so`, async () => {
    const world = new World();
    world.backend = () => [status];
    const channel = world.connect({ register: REGISTER }).subscribe("admin");
    await world.run(20 * MINUTE);
    assert.equal(registrations(world).length, 1);
    const message = `/websocket/register answered ${status}; not asked again`;
    const data = { message, code: status, requestId: undefined, isFinal: true };
    assert.deepEqual(world.errors, [{ type: "RegistrationError", error: { data } }]);
    assert.equal(channel.subscribed, false);
  });
}

test("a refused registration is tried again on the next connection, and when a channel is subscribed", async () => {
  const world = new World();
  world.backend = () => [401];
  const gateway = world.connect({ register: REGISTER });
  await world.run(MINUTE);
  world.socket.drop();
  await world.run(MINUTE);
  assert.equal(registrations(world).length, 2);
  world.backend = () => [204];
  const channel = gateway.subscribe("admin");
  await world.run();
  assert.equal(registrations(world).length, 3);
  assert.equal(channel.subscribed, true);
});

test("while the page is looked at it registers again each minute or so: a backend that was restarted knows nobody", async () => {
  for (const [chance, pause] of [
    [0, 48],
    [0.5, 60],
    [1, 72],
  ]) {
    const world = new World();
    world.chance = chance;
    world.connect({ register: REGISTER });
    await world.run(7 * MINUTE);
    const times = registrations(world).map(({ at }) => at);
    for (const [i, at] of times.slice(1).entries()) assert.equal(at - times[i], pause * SECOND + 20);
    assert.equal(times.length, 1 + Math.floor((7 * 60) / (pause + 0.02)));
    assert.deepEqual(world.errors, []);
  }
});

test("a page that nobody looks at registers again only after a long silence, and soon when it is shown", async () => {
  const world = new World();
  world.connect({ register: REGISTER, registerInterval: 10 * SECOND });
  await world.run();
  world.show(false);
  await world.run(8 * MINUTE);
  assert.equal(registrations(world).length, 1);
  await world.run(2 * MINUTE);
  assert.equal(registrations(world).length, 2);
  world.show(true);
  await world.run(10 * SECOND);
  assert.equal(registrations(world).length, 3);
  await world.run(MINUTE);
  assert.equal(registrations(world).length, 9);
});

test("registering again each minute ends with the connection, and goes on with the next", async () => {
  const world = new World();
  const gateway = world.connect({ register: REGISTER });
  await world.run(10 * SECOND);
  world.socket.drop();
  await world.run(10 * SECOND);
  const { id } = world.socket;
  await world.run(5 * MINUTE);
  assert.deepEqual(
    registrations(world)
      .slice(1)
      .map(({ body }) => body.connection_id),
    Array(6).fill(id),
  );
  gateway.disconnect();
  assert.equal(world.clock.timers, 0);
});

test("a backend that does not answer is asked again", async () => {
  const world = new World();
  world.backend = () => new Promise(() => {});
  world.connect({ register: REGISTER });
  await world.run(MINUTE);
  assert.ok(registrations(world).length >= 3);
});

test("registration ends with its connection", async () => {
  const world = new World();
  world.backend = () => [500];
  const gateway = world.connect({ register: REGISTER });
  await world.run(MINUTE);
  gateway.disconnect();
  const count = registrations(world).length;
  await world.run(HOUR);
  assert.equal(registrations(world).length, count);
  assert.equal(world.clock.timers, 0);
});

test("register may be a function, whose failures are repeated too", async () => {
  const world = new World();
  const calls = [];
  const register = async (id) => {
    calls.push(id);
    if (calls.length < 3) throw new Error("not yet");
  };
  const channel = world.connect({ register }).subscribe("admin");
  await world.run(MINUTE);
  assert.deepEqual(calls, [world.socket.id, world.socket.id, world.socket.id]);
  assert.equal(channel.subscribed, true);
});

test("a function that rejects with nothing is repeated like any other", async () => {
  const world = new World();
  let calls = 0;
  const refuse = () => (++calls < 5 ? Promise.reject() : "signature");
  const channel = world.connect({ register: refuse, auth: () => refuse() }).subscribe("admin");
  await world.run(MINUTE);
  assert.equal(channel.subscribed, true);
  assert.equal(world.errors.length, 4);
});

test("without registerInterval it registers again after a long silence alone", async () => {
  const world = new World();
  const told = [];
  const gateway = world.connect({ register: REGISTER, registerInterval: 0 });
  gateway.subscribe("admin").bind("pusher:subscription_succeeded", () => told.push(1));
  await world.run(10 * MINUTE);
  assert.equal(registrations(world).length, 2);
  assert.equal(told.length, 1);
});

test("the query of a URL is not part of an error", async () => {
  const world = new World();
  world.backend = () => [500];
  world.connect({ register: `${REGISTER}?token=secret` });
  await world.run();
  assert.equal(world.errors[0].error.data.message, "/websocket/register answered 500");
  assert.equal(world.errors[0].error.data.code, 500);
});
