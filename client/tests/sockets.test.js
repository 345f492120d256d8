// Over real sockets, with time limits and pauses made shorter. Nothing here depends on how fast the machine is.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Gateway } from "../src/gateway.js";
import { Backend } from "./backend.js";

const TICK = 30_000;

const start = async (t, { age = 1000, auth } = {}) => {
  const backend = await new Backend().start();
  const platform = {
    WebSocket,
    fetch,
    document: {},
    Math,
    Date: { now: () => performance.now() * age },
    clearTimeout,
    setTimeout: (callback, delay) => setTimeout(callback, delay === TICK ? 20 : delay / 20),
  };
  const gateway = new Gateway(`ws://${backend.origin}/production`, {
    register: `http://${backend.origin}/websocket/register`,
    auth: auth && `http://${backend.origin}/websocket/auth`,
    platform,
  });
  t.after(() => {
    gateway.disconnect();
    backend.stop();
  });
  return { backend, gateway };
};

const until = async (isTrue) => {
  while (!isTrue()) await sleep(1);
};

test("an event goes from the backend to the page", async (t) => {
  const { backend, gateway } = await start(t, { auth: true });
  const heard = [];
  const channel = gateway.subscribe("admin").bind("admin_event", (data) => heard.push(data));
  await until(() => channel.subscribed);
  assert.equal(await backend.broadcast(), 1);
  await until(() => heard.length);
  assert.deepEqual(heard, [0]);
});

test("with nothing but a page's own globals it connects", async (t) => {
  const backend = await new Backend().start();
  Object.assign(globalThis, { document: { hidden: false }, WebSocket });
  t.after(() => delete globalThis.document);
  const gateway = new Gateway(`ws://${backend.origin}/production`, {
    register: `http://${backend.origin}/websocket/register`,
  });
  t.after(() => {
    gateway.disconnect();
    backend.stop();
  });
  const channel = gateway.subscribe("admin");
  await until(() => channel.subscribed);
  assert.equal(backend.registered.size, 1);
});

test("in 50 forced cuts nothing is lost or doubled that was sent while the page was connected", async (t) => {
  const { backend, gateway } = await start(t);
  const heard = [];
  const channel = gateway.subscribe("admin").bind("admin_event", (data) => heard.push(data));
  let unheard = 0;
  for (let cuts = 0; cuts < 50; cuts++) {
    await until(() => channel.subscribed);
    // From the first moment that the page says so, every event must arrive.
    for (let i = 0; i < 10; i++) assert.equal(await backend.broadcast(() => {}), 1);
    backend.cut();
    unheard += (await backend.broadcast()) === 0;
    await until(() => !channel.subscribed);
  }
  await until(() => channel.subscribed);
  await backend.broadcast();
  await until(() => heard.at(-1) === backend.delivered.at(-1));
  assert.deepEqual(heard, backend.delivered);
  assert.deepEqual([heard.length, unheard, backend.opened], [501, 50, 51]);
});

test("in 20 handovers under a stream of events nothing is lost or doubled, and the page notices nothing", async (t) => {
  // Two hours pass in a fraction of a second; posts of a broadcast are milliseconds apart.
  const { backend, gateway } = await start(t, { age: 50_000 });
  const heard = [];
  const states = [];
  const channel = gateway.subscribe("admin").bind_global((name, data) => heard.push(data));
  gateway.connection.bind("state_change", ({ current }) => states.push(current));
  await until(() => channel.subscribed);
  heard.length = 0;
  while (backend.opened < 21) await backend.broadcast();
  await until(() => heard.at(-1) === backend.delivered.at(-1));
  assert.deepEqual(heard, backend.delivered);
  assert.equal(heard.at(-1), heard.length - 1, "every broadcast reached somebody");
  assert.deepEqual(states, ["connected"]);
});

test("a backend that fails at first is asked until it registers and signs", async (t) => {
  const { backend, gateway } = await start(t, { auth: true });
  backend.failing = 6;
  const errors = [];
  gateway.connection.bind("error", ({ type }) => errors.push(type));
  const channel = gateway.subscribe("admin");
  await until(() => channel.subscribed);
  assert.equal(errors.length, 6);
  assert.deepEqual([...new Set(errors)].sort(), ["RegistrationError", "SubscriptionError"]);
});

test("a backend that refuses a signature refuses the subscription", async (t) => {
  const { backend, gateway } = await start(t, { auth: true });
  backend.isAuthorized = false;
  const refused = new Promise((resolve) => gateway.subscribe("admin").bind("pusher:subscription_error", resolve));
  assert.equal((await refused).status, 403);
});

test("a channel that is taken and given up in quick succession ends as the page wants it", async (t) => {
  const { backend, gateway } = await start(t);
  await until(() => gateway.connection.state === "connected");
  for (let i = 0; i < 101; i++) {
    if (i % 2) gateway.unsubscribe("admin");
    else gateway.subscribe("admin");
    if (i % 3 === 0) await sleep(1);
  }
  await until(() => gateway.channel("admin").subscribed);
  const [channels] = backend.subscribed.values();
  assert.deepEqual([...channels], ["admin"]);
  gateway.unsubscribe("admin");
  await until(() => channels.size === 0);
});
