import assert from "node:assert/strict";
import { test } from "node:test";
import { World, event } from "./world.js";

const listen = (target, name = "admin_event") => {
  const heard = [];
  target.bind(name, (data) => heard.push(data));
  return heard;
};

test("an event reaches the callbacks of its channel and its name, with the envelope", async () => {
  const world = new World();
  const gateway = world.connect();
  const calls = [];
  gateway.subscribe("admin").bind("admin_event", (...call) => calls.push(call));
  const others = [listen(gateway.subscribe("admin"), "other"), listen(gateway.subscribe("logs"))];
  await world.run();
  world.socket.receive(event({ type: "ack" }, "id-1"));
  assert.deepEqual(calls, [[{ type: "ack" }, event({ type: "ack" }, "id-1")]]);
  assert.deepEqual(others, [[], []]);
});

test("bind_global hears every event by name, of a channel or of the whole Gateway", async () => {
  const world = new World();
  const gateway = world.connect();
  const heard = [];
  gateway.subscribe("admin").bind_global((name, data) => heard.push(["channel", name, data]));
  gateway.bind_global((name, data) => heard.push(["gateway", name, data]));
  gateway.subscribe("admin");
  await world.run();
  heard.length = 0;
  world.socket.receive(event(1));
  assert.deepEqual(heard, [["channel", "admin_event", 1], ["gateway", "admin_event", 1]]);
});

test("a Gateway hears only the channels that it is subscribed to", async () => {
  const world = new World();
  const [one, other] = [world.connect(), world.connect()];
  one.subscribe("admin");
  other.subscribe("logs");
  const [heard, missed] = [listen(one), listen(other)];
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual([heard, missed], [[1], []]);
});

test("unbind takes away a callback, an event's callbacks, or all but the global ones", async () => {
  const world = new World();
  const channel = world.connect().subscribe("admin");
  const heard = [];
  const first = () => heard.push("first");
  const bindAll = () => {
    channel.unbind_all();
    channel.bind("admin_event", first).bind("admin_event", () => heard.push("second"));
    channel.bind_global((name) => name === "admin_event" && heard.push("global"));
  };
  await world.run();
  const cases = [
    [() => channel.unbind("admin_event", first), ["second", "global"]],
    [() => channel.unbind("admin_event"), ["global"]],
    [() => channel.unbind(undefined, first), ["second", "global"]],
    [() => channel.unbind("other"), ["first", "second", "global"]],
    [() => channel.unbind(), ["global"]],
    [() => channel.unbind_global(), ["first", "second"]],
    [() => channel.unbind_global(first), ["first", "second", "global"]],
    [() => channel.unbind_all(), []],
  ];
  for (const [unbind, expected] of cases) {
    bindAll();
    unbind();
    heard.length = 0;
    world.socket.receive(event(1));
    assert.deepEqual(heard, expected, `${unbind}`);
  }
});

test("a callback that was unbound by an earlier one is not called any more", async () => {
  const world = new World();
  const channel = world.connect().subscribe("admin");
  channel.bind("admin_event", () => channel.unbind_all());
  const heard = listen(channel);
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, []);
});

test("a claim that is given back by an earlier claim's callback is not called any more", async () => {
  const world = new World();
  const gateway = world.connect();
  gateway.subscribe("admin").bind("admin_event", () => other.unsubscribe());
  const other = gateway.subscribe("admin");
  const heard = listen(other);
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, []);
});

test("a callback that throws goes to the page's error handling and harms nobody else", async (t) => {
  const later = t.mock.method(globalThis, "queueMicrotask", () => {});
  const world = new World();
  const channel = world.connect().subscribe("admin");
  channel.bind("admin_event", () => {
    throw new Error("a bug of the page");
  });
  const heard = listen(channel);
  await world.run();
  later.mock.resetCalls();
  world.socket.receive(event(1));
  world.socket.receive(event(2));
  assert.deepEqual(heard, [1, 2]);
  assert.equal(later.mock.callCount(), 2);
  assert.throws(later.mock.calls[0].arguments[0], /a bug of the page/);
});

