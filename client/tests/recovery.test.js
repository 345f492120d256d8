// The promise, against a network that loses, repeats and reorders, and a store that forgets.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Store } from "./store.js";
import { MINUTE, World } from "./world.js";

/** A page, a store and posts between them; checks with everything that is heard what the page may have missed. */
class Run {
  world = new World();
  store = new Store();
  published = 0; // events are numbered through all epochs
  dataAt = new Map(); // position -> the event that it follows
  claims = [];
  mayBreak = false; // since the store forgot or could not be read, `recovered: false` is right
  isDown = false;
  wrong = [];

  constructor({ limit, latency, socket }) {
    this.latency = latency;
    const { world, store } = this;
    world.chance = 0.3;
    const later = (delay) => new Promise((resolve) => world.clock.setTimeout(resolve, delay));
    world.backend = async (url, { channels, ...request }) => {
      if (this.isDown) return [503];
      const read = (one) => this.note(store.read(one, limit));
      const answer = channels ? { channels: channels.map(read) } : read(request);
      await later(this.latency);
      return [200, answer];
    };
    const answer = world.gateway;
    world.gateway = (frame, from) => {
      if (frame.action !== "history") return answer(frame, from);
      if (!this.isDown) {
        const frameOfAnswer = { type: "history", ...this.note(store.read(frame, limit)) };
        world.clock.setTimeout(() => from.receive(frameOfAnswer), this.latency);
      }
      return [];
    };
    this.gateway = world.connect({ history: socket ? true : "/websocket/history" });
    this.relayed = [];
    this.gateway.bind("log", (data) => this.relayed.push(data));
  }

  /** What a callback throws goes to the page, so it is kept until the end. */
  expect(isTrue, message) {
    if (!isTrue) this.wrong.push(message);
  }

  note(answer) {
    const { epoch, seq } = answer;
    if (!this.dataAt.has(`${epoch} ${seq}`)) this.dataAt.set(`${epoch} ${seq}`, this.published);
    return answer;
  }

  subscribe(options) {
    const claim = { heard: [], tells: [] };
    claim.channel = this.gateway.subscribe("logs", options);
    claim.channel.bind("log", (data, { epoch, seq }) => {
      // Each follows the one before it, or the position that was told last.
      const last = claim.heard.at(-1);
      this.expect(claim.next === undefined || data === claim.next, `after ${last} comes ${data}, not ${claim.next}`);
      this.expect(last === undefined || data > last, `${data} comes after ${last}`);
      const { position } = claim.channel;
      this.expect(position.epoch === epoch && position.seq === seq, `the position is ${JSON.stringify(position)}`);
      claim.heard.push(data);
      claim.next = data + 1;
    });
    claim.channel.bind("pusher:subscription_succeeded", ({ recovered, position }) => {
      const isFirst = !claim.tells.length;
      claim.tells.push(recovered);
      this.expect(recovered || isFirst || this.mayBreak, "told that something is missing, and nothing was");
      this.expect(!recovered || !isFirst || options?.since, "told that nothing is missing, and nothing was known");
      if (recovered) return;
      const known = position && this.dataAt.get(`${position.epoch} ${position.seq}`);
      claim.next = known === undefined || known === null ? undefined : known + 1;
    });
    this.claims.push(claim);
    return claim;
  }

  publish(count, fates) {
    const events = Array.from({ length: count }, () => ({
      event: "log",
      data: ++this.published,
      id: `id-${this.published}`,
    }));
    const before = this.published - count;
    const message = this.store.append("logs", events);
    this.dataAt.set(`${message.epoch} ${message.seq - 1}`, before);
    this.dataAt.set(`${message.epoch} ${message.seq}`, this.published);
    // The listeners are read after the message was stored: whoever is subscribed by then is posted to.
    for (const socket of this.world.open) {
      if (!socket.actions("subscribe").length) continue;
      for (const delay of fates) this.world.clock.setTimeout(() => socket.receive(message), delay);
    }
  }

