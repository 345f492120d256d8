import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "./store.js";
import { HOUR, MINUTE, SECOND, World } from "./world.js";

const HISTORY = "/websocket/history";

const start = (options) => {
  const world = new World();
  const store = new Store();
  world.backend = (url, { channels, ...request }) => {
    if (url !== HISTORY) return [204];
    return [200, channels ? { channels: channels.map((one) => store.read(one)) } : store.read(request)];
  };
  return { world, store, gateway: world.connect({ history: HISTORY, ...options }) };
};

const log = (...data) => data.map((one) => ({ event: "log", data: one, id: `id-${one}` }));
const asked = (world) => world.requests.filter(({ url }) => url === HISTORY).map(({ body }) => body);

const listen = (channel) => {
  const heard = [];
  channel.bind("log", (data) => heard.push(data));
  channel.bind("pusher:subscription_succeeded", (state) => heard.push(state));
  return heard;
};

test("a first subscription tells its position before the first event, and what was sent meanwhile comes after it", async () => {
  const { world, store, gateway } = start();
  for (const data of [1, 2]) store.append("logs", log(data));
  const channel = gateway.subscribe("logs");
  const heard = listen(channel);
  await world.run(45);
  const message = store.append("logs", log(3));
  await world.run(5);
  world.socket.receive(message);
  assert.deepEqual([heard, channel.subscribed, channel.position], [[], false, null]);
  await world.run();
  assert.deepEqual(asked(world), [{ channel: "logs", rewind: 0 }]);
  assert.deepEqual(heard, [{ recovered: false, position: { epoch: "e001", seq: 2 } }, 3]);
  assert.deepEqual([channel.subscribed, channel.position], [true, { epoch: "e001", seq: 3 }]);
});

test("rewind brings the last events, then live ones, in order, each once", async () => {
  const { world, store, gateway } = start();
  for (let i = 1; i < 10; i++) store.append("logs", log(i));
  const heard = listen(gateway.subscribe("logs", { rewind: 3 }));
  await world.run(50);
  for (const data of [10, 11]) world.socket.receive(store.append("logs", log(data)));
  await world.run();
  world.socket.receive(store.append("logs", log(12, 13)));
  assert.deepEqual(heard, [{ recovered: false, position: { epoch: "e001", seq: 8 } }, 9, 10, 11, 12, 13]);
});

test("a rewind of minutes goes to the backend as it is", async () => {
  const { world, gateway } = start();
  gateway.subscribe("logs", { rewind: "5m" });
  await world.run();
  assert.deepEqual(asked(world), [{ channel: "logs", rewind: "5m" }]);
});

test("claims on one channel each get their own rewind, in one request, and a later one without asks nothing", async () => {
  const { world, store, gateway } = start();
  for (let i = 1; i < 10; i++) store.append("logs", log(i));
  const claims = [{ rewind: 2 }, { rewind: 4 }, {}, { rewind: 2 }].map((options) => gateway.subscribe("logs", options));
  const heard = claims.map(listen);
  await world.run();
  const ask = (rewind) => ({ channel: "logs", rewind });
  assert.deepEqual(asked(world), [{ channels: [ask(2), ask(4), ask(0)] }]);
  const late = gateway.subscribe("logs");
  const heardLate = listen(late);
  const rewound = listen(gateway.subscribe("logs", { rewind: 1 }));
  await world.run();
  world.socket.receive(store.append("logs", log(10)));
  assert.deepEqual(
    heard.map(([, ...data]) => data),
    [[8, 9, 10], [6, 7, 8, 9, 10], [10], [8, 9, 10]],
  );
  assert.deepEqual(heardLate, [{ recovered: false, position: { epoch: "e001", seq: 9 } }, 10]);
  assert.deepEqual(rewound.slice(1), [9, 10]);
  assert.deepEqual(asked(world).slice(1), [ask(1)]);
});

