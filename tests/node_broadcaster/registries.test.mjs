// What every registry of the Node.js library keeps to, over a real server; BROADCASTER_REGISTRY names it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, beforeEach, test } from "node:test";

const require = createRequire(new URL("../../node_broadcaster/package.json", import.meta.url));
const { RegistryError } = require("./index.js");
const { DynamoDBRegistry } = require("./src/registries/dynamodb.js");
const { MemoryRegistry } = require("./src/registries/memory.js");
const { RedisRegistry } = require("./src/registries/redis.js");

const url = process.env.BROADCASTER_REGISTRY;
const made = [];
let clock, registry;

beforeEach(() => {
  clock = { now: Date.now() / 1000 };
  // Each test has a deployment of its own.
  registry = connect({ scope: `test-${made.length}/${process.pid}`, clock: () => clock.now });
});

after(() => Promise.all(made.map((each) => each.close())));

function connect(options) {
  if (url.startsWith("redis")) made.push(new RedisRegistry(url, options));
  else if (url.startsWith("dynamodb")) made.push(DynamoDBRegistry.fromUrl(url.slice("dynamodb://".length), options));
  else made.push(new MemoryRegistry(options));
  return made.at(-1);
}

async function listening(channel) {
  const pages = [];
  for await (const page of registry.pages(channel)) pages.push(page);
  assert.ok(pages.every(({ length }) => length > 0 && length <= 1000));
  const ids = pages.flat();
  assert.equal(new Set(ids).size, ids.length);
  return ids.sort();
}

test("nobody is connected at first", async () => {
  assert.deepEqual([await listening("admin"), await registry.count()], [[], 0]);
  await registry.remove(["unknown="]);
  await registry.remove([]);
});

test("channels narrow and add up, and none means everything", async () => {
  await registry.add("aaaaaaaa=", ["admin", "admin"]);
  await registry.add("aaaaaaaa=", ["logs", "runs"]);
  await registry.add("bbbbbbbb=");
  await registry.add("bbbbbbbb=", ["admin"]);
  await registry.add("cccccccc=", []);
  assert.deepEqual(await listening("admin"), ["aaaaaaaa=", "bbbbbbbb="]);
  assert.deepEqual(await listening("logs"), ["aaaaaaaa=", "bbbbbbbb="]);
  assert.deepEqual(await listening("other"), ["bbbbbbbb="]);
  assert.equal(await registry.count(), 2);
});

test("removed connections leave every channel, and nobody else does", async () => {
  await registry.add("aaaaaaaa=", ["admin", "logs"]);
  await registry.add("aaaaaaaa=");
  await registry.add("bbbbbbbb=", ["admin"]);
  await registry.remove(["aaaaaaaa=", "unknown-="]);
  assert.deepEqual([await listening("admin"), await listening("logs")], [["bbbbbbbb="], []]);
  await registry.add("aaaaaaaa=", ["logs"]);
  assert.deepEqual([await listening("admin"), await listening("logs")], [["bbbbbbbb="], ["aaaaaaaa="]]);
});

test("entries expire, and registering again refreshes", async () => {
  for (const id of ["aaaaaaaa=", "bbbbbbbb="]) await registry.add(id, ["admin"], { lifetime: 10 });
  await registry.add("cccccccc=", undefined, { lifetime: 10 });
  clock.now += 8;
  await registry.add("aaaaaaaa=", ["admin"], { lifetime: 10 });
  clock.now += 4;
  assert.deepEqual(await listening("admin"), ["aaaaaaaa="]);
  assert.equal(await registry.count(), 1);
  clock.now += 10;
  assert.deepEqual([await listening("admin"), await registry.count()], [[], 0]);
});

test("many are removed at once", async () => {
  const ids = Array.from({ length: 30 }, (_, number) => `id-${String(number).padStart(6, "0")}=`);
  await Promise.all(ids.map((id) => registry.add(id, ["admin", "logs"])));
  await registry.remove(ids.slice(10));
  assert.deepEqual(await listening("admin"), ids.slice(0, 10));
  assert.equal(await registry.count(), 10);
});

test("a broadcast begins at a different place each time", async () => {
  const ids = ["aaaaaaaa=", "bbbbbbbb=", "cccccccc=", "dddddddd="];
  for (const id of ids) await registry.add(id, ["admin"]);
  const firsts = new Set();
  for (let round = 0; round < 20; round += 1) {
    const { value } = await registry.pages("admin").next();
    firsts.add(value[0]);
  }
  assert.deepEqual([...firsts].sort(), ids);
});

test("a registry that was closed opens again", async () => {
  await registry.add("aaaaaaaa=");
  await registry.close();
  assert.deepEqual(await listening("admin"), ["aaaaaaaa="]);
  await registry.close();
  await registry.close();
});

test("three thousand expired entries are passed over", { skip: !url.startsWith("redis") }, async () => {
  const ids = Array.from({ length: 3000 }, (_, number) => `id-${String(number).padStart(6, "0")}=`);
  for (let start = 0; start < ids.length; start += 500) {
    await Promise.all(ids.slice(start, start + 500).map((id) => registry.add(id, ["admin"], { lifetime: 10 })));
  }
  await registry.add("zzzzzzzz=", ["admin"], { lifetime: 100 });
  assert.equal((await listening("admin")).length, 3001);
  clock.now += 50;
  assert.deepEqual(await listening("admin"), ["zzzzzzzz="]);
});

test("errors are those of a registry", { skip: url.startsWith("memory") }, async () => {
  const broken = url.startsWith("redis")
    ? new RedisRegistry("redis://127.0.0.1:1")
    : new DynamoDBRegistry("no-such-table", {
        endpointUrl: new URL(url).searchParams.get("endpoint_url"),
        region: "us-east-1",
      });
  made.push(broken);
  await assert.rejects(broken.count(), RegistryError);
});