test("two components on one channel cannot unsubscribe or unbind each other", async () => {
  const world = new World();
  const gateway = world.connect();
  const [mine, theirs] = [gateway.subscribe("admin"), gateway.subscribe("admin")];
  const heard = listen(theirs);
  await world.run();
  assert.equal(world.socket.actions("subscribe").length, 1);
  mine.unbind_all();
  mine.unsubscribe();
  mine.unsubscribe();
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  assert.equal(world.socket.actions("unsubscribe").length, 0);
  theirs.unsubscribe();
  await world.run();
  assert.equal(world.socket.actions("unsubscribe").length, 1);
  world.socket.receive(event(2));
  assert.deepEqual(heard, [1]);
});

test("unsubscribe by name gives back one claim, and the last one silences the channel", async () => {
  const world = new World();
  const gateway = world.connect();
  const [first, second] = [listen(gateway.subscribe("admin")), listen(gateway.subscribe("admin"))];
  await world.run();
  gateway.unsubscribe("admin");
  gateway.unsubscribe("unknown");
  world.socket.receive(event(1));
  assert.deepEqual([first, second], [[1], [1]]);
  gateway.unsubscribe("admin");
  world.socket.receive(event(2));
  assert.deepEqual([first, second], [[1], [1]]);
  assert.equal(gateway.channel("admin"), undefined);
});

test("claims that were given back do not count for those that are made later", async () => {
  const world = new World();
  const gateway = world.connect();
  gateway.subscribe("admin");
  gateway.unsubscribe("admin");
  const heard = [listen(gateway.subscribe("admin")), listen(gateway.subscribe("admin"))];
  gateway.unsubscribe("admin");
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [[1], [1]]);
});

test("one claim given back by name and one by its channel leave nothing", async () => {
  const world = new World();
  const gateway = world.connect();
  const [, mine] = [gateway.subscribe("admin"), gateway.subscribe("admin")];
  gateway.unsubscribe("admin");
  mine.unsubscribe();
  await world.run();
  assert.equal(gateway.channel("admin"), undefined);
  assert.equal(world.socket.actions("subscribe").length, 0);
});

test("a Gateway cannot give back what another one holds", async () => {
  const world = new World();
  const [mine, theirs] = [world.connect(), world.connect()];
  mine.subscribe("admin");
  const heard = listen(theirs.subscribe("admin"));
  await world.run();
  for (let i = 0; i < 3; i++) mine.unsubscribe("admin");
  mine.disconnect();
  await world.run();
  world.socket.receive(event(1));
  assert.deepEqual(heard, [1]);
  assert.equal(theirs.connection.state, "connected");
});

test("channel returns the newest claim, or nothing", () => {
  const gateway = new World().connect();
  assert.equal(gateway.channel("admin"), undefined);
  const [first, second] = [gateway.subscribe("admin"), gateway.subscribe("admin")];
  assert.equal(gateway.channel("admin"), second);
  second.unsubscribe();
  assert.equal(gateway.channel("admin"), first);
});

test("every claim is told once when its subscription succeeds, one made later too", async () => {
  const world = new World();
  const gateway = world.connect();
  const early = gateway.subscribe("admin");
  const told = listen(early, "pusher:subscription_succeeded");
  assert.equal(early.subscribed, false);
  await world.run();
  assert.equal(early.subscribed, true);
  const late = gateway.subscribe("admin");
  const toldLate = listen(late, "pusher:subscription_succeeded");
  await world.run();
  assert.deepEqual([told, toldLate], [[{}], [{}]]);
  late.unsubscribe();
  assert.equal(late.subscribed, false);
});

for (const [what, other] of [
  ["the same channel", "admin"],
  ["another channel", "logs"],
]) {
  const SUCCEEDED = "pusher:subscription_succeeded";

  test(`a claim on ${what} that is given back as an earlier one succeeds does not succeed`, async () => {
    const world = new World();
    const gateway = world.connect({ register: "/websocket/register" });
    const [early, late] = ["admin", other].map((name) => gateway.subscribe(name));
    early.bind(SUCCEEDED, () => late.unsubscribe());
    await world.run();
    assert.deepEqual([early.subscribed, late.subscribed], [true, false]);
  });

  test(`a claim on ${what} does not succeed after the page has disconnected as an earlier one succeeded`, async () => {
    const world = new World();
    const gateway = world.connect({ register: "/websocket/register" });
    const channels = ["admin", other].map((name) => gateway.subscribe(name));
    const late = listen(channels[1], SUCCEEDED);
    channels[0].bind(SUCCEEDED, () => gateway.connection.disconnect());
    await world.run();
    assert.deepEqual([channels.map(({ subscribed }) => subscribed), late], [[false, false], []]);
    channels[0].unbind();
    gateway.connection.connect();
    await world.run();
    assert.deepEqual([channels.map(({ subscribed }) => subscribed), late], [[true, true], [{}]]);
  });
}

