// The module of history: who loads it, and what is when it comes late, or not at all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { copyClient } from "./copies.js";
import { Store } from "./store.js";
import { SECOND, World } from "./world.js";

const HISTORY = "/websocket/history";
const MISSING = /^history\.js, which belongs beside gateway\.js, cannot be loaded: /;

const start = (copy) => {
  const world = new World();
  const store = new Store();
  world.Gateway = copy.Gateway;
  world.backend = (url, { channels, ...request }) => [
    200,
    channels ? { channels: channels.map((one) => store.read(one)) } : store.read(request),
  ];
  return { world, store };
};

const log = (...data) => data.map((one) => ({ event: "log", data: one, id: `id-${one}` }));

const listen = (target) => {
  const heard = [];
  target.bind("log", (data) => heard.push(data));
  target.bind("pusher:subscription_succeeded", (state) => heard.push(state));
  return heard;
};

test("a page loads the module of history as soon as it asks for history, and nobody else does", async () => {
  const [other, copy] = [await copyClient(), await copyClient()];
  const page = start(other).world;
  page.connect().subscribe("logs");
  await page.run();
  const server = start(other).world;
  server.platform.document = undefined;
  server.connect({ history: HISTORY }); // renders a page
  start(copy).world.connect({ history: HISTORY });
  await copy.gate.begun;
  assert.equal(other.gate.hasBegun, false);
});

test("what comes before the module of history waits for it: in order, each once", async () => {
  const copy = await copyClient();
  const { world, store } = start(copy);
  for (const data of [1, 2]) store.append("logs", log(data));
  const gateway = world.connect({ history: HISTORY });
  const relayed = listen(gateway);
  const claims = [{}, { rewind: 1 }].map((options) => gateway.subscribe("logs", options));
  const [heard, rewound] = claims.map(listen);
  await world.run();
  await copy.gate.begun;
  const [third, fourth, fifth] = [3, 4, 5].map((data) => store.append("logs", log(data)));
  for (const message of [fourth, third, fourth]) world.socket.receive(message);
  world.socket.receive({ channel: "logs", event: "log", data: "without a number" });
  await world.run(5 * SECOND);
  assert.deepEqual([heard, claims[0].subscribed, world.requests], [["without a number"], false, []]);
  copy.gate.open();
  await world.run(100);
  world.socket.receive(fifth);
  await world.run();
  for (const [, ...rest] of [heard, rewound])
    assert.deepEqual(rest, [{ recovered: false, position: { epoch: "e1", seq: 2 } }, 3, 4, 5]);
  assert.deepEqual(relayed, ["without a number", 3, 4, 5]);
  assert.deepEqual(world.errors, []);
});

test("a cut while the module of history is loaded loses nothing", async () => {
  const copy = await copyClient();
  const { world, store } = start(copy);
  const heard = listen(world.connect({ history: HISTORY }).subscribe("logs"));
  await world.run();
  world.socket.receive(store.append("logs", log(1)));
  world.socket.drop();
  store.append("logs", log(2));
  await world.run(5 * SECOND);
  world.socket.receive(store.append("logs", log(3)));
  await copy.gate.begun;
  copy.gate.open();
  await world.run(2 * SECOND);
  assert.deepEqual(heard, [{ recovered: false, position: { epoch: "e1", seq: 0 } }, 1, 2, 3]);
});

test("without its module history cannot be read: live events go on, and the page is told", async () => {
  const copy = await copyClient({ isMissing: true });
  const { world, store } = start(copy);
  for (let i = 1; i < 4; i++) store.append("logs", log(i));
  const gateway = world.connect({ history: HISTORY });
  const relayed = listen(gateway);
  const claims = [{}, { rewind: 3 }, { since: { epoch: "e1", seq: 1 } }].map((how) => gateway.subscribe("logs", how));
  const heard = claims.map(listen);
  await world.until(() => claims[0].subscribed);
  const told = { recovered: false, position: null };
  assert.deepEqual(heard, [[told], [told], [told]]);
  assert.equal(world.errors[0].type, "HistoryError");
  assert.match(world.errors[0].error.data.message, MISSING);
  const [fourth, fifth] = [4, 5].map((data) => store.append("logs", log(data)));
  for (const message of [fourth, fifth, fourth]) world.socket.receive(message);
  for (const one of heard) assert.deepEqual(one, [told, 4, 5]);
  assert.deepEqual(relayed, [4, 5]);
  assert.deepEqual(world.requests, []);
  const other = gateway.subscribe("other");
  await world.until(() => other.subscribed);
  assert.equal(heard[0].length, 3, "told once");

  // The next subscription tries again, for all.
  await copy.add();
  copy.gate.open();
  const late = gateway.subscribe("logs", { rewind: 1 });
  const lateHeard = listen(late);
  await world.until(() => late.subscribed);
  world.socket.receive(store.append("logs", log(6)));
  const position = { epoch: "e1", seq: 5 };
  for (const one of heard) assert.deepEqual(one.slice(3), [{ recovered: false, position }, 6]);
  assert.deepEqual(lateHeard.slice(1), [5, 6]);
  world.socket.drop();
  store.append("logs", log(7));
  await world.run(5 * SECOND);
  for (const one of [...heard, lateHeard])
    assert.deepEqual(one.slice(-2), [{ recovered: true, position: { epoch: "e1", seq: 6 } }, 7]);
});

test("a connection that comes back tries again, too", async () => {
  const copy = await copyClient({ isMissing: true });
  const { world } = start(copy);
  const heard = listen(world.connect({ history: HISTORY }).subscribe("logs"));
  await world.until(() => heard.length);
  await copy.add();
  copy.gate.open();
  world.socket.drop();
  await world.until(() => heard.length > 1);
  assert.deepEqual(heard[1], { recovered: false, position: { epoch: "e1", seq: 0 } });
});

test("a module of history that does not come holds up live events for ten seconds, and no more", async () => {
  const copy = await copyClient();
  const { world, store } = start(copy);
  const gateway = world.connect({ history: HISTORY });
  const heard = [1, 2].map(() => listen(gateway.subscribe("logs")));
  await world.run();
  world.socket.receive(store.append("logs", [{ event: "log", data: "without an id" }]));
  await world.run(8 * SECOND);
  assert.deepEqual(heard, [[], []]);
  await world.run(2 * SECOND);
  for (const one of heard) assert.deepEqual(one, [{ recovered: false, position: null }, "without an id"]);
  assert.match(world.errors[0].error.data.message, /cannot be loaded: it gave no answer within 10 s$/);
});

test("of the Gateways of one name the newest says whether there is history", async () => {
  const copy = await copyClient();
  copy.gate.open();
  const { world, store } = start(copy);
  const heard = listen(world.connect({ name: "app", history: HISTORY }).subscribe("logs"));
  await world.until(() => heard.length);
  world.connect({ name: "app" });
  const [first, second] = [1, 2].map((data) => store.append("logs", log(data)));
  for (const message of [second, first]) world.socket.receive(message);
  world.socket.drop();
  await world.run(5 * SECOND);
  assert.deepEqual(heard.slice(1), [2, 1, {}]);
  assert.equal(world.requests.length, 1);
});