test("null in place of an option is as if it were not there", async () => {
  const { world, gateway } = start();
  gateway.subscribe("logs", { rewind: null, since: null });
  await world.run();
  assert.deepEqual(asked(world), [{ channel: "logs", rewind: 0 }]);
});

test("since joins exactly where a snapshot was taken", async () => {
  const { world, store, gateway } = start();
  for (let i = 1; i < 10; i++) store.append("logs", log(i));
  const since = { epoch: "e001", seq: 6 };
  const heard = listen(gateway.subscribe("logs", { since }));
  const lost = listen(gateway.subscribe("logs", { since: { epoch: "e0", seq: 6 } }));
  await world.run();
  assert.deepEqual(heard, [{ recovered: true, position: since }, 7, 8, 9]);
  assert.deepEqual(lost, [{ recovered: false, position: { epoch: "e001", seq: 9 } }]);
});

test("a page that was frozen for an hour comes back with one request for all channels, and has missed nothing", async () => {
  const { world, store, gateway } = start({ register: "/websocket/register" });
  const heard = ["a", "b", "c"].map((name) => listen(gateway.subscribe(name)));
  await world.run(MINUTE);
  world.socket.drop();
  world.clock.sleep(HOUR);
  for (const name of ["a", "b", "c"]) for (let i = 1; i < 200; i++) store.append(name, log(`${name}${i}`));
  world.requests.length = 0;
  await world.run(5 * SECOND);
  const from = (epoch) => ({ epoch, seq: 0 });
  const since = ["a", "b", "c"].map((channel, i) => ({ channel, since: from(`e00${i + 1}`) }));
  assert.deepEqual(asked(world), [{ channels: since }]);
  for (const [i, [, told, ...data]] of heard.entries()) {
    assert.deepEqual(told, { recovered: true, position: from(`e00${i + 1}`) });
    assert.deepEqual([data.length, data[0], data.at(-1)], [199, `${"abc"[i]}1`, `${"abc"[i]}199`]);
  }
});

test("channels whose subscriptions are confirmed one after the other share a request all the same", async () => {
  const { world, gateway } = start();
  const answer = world.gateway;
  world.gateway = (frame, socket) => {
    if (frame.action !== "subscribe") return answer(frame, socket);
    world.clock.setTimeout(() => socket.receive(answer(frame, socket)[0]), 50 * frame.channel.length);
    return [];
  };
  for (const name of ["a", "bb", "ccc"]) gateway.subscribe(name);
  await world.run();
  assert.deepEqual(
    asked(world).map(({ channels }) => channels.length),
    [3],
  );
});

test("a backend that refuses a request for several is asked for each", async () => {
  const { world, store, gateway } = start();
  world.backend = (url, request) => (request.channels ? [422] : [200, store.read(request)]);
  const heard = ["a", "b"].map((name) => listen(gateway.subscribe(name)));
  await world.run();
  world.socket.drop();
  await world.run(5 * SECOND);
  assert.deepEqual(
    heard.map((told) => told.map(({ recovered }) => recovered)),
    [
      [false, true],
      [false, true],
    ],
  );
  assert.deepEqual(
    asked(world).map((body) => body.channels?.length ?? body.channel),
    [2, "a", "b", "a", "b"],
  );
  assert.deepEqual(world.errors, []);
});

test("a message that comes early waits a second for the one before it, and no more", async () => {
  const { world, store, gateway } = start();
  const heard = listen(gateway.subscribe("logs"));
  await world.run();
  const [first, second, , fourth] = [1, 2, 3, 4].map((data) => store.append("logs", log(data)));
  world.socket.receive(second);
  await world.run(500);
  world.socket.receive(first);
  assert.deepEqual(heard.slice(1), [1, 2]);
  await world.run(MINUTE);
  assert.equal(asked(world).length, 1);
  world.socket.receive(fourth);
  await world.run(990);
  assert.deepEqual(heard.slice(1), [1, 2]);
  await world.run(50);
  assert.deepEqual(heard.slice(1), [1, 2, 3, 4]);
  assert.deepEqual(asked(world).slice(1), [{ channel: "logs", since: { epoch: "e001", seq: 2 } }]);
  assert.equal(heard.filter((one) => one.recovered !== undefined).length, 1, "nothing was missing, so nothing is told");
});