test("a component that is mounted, unmounted and mounted again at once sends one frame", async () => {
  const world = new World();
  const gateway = world.connect();
  await world.run();
  gateway.subscribe("admin").unsubscribe();
  const heard = listen(gateway.subscribe("admin"));
  await world.run();
  assert.deepEqual(world.socket.sent.slice(1), [{ action: "subscribe", channel: "admin" }]);
  gateway.unsubscribe("admin");
  const again = listen(gateway.subscribe("admin"), "pusher:subscription_succeeded");
  await world.run();
  assert.equal(world.socket.sent.length, 2);
  assert.deepEqual(again, [{}]);
  world.socket.receive(event(1));
  assert.deepEqual(heard, []);
});

test("an unsubscribe waits for the answer to the subscribe, which it could overtake", async () => {
  const world = new World();
  const gateway = world.connect();
  await world.run();
  const answer = world.gateway;
  world.gateway = () => [];
  const channel = gateway.subscribe("admin");
  await world.run();
  channel.unsubscribe();
  await world.run();
  assert.equal(world.socket.actions("unsubscribe").length, 0);
  world.gateway = answer;
  world.socket.receive({ type: "subscription_succeeded", channel: "admin" });
  await world.run();
  assert.equal(world.socket.actions("unsubscribe").length, 1);
});

test("a channel that is wanted again while it is being given up is subscribed anew", async () => {
  const world = new World();
  const gateway = world.connect();
  gateway.subscribe("admin");
  await world.run();
  gateway.unsubscribe("admin");
  await world.run(10);
  const told = listen(gateway.subscribe("admin"), "pusher:subscription_succeeded");
  await world.run(5);
  assert.deepEqual(told, []);
  await world.run();
  assert.deepEqual(told, [{}]);
  assert.deepEqual(world.socket.sent.slice(1).map(({ action }) => action), ["subscribe", "unsubscribe", "subscribe"]);
});

test("answers may come in any order", async () => {
  const world = new World();
  const gateway = world.connect();
  world.gateway = () => [];
  const channels = ["a", "b", "c"].map((name) => gateway.subscribe(name));
  await world.run();
  for (const name of ["c", "a", "b"]) world.socket.receive({ type: "subscription_succeeded", channel: name });
  world.socket.receive(event("early", "1", "a"));
  world.socket.receive({ type: "connection_id", connection_id: "late=" });
  assert.deepEqual(channels.map((channel) => channel.subscribed), [true, true, true]);
  assert.equal(gateway.connection.socket_id, "late=");
});

test("a subscribe that is not answered is sent again until it is", async () => {
  const world = new World();
  const gateway = world.connect();
  const answer = world.gateway;
  world.gateway = (frame, socket) => (frame.action === "subscribe" ? [] : answer(frame, socket));
  const channel = gateway.subscribe("admin");
  await world.run(60_000);
  assert.ok(world.socket.actions("subscribe").length >= 3);
  assert.equal(world.errors[0].type, "SubscriptionError");
  world.gateway = answer;
  await world.run(60_000);
  assert.equal(channel.subscribed, true);
  const count = world.socket.actions("subscribe").length;
  await world.run(60_000);
  assert.equal(world.socket.actions("subscribe").length, count);
});

test("an answer that comes after it was given up, to a channel that nobody wants any more, is undone", async () => {
  const world = new World();
  const gateway = world.connect();
  const answer = world.gateway;
  world.gateway = (frame, socket) => (frame.action === "subscribe" ? [] : answer(frame, socket));
  const channel = gateway.subscribe("admin");
  await world.run(11_000);
  channel.unsubscribe();
  await world.run(60_000);
  world.socket.receive({ type: "subscription_succeeded", channel: "admin" });
  await world.run();
  assert.equal(world.socket.actions("unsubscribe").length, 1);
});

test("a malformed channel name is an error at once", () => {
  const gateway = new World().connect();
  for (const name of ["", "a b", "a\n", "café", "x".repeat(201), undefined, "a#b"]) {
    assert.throws(() => gateway.subscribe(name), /^Error: the channel is '.*'; give .*\{1,200\}/s);
  }
  assert.equal(gateway.subscribe("A-z_0=@,.;:/").name, "A-z_0=@,.;:/");
});