  async act([action, ...values]) {
    const { world, store } = this;
    if (action === "publish") this.publish(...values);
    else if (action === "cut") world.socket?.drop();
    else if (action === "claim") this.subscribe(values[0] ? { rewind: values[0] } : undefined);
    else if (action === "return") this.claims.splice(values[0] % this.claims.length, 1)[0]?.channel.unsubscribe();
    else if (action === "since") {
      const { position } = this.claims[0]?.channel ?? {};
      if (position) this.subscribe({ since: position });
    } else {
      this.mayBreak = true;
      if (action === "expire") store.expire("logs");
      else if (action === "trim") store.trim("logs", values[0]);
      else if (action === "down") this.isDown = values[0];
    }
    await world.run(values.at(-1));
  }

  /** All is well again: everything that was published since arrives, to everybody. */
  async end() {
    await this.act(["down", false, MINUTE]);
    this.subscribe();
    await this.world.run(MINUTE);
    for (let i = 0; i < 3; i++) {
      this.publish(1, [20]);
      await this.world.run(5 * MINUTE); // each page of a reading may take three seconds
    }
    assert.deepEqual(this.wrong, []);
    for (const { heard } of this.claims)
      assert.deepEqual(
        heard.slice(-3),
        [-2, -1, 0].map((i) => this.published + i),
      );
    assert.deepEqual(
      this.relayed,
      [...new Set(this.relayed)].sort((a, b) => a - b),
      "of the Gateway itself",
    );
    this.gateway.disconnect();
    await this.world.run(MINUTE);
    assert.equal(this.world.clock.timers, 0);
  }
}

const time = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 3000 }));
const fate = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 10, max: 40 }) }, fc.integer({ min: 10, max: 4000 }));
const fates = fc.oneof({ weight: 6, arbitrary: fc.tuple(fate) }, fc.constant([]), fc.tuple(fate, fate)); // lost, twice
const publish = fc.tuple(fc.constant("publish"), fc.integer({ min: 1, max: 3 }), fates, time);
const peaceful = [
  { weight: 8, arbitrary: publish },
  { weight: 2, arbitrary: fc.tuple(fc.constant("cut"), time) },
  fc.tuple(fc.constant("claim"), fc.integer({ min: 0, max: 6 }), time),
  fc.tuple(fc.constant("since"), time),
  fc.tuple(fc.constant("return"), fc.nat(9), time),
];
const forgetful = [
  ...peaceful,
  fc.tuple(fc.constant("expire"), time),
  fc.tuple(fc.constant("trim"), fc.integer({ min: 0, max: 3 }), time),
  fc.tuple(fc.constant("down"), fc.boolean(), time),
];
const settings = fc.record({
  limit: fc.constantFrom(1, 2, Infinity),
  latency: fc.oneof(fc.nat(100), fc.nat(3000)),
  socket: fc.boolean(),
});

// The store has lost everything, cannot be read, and what was sent before comes late: for the second time, or the first.
const bygone = [[21, 10], [2000]].map((fates) => [
  { limit: 1, latency: 0, socket: true },
  [
    ["down", false, 20],
    ["publish", 1, fates, 0],
    ["expire", 0],
    ["claim", 0, 20],
    ["down", true, 0],
    ["publish", 1, [10], 960],
    ["publish", 1, [10], 2000],
  ],
]);

for (const [what, actions, runs, examples] of [
  ["of a store that forgets nothing everything is recovered", peaceful, 1000, []],
  ["of a store that forgets, what is missing is told", forgetful, 1000, bygone],
]) {
  test(`${what}: in order, each once, never a hole without a word`, async () => {
    await fc.assert(
      fc.asyncProperty(settings, fc.array(fc.oneof(...actions), { maxLength: 40 }), async (settings, schedule) => {
        const run = new Run(settings);
        run.subscribe();
        for (const action of schedule) await run.act(action);
        await run.end();
      }),
      { numRuns: runs, examples, includeErrorInReport: true },
    );
  });
}