test("claims that miss the same message read it with one request", async () => {
  const { world, store, gateway } = start();
  const heard = [1, 2, 3].map(() => listen(gateway.subscribe("logs")));
  await world.run();
  store.append("logs", log(1));
  world.socket.receive(store.append("logs", log(2)));
  await world.run(2 * SECOND);
  assert.deepEqual(asked(world).slice(1), [{ channel: "logs", since: { epoch: "e001", seq: 0 } }]);
  assert.deepEqual(
    heard.map(([, ...data]) => data),
    [[1, 2], [1, 2], [1, 2]],
  );
});

test("an answer that claims to be whole, and has a hole, is not believed", async () => {
  for (const spoil of [
    (answer) => answer.messages.splice(1, 1),
    (answer) => answer.messages.splice(1, 1) && answer.seq--,
    (answer) => answer.messages.shift(),
    (answer) => answer.messages.pop(),
    (answer) => (answer.messages = []),
    (answer) => answer.messages.shift() && (answer.more = true),
    (answer) => (answer.epoch = "other"),
    (answer) => (answer.seq = 1),
    (answer) => (answer.recovered = false),
  ]) {
    const { world, store, gateway } = start();
    const heard = listen(gateway.subscribe("logs", { since: { epoch: "e001", seq: 2 } }));
    for (let i = 1; i < 6; i++) store.append("logs", log(i));
    world.backend = (url, request) => {
      const answer = store.read(request);
      spoil(answer);
      return [200, answer];
    };
    await world.run();
    assert.equal(heard[0].recovered, false, `${spoil}`);
  }
});

test("messages of before the position, as in a late answer to another question, are left out", async () => {
  const { world, store, gateway } = start();
  for (let i = 1; i < 6; i++) store.append("logs", log(i));
  world.backend = (url, { channel }) => [200, store.read({ channel, rewind: 4 })];
  const since = { epoch: "e001", seq: 3 };
  const heard = listen(gateway.subscribe("logs", { since }));
  await world.run();
  assert.deepEqual(heard, [{ recovered: true, position: since }, 4, 5]);
});

test("a claim that is made while another one waits for a message waits for it too", async () => {
  const { world, store, gateway } = start();
  gateway.subscribe("logs");
  await world.run();
  const [first, second] = [1, 2].map((data) => store.append("logs", log(data)));
  world.socket.receive(second);
  const heard = listen(gateway.subscribe("logs"));
  await world.run(100);
  world.socket.receive(first);
  assert.deepEqual(heard.slice(1), [1, 2]);
  await world.run(MINUTE);
  assert.equal(asked(world).length, 1);
});

test("a message of another epoch that comes late is read about once, and forgotten", async () => {
  const { world, store, gateway } = start();
  const heard = listen(gateway.subscribe("logs"));
  await world.run();
  const late = store.append("logs", log(1));
  store.expire("logs");
  for (const data of [2, 3]) world.socket.receive(store.append("logs", log(data)));
  await world.run(2 * SECOND);
  world.socket.receive(late);
  await world.run(MINUTE);
  assert.deepEqual(heard.slice(1), [{ recovered: false, position: { epoch: "e002", seq: 0 } }, 2, 3]);
  assert.equal(asked(world).length, 3);
});

test("live events do not wait for history that cannot be had, and the page is told", async () => {
  for (const [status, patience] of [
    [403, 3],
    [404, 3],
    [500, 40],
    [undefined, 25],
  ]) {
    const { world, store, gateway } = start();
    const heard = listen(gateway.subscribe("logs"));
    await world.run();
    world.backend = () => (status ? [status] : new Promise(() => {}));
    world.socket.drop();
    await world.run(2 * SECOND);
    store.append("logs", log(1));
    for (const data of [2, 3]) world.socket.receive(store.append("logs", log(data)));
    await world.run(patience * SECOND);
    const position = { epoch: "e001", seq: 1 };
    assert.deepEqual(heard.slice(-3), [{ recovered: false, position }, 2, 3], `${status}`);
    assert.equal(world.errors.at(-1).type, "HistoryError");
    if (status) assert.equal(world.errors.at(-1).error.data.message, `${HISTORY} answered ${status}`);
    assert.ok(asked(world).length < 15);
  }
});

