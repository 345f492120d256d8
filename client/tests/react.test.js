import assert from "node:assert/strict";
import { test } from "node:test";
import { StrictMode, createElement, useEffect } from "react";
import { World, event } from "./world.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
// The renderer says at every start that it is deprecated, and is the one that needs no page.
const consoleError = console.error;
console.error = (...words) => `${words[0]}`.includes("react-test-renderer is deprecated") || consoleError(...words);
const { default: renderer } = await import("react-test-renderer");
const { GatewayContext, useChannel } = await import("../src/react.js");

const Listener = ({ channel = "admin", onEvent }) => {
  useChannel(channel, "admin_event", onEvent);
  return null;
};

async function mount(element) {
  let root;
  await renderer.act(() => {
    root = renderer.create(element);
  });
  return {
    update: (next) => renderer.act(() => root.update(next)),
    unmount: () => renderer.act(() => root.unmount()),
  };
}

// First, while no Gateway was made.
test("a Gateway that a parent makes in its effect, after those of its children, is waited for", async () => {
  const world = new World();
  const heard = [];
  const Parent = ({ children }) => {
    useEffect(() => void world.connect(), []);
    return children;
  };
  const listener = createElement(Listener, { onEvent: (data) => heard.push(data) });
  const gone = await mount(listener);
  await gone.unmount();
  const page = await mount(createElement(StrictMode, null, createElement(Parent, null, listener)));
  await world.run();
  assert.equal(world.socket.actions("subscribe").length, 1);
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  await page.unmount();
  await world.run();
  assert.equal(world.socket.actions("unsubscribe").length, 1);
});

test("a context that has no Gateway yet is waited for, whatever others there are", async () => {
  const [world, other] = [new World(), new World()];
  other.connect();
  const heard = [];
  const listener = createElement(Listener, { onEvent: (data) => heard.push(data) });
  const provider = (value) => createElement(GatewayContext.Provider, { value }, listener);
  const component = await mount(provider(null));
  await other.run();
  assert.equal(other.socket.actions("subscribe").length, 0);
  await component.update(provider(world.connect()));
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  await component.unmount();
});

test("a callback that is no function is refused", async () => {
  const mounted = mount(createElement(Listener, { onEvent: 1 }));
  await assert.rejects(mounted, /useChannel takes a function, not number/);
});

test("a component hears its channel while it is mounted, each event once, in strict mode too", async () => {
  const world = new World();
  const heard = [];
  const onEvent = (data) => heard.push(data);
  const gateway = world.connect();
  const component = await mount(createElement(StrictMode, null, createElement(Listener, { onEvent })));
  await world.run();
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.socket.sent.slice(1), [{ action: "subscribe", channel: "admin" }]);
  world.socket.receive(event(1, "id-1"));
  assert.deepEqual(heard, [1]);
  await component.unmount();
  await world.run();
  assert.equal(gateway.channel("admin"), undefined);
  assert.equal(world.socket.actions("unsubscribe").length, 1);
});

test("a Gateway that is made in every render is one socket", async () => {
  const world = new World();
  const Page = ({ count }) => {
    world.connect({ auth: () => "signature" });
    return createElement(Listener, { onEvent: () => {}, count });
  };
  const strict = (count) => createElement(StrictMode, null, createElement(Page, { count }));
  const page = await mount(strict(0));
  for (let count = 1; count < 5; count++) await page.update(strict(count));
  await world.run();
  assert.equal(world.sockets.length, 1);
  assert.equal(world.socket.actions("subscribe").length, 1);
  await page.unmount();
});

test("the newest callback is called, without another subscription", async () => {
  const world = new World();
  world.connect();
  const heard = [];
  const element = (name) => createElement(Listener, { onEvent: (data) => heard.push(`${name} ${data}`) });
  const component = await mount(element("first"));
  await world.run();
  await component.update(element("second"));
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, ["second 1"]);
  assert.equal(world.socket.sent.length, 2);
  await component.unmount();
});

test("two components share a channel, and one that leaves takes nothing from the other", async () => {
  const world = new World();
  world.connect();
  const heard = [];
  const onEvent = (data) => heard.push(data);
  const one = await mount(createElement(Listener, { onEvent }));
  const other = await mount(createElement(Listener, { onEvent }));
  await world.run();
  await one.unmount();
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  assert.equal(world.socket.sent.length, 2);
  await other.unmount();
});

test("another channel is another subscription, and no channel is none", async () => {
  const world = new World();
  world.connect();
  const component = await mount(createElement(Listener, { channel: null, onEvent: () => {} }));
  await world.run();
  assert.equal(world.socket.sent.length, 1);
  for (const channel of ["a", "b"]) {
    await component.update(createElement(Listener, { channel, onEvent: () => {} }));
    await world.run();
  }
  const sent = world.socket.sent.slice(1).map(({ action, channel }) => `${action} ${channel}`);
  assert.deepEqual(sent.sort(), ["subscribe a", "subscribe b", "unsubscribe a"]);
  await component.unmount();
});

test("a Gateway of the context comes before the last that was made", async () => {
  const [world, other] = [new World(), new World()];
  const gateway = world.connect();
  other.connect();
  const heard = [];
  const listener = createElement(Listener, { onEvent: (data) => heard.push(data) });
  const component = await mount(createElement(GatewayContext.Provider, { value: gateway }, listener));
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  await component.unmount();
});

test("a component that rewinds gets what was sent before it was there", async () => {
  const world = new World();
  const heard = [];
  const history = ({ channel, rewind }) => {
    const messages = [8, 9].map((seq) => ({ channel, event: "admin_event", data: seq, epoch: "e", seq }));
    return { channel, epoch: "e", seq: 9, recovered: false, messages: messages.slice(-rewind), more: false };
  };
  world.connect({ history });
  const Late = () => {
    useChannel("admin", "admin_event", (data) => heard.push(data), { rewind: 2 });
    return null;
  };
  const component = await mount(createElement(StrictMode, null, createElement(Late)));
  await world.run();
  assert.deepEqual(heard, [8, 9]);
  await component.unmount();
});
