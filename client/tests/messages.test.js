import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { World, event } from "./world.js";

const listen = async () => {
  const world = new World();
  const gateway = world.connect();
  const heard = [];
  const channels = ["admin", "logs"].map((name) => gateway.subscribe(name));
  await world.run();
  for (const channel of channels) {
    channel.bind_global((name, data, envelope) => heard.push({ ...envelope, by: channel.name, name }));
  }
  return { world, heard };
};

test("the events of one message come one after the other, each as if it were alone", async () => {
  const { world, heard } = await listen();
  const events = [
    { event: "log", data: { text: "a" }, id: "1" },
    { event: "level", data: null, id: "2" },
  ];
  world.socket.receive({ channel: "logs", events, epoch: "e", seq: 7 });
  const rest = { channel: "logs", by: "logs", epoch: "e", seq: 7 };
  assert.deepEqual(
    heard,
    events.map((one) => ({ ...one, ...rest, name: one.event })),
  );
});

test("a callback that throws or unsubscribes in the middle of a message harms nobody else", async (t) => {
  t.mock.method(globalThis, "queueMicrotask", () => {});
  const { world, heard } = await listen();
  const gateway = world.connect();
  const claim = gateway.subscribe("logs").bind("log", () => {
    claim.unsubscribe();
    throw new Error("a bug of the page");
  });
  const events = [1, 2, 3].map((data) => ({ event: "log", data, id: `${data}` }));
  world.socket.receive({ channel: "logs", events });
  assert.deepEqual(
    heard.map(({ data }) => data),
    [1, 2, 3],
  );
});

test("what is no list of events, or no event in it, is ignored", async () => {
  const { world, heard } = await listen();
  for (const events of [null, 1, "text", {}, [], [null, 1, "text", [], {}, { event: 1 }]]) {
    world.socket.receive({ channel: "logs", events });
  }
  world.socket.receive({ channel: "logs", events: [null, { event: "log", data: 1 }] });
  assert.deepEqual(
    heard.map(({ data }) => data),
    [1],
  );
  assert.deepEqual(world.errors, []);
});

test("whatever the mix of old and new envelopes, each event is heard once, in the order in which it came first", async () => {
  const one = fc.record({
    event: fc.constantFrom("log", "level", "constructor"),
    data: fc.jsonValue(),
    id: fc.option(
      fc.integer({ min: 0, max: 30 }).map((id) => `id-${id}`),
      { nil: undefined },
    ),
  });
  const channel = fc.constantFrom("admin", "logs", "other");
  const alone = fc.tuple(channel, one).map(([channel, event]) => ({ channel, ...event }));
  const together = fc.record({ channel, events: fc.array(one, { maxLength: 6 }) });
  const position = fc.option(fc.record({ epoch: fc.constantFrom("a", "b"), seq: fc.nat(9) }), { nil: {} });
  const message = fc
    .tuple(fc.oneof(alone, together), position)
    .map(([message, position]) => ({ ...message, ...position }));
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 30 }), async (messages) => {
      const { world, heard } = await listen();
      const expected = [];
      const known = new Set();
      for (const message of messages) {
        world.socket.receive(message);
        const parsed = JSON.parse(JSON.stringify(message));
        const { events = [parsed], channel } = parsed;
        for (const { event, data, id } of events) {
          if (channel !== "other" && !known.has(id)) expected.push([channel, event, data, id]);
          if (id) known.add(id);
        }
      }
      assert.deepEqual(
        heard.map(({ by, name, data, id }) => [by, name, data, id]),
        expected,
      );
    }),
    { numRuns: 300 },
  );
});

test("a message of many events comes over both connections during a handover, and is heard once", async () => {
  const { world, heard } = await listen();
  const events = Array.from({ length: 50 }, (_, i) => ({ event: "log", data: i, id: `id-${i}` }));
  world.socket.receive({ channel: "logs", events: events.slice(0, 30) });
  for (const one of events.slice(20, 40)) world.socket.receive({ channel: "logs", ...one });
  world.socket.receive({ channel: "logs", events });
  world.socket.receive(event("last", "id-last"));
  assert.deepEqual(
    heard.map(({ data }) => data),
    [...Array(50).keys(), "last"],
  );
});