test("where history cannot be read, an epoch that began later is taken up, and one that began earlier is not", async () => {
  for (const [epoch, isLater] of [
    ["e0", false],
    ["e2", true],
  ]) {
    const { world, gateway } = start();
    const heard = listen(gateway.subscribe("logs", { since: { epoch: "e1", seq: 1 } }));
    world.backend = () => [403];
    await world.run(2 * SECOND);
    const [other, own] = log(1, 2);
    world.socket.receive({ channel: "logs", ...other, epoch, seq: 7 });
    await world.run(2 * SECOND);
    world.socket.receive({ channel: "logs", ...own, epoch: "e1", seq: 2 });
    assert.deepEqual(
      heard.slice(1),
      isLater
        ? [{ recovered: false, position: { epoch: "e2", seq: 6 } }, 1]
        : [{ recovered: false, position: { epoch: "e1", seq: 1 } }, 2],
    );
  }
});

test("a store whose clock was set back is believed as soon as it can be read", async () => {
  const { world, gateway } = start();
  const heard = listen(gateway.subscribe("logs", { since: { epoch: "e2", seq: 1 } }));
  world.backend = () => [403];
  await world.run(2 * SECOND);
  const message = (seq) => ({ channel: "logs", ...log(seq)[0], epoch: "e1", seq });
  world.socket.receive(message(1));
  await world.run(2 * SECOND);
  world.backend = () => [200, { channel: "logs", epoch: "e1", seq: 2, recovered: false, messages: [] }];
  world.socket.receive(message(2));
  await world.run(2 * SECOND);
  world.socket.receive(message(3));
  assert.deepEqual(heard.slice(2), [{ recovered: false, position: { epoch: "e1", seq: 1 } }, 2, 3]);
});

test("a channel without history is as it is without history", async () => {
  const { world, gateway } = start();
  world.backend = (url, { channel }) => [
    200,
    { channel, epoch: null, seq: 0, recovered: false, messages: [], more: false },
  ];
  const channel = gateway.subscribe("logs");
  const heard = listen(channel);
  await world.run();
  world.socket.receive({ channel: "logs", ...log(1)[0] });
  assert.deepEqual(heard, [{ recovered: false, position: null }, 1]);
  gateway.subscribe("logs");
  await world.run();
  assert.equal(asked(world).length, 1, "which is known then");
});

test("where a page has null for messages, or nothing, there are none", async () => {
  const { world, gateway } = start();
  const pages = [null, undefined].map((messages) => ({ epoch: "e1", seq: 6, recovered: true, messages }));
  world.backend = () => [200, { channels: pages }];
  const heard = ["a", "b"].map((name) => listen(gateway.subscribe(name)));
  await world.run();
  const told = [{ recovered: false, position: { epoch: "e1", seq: 6 } }];
  assert.deepEqual(heard, [told, told]);
});

test("a channel that has no history any more has no position", async () => {
  const { world, gateway } = start();
  world.backend = (url, { channel }) => [200, { channel, epoch: null, seq: 0, recovered: false, messages: [] }];
  const heard = listen(gateway.subscribe("logs", { since: { epoch: "e001", seq: 6 } }));
  await world.run();
  assert.deepEqual(heard, [{ recovered: false, position: null }]);
});

test("a Gateway hears nothing of an epoch that one of its claims has left", async () => {
  const { world, store, gateway } = start();
  const heard = listen(gateway);
  const former = listen(gateway.subscribe("logs"));
  await world.run();
  const late = store.append("logs", log(1));
  store.expire("logs");
  store.append("logs", log(2));
  gateway.subscribe("logs", { rewind: 5 });
  await world.run();
  world.socket.receive(late);
  assert.deepEqual([former.at(-1), heard.at(-1)], [1, 2]);
});

test("without the option nothing is asked, and numbers change nothing", async () => {
  const { world, store, gateway } = start({ history: undefined });
  const heard = listen(gateway.subscribe("logs"));
  await world.run();
  const [first, second] = [1, 2].map((data) => store.append("logs", log(data)));
  for (const message of [second, first, second]) world.socket.receive(message);
  await world.run(MINUTE);
  assert.deepEqual(heard, [{}, 2, 1]);
  assert.deepEqual(world.requests, []);
  for (const options of [{ rewind: 1 }, { since: { epoch: "e", seq: 1 } }]) {
    assert.throws(() => gateway.subscribe("logs", options), /no option 'history' to rewind; give one/);
  }
});

test("a function is asked as the endpoint is", async () => {
  const { store, world } = start();
  store.append("logs", log(1));
  const requests = [];
  const history = async (request) => requests.push(request) && store.read(request);
  const heard = listen(world.connect({ history }).subscribe("logs", { rewind: 5 }));
  await world.run();
  assert.deepEqual([heard.slice(1), requests], [[1], [{ channel: "logs", rewind: 5 }]]);
});

test("over the socket each channel is asked with what it was signed with, one question at a time, page by page", async () => {
  const world = new World();
  const store = new Store();
  for (let i = 1; i < 6; i++) store.append("logs", log(i));
  const answer = world.gateway;
  world.gateway = (frame, socket) => {
    if (frame.action !== "history") return answer(frame, socket);
    return [{ type: "history", ...store.read(frame, 2) }];
  };
  const gateway = world.connect({ auth: (id, channel) => `${id} ${channel}`, history: true });
  const heard = [{ rewind: 4 }, { rewind: 1 }].map((options) => listen(gateway.subscribe("logs", options)));
  await world.run();
  const auth = `${world.socket.id} logs`;
  const since = (seq) => ({ since: { epoch: "e001", seq } });
  assert.deepEqual(
    heard.map(([, ...data]) => data),
    [[2, 3, 4, 5], [5]],
  );
  const frames = [{ rewind: 4 }, { rewind: 1 }, since(3)].map((from) => ({
    action: "history",
    channel: "logs",
    ...from,
    auth,
  }));
  assert.deepEqual(world.socket.actions("history"), frames);
});

test("a handover keeps the position, and reads nothing", async () => {
  const { world, store, gateway } = start();
  const heard = listen(gateway.subscribe("logs"));
  await world.run();
  for (let i = 1; world.sockets.length < 2 || world.open.length > 1; i++) {
    const message = store.append("logs", log(i));
    for (const socket of world.open) if (socket.actions("subscribe").length) socket.receive(message);
    await world.run(SECOND);
  }
  assert.equal(asked(world).length, 1);
  assert.deepEqual(
    heard.slice(1),
    Array.from({ length: heard.length - 1 }, (_, i) => i + 1),
  );
  assert.ok(heard.length > 5000);
});

test("a reading that a cut ends is no error, and the next connection begins another", async () => {
  for (const history of [true, HISTORY]) {
    const { world, store, gateway } = start({ history });
    const answer = world.gateway;
    world.backend = () => new Promise(() => {});
    world.gateway = (frame, socket) => (frame.action === "history" ? [] : answer(frame, socket));
    const heard = listen(gateway.subscribe("logs"));
    await world.run();
    world.socket.drop();
    world.backend = (url, request) => [200, store.read(request)];
    world.gateway = (frame, socket) =>
      frame.action === "history" ? [{ type: "history", ...store.read(frame) }] : answer(frame, socket);
    await world.run(MINUTE);
    assert.deepEqual(heard, [{ recovered: false, position: { epoch: "e001", seq: 0 } }]);
    assert.deepEqual(world.errors, []);
  }
});
