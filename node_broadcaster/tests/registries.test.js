// What needs no server of a registry: the memory registry, merging, listeners, URLs.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { Broadcaster, ConfigurationError, MemoryRegistry, RegistryError } = require("..");
const { makeRegistry } = require("../src/registries/choose.js");
const { crc32 } = require("../src/registries/crc32.js");
const { eachOnce } = require("../src/registries/merged.js");
const { workerSign } = require("../src/registries/memory.js");
const { parseRedisUrl } = require("../src/registries/redis_url.js");
const { pagesFrom } = require("../src/registries/rotation.js");
const { HostileServer } = require("./hostile_server.js");

async function listening(registry, channel) {
  const ids = [];
  for await (const page of registry.pages(channel)) ids.push(...page);
  assert.equal(new Set(ids).size, ids.length);
  return new Set(ids);
}

function makeMemory() {
  const clock = { now: 1000 };
  return { clock, registry: new MemoryRegistry({ clock: () => clock.now, environment: {} }) };
}

test("channels narrow and add up, and none means everything", async () => {
  const { registry } = makeMemory();
  await registry.add("aaaaaaaa=", ["admin"]);
  await registry.add("aaaaaaaa=", ["logs", "runs"]);
  await registry.add("bbbbbbbb=");
  await registry.add("cccccccc=", []);
  assert.deepEqual(await listening(registry, "admin"), new Set(["aaaaaaaa=", "bbbbbbbb="]));
  assert.deepEqual(await listening(registry, "logs"), new Set(["aaaaaaaa=", "bbbbbbbb="]));
  assert.deepEqual(await listening(registry, "other"), new Set(["bbbbbbbb="]));
  assert.equal(await registry.count(), 2);
  await registry.remove(["aaaaaaaa=", "unknown-="]);
  assert.deepEqual(await listening(registry, "admin"), new Set(["bbbbbbbb="]));
});

test("entries expire, and registering again refreshes", async () => {
  const { clock, registry } = makeMemory();
  await registry.add("aaaaaaaa=", undefined, { lifetime: 10 });
  await registry.add("bbbbbbbb=", undefined, { lifetime: 10 });
  clock.now += 9;
  await registry.add("aaaaaaaa=", undefined, { lifetime: 10 });
  clock.now += 2;
  assert.deepEqual(await listening(registry, "admin"), new Set(["aaaaaaaa="]));
  assert.equal(await registry.count(), 1);
});

test("a long list comes in pages of at most a thousand", async () => {
  const { registry } = makeMemory();
  for (let number = 0; number < 2500; number += 1) registry.add(`id-${number}`);
  const sizes = [];
  for await (const page of registry.pages("admin")) sizes.push(page.length);
  assert.deepEqual(sizes, [1000, 1000, 500]);
});

test("a broadcast begins at a different place each time", async () => {
  const { registry } = makeMemory();
  const ids = ["aaaaaaaa=", "bbbbbbbb=", "cccccccc=", "dddddddd="];
  for (const id of ids) await registry.add(id);
  const firsts = new Set();
  for (let round = 0; round < 20; round += 1) firsts.add([...(await listening(registry, "admin"))][0]);
  assert.deepEqual([...firsts].sort(), ids);
});

test("a long sorted list is read from anywhere to its end, and then from its beginning", async () => {
  const ids = Array.from({ length: 95 }, (_, number) => String(number).padStart(3, "0"));
  for (const size of [1, 7, 10, 95, 100]) {
    const read = async function* read(after, until) {
      const those = ids.filter((id) => id > after && (!until || id <= until));
      for (let start = 0; start < those.length; start += size) yield those.slice(start, start + size);
    };
    for (let share = 0; share < 1; share += 0.09) {
      const pages = [];
      const find = async () => ids[Math.floor(ids.length * share)];
      for await (const page of pagesFrom(share, { read, find, size })) pages.push(page);
      assert.ok(pages.every((page) => page.length && page.length <= size));
      assert.deepEqual(pages.flat().sort(), ids);
      assert.ok(pages.flat().filter((id, at, all) => at && id < all[at - 1]).length <= 1);
    }
  }
});

test("a registration need not be awaited, as in the guide", async () => {
  const server = await new HostileServer().listen();
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" });
  const broadcaster = new Broadcaster({ endpointUrl: server.url, region: "us-east-1", timeout: 60, deadline: 100 });
  broadcaster.registerConnection("L0SM9cOFvHcCIhw=");
  assert.deepEqual(await broadcaster.broadcastAdminEvent({}), { sent: 1, failed: 0, stale: 0 });
  await broadcaster.close();
  await server.close();
});

test("a connection adds up to so many channels at most", async () => {
  const registry = new MemoryRegistry();
  const settings = { apiId: "abc123xyz", region: "us-east-1", registry, maxChannels: 3 };
  const broadcaster = new Broadcaster(settings);
  await broadcaster.registerConnection("aaaaaaaa=", { channels: ["a", "b"] });
  await assert.rejects(
    broadcaster.registerConnection("aaaaaaaa=", { channels: ["b", "c", "d"] }),
    /'aaaaaaaa=' would listen to 4 channels, and 3 is the most for one/,
  );
  await broadcaster.registerConnection("aaaaaaaa=", { channels: "c" });
  assert.equal(await registry.count(), 1);
  assert.throws(() => new Broadcaster({ ...settings, maxChannels: 0 }), /maxChannels is 0; give a number of channels/);
});

test("signs of several processes are seen", () => {
  assert.equal(workerSign({}), undefined);
  assert.equal(workerSign({ WEB_CONCURRENCY: "1" }), undefined);
  assert.equal(workerSign({ WEB_CONCURRENCY: "4" }), "WEB_CONCURRENCY is 4");
});

test("two sorted lists are one, each id once", async () => {
  async function* pagesOf(ids, size) {
    for (let start = 0; start < ids.length; start += size) yield ids.slice(start, start + size);
    yield [];
  }
  for (let round = 0; round < 200; round += 1) {
    const random = () => Array.from({ length: Math.random() * 20 }, () => String(Math.floor(Math.random() * 30)));
    const [left, right] = [[...new Set(random())].sort(), [...new Set(random())].sort()];
    const [size, sizeLeft, sizeRight] = [1, 1, 1].map(() => 1 + Math.floor(Math.random() * 6));
    const pages = [];
    for await (const page of eachOnce([pagesOf(left, sizeLeft), pagesOf(right, sizeRight)], size)) pages.push(page);
    assert.deepEqual(pages.flat(), [...new Set([...left, ...right])].sort());
    assert.ok(pages.every((page) => page.length <= size && page.length));
  }
});

/** A registry whose list is cut off after so many pages. */
function makeBroken(count) {
  const { registry } = makeMemory();
  registry.pages = async function* pages() {
    for (let number = 0; number < count; number += 1) yield [`page-${number}-0=`, `page-${number}-1=`, ".."];
    throw new RegistryError("the registry is away");
  };
  return registry;
}

test("a registry that cannot be read ends it, and of a part that was read there is a result", async () => {
  const server = await new HostileServer().listen();
  const settings = { endpointUrl: server.url, region: "us-east-1", timeout: 60, deadline: 100 };
  const never = new Broadcaster({ ...settings, registry: makeBroken(0) });
  await assert.rejects(never.broadcast("admin", "e", 1), (error) => {
    return error instanceof RegistryError && error.result === null;
  });
  assert.equal(server.requests.length, 0);
  const partly = new Broadcaster({ ...settings, registry: makeBroken(2) });
  await assert.rejects(partly.broadcast("admin", "e", 1), (error) => {
    assert.deepEqual(error.result, { sent: 4, failed: 0, stale: 0 });
    return error instanceof RegistryError;
  });
  await never.close();
  await partly.close();
  await server.close();
});

test("a URL says which registry, and no password of it is shown", () => {
  assert.ok(makeRegistry(undefined, { environment: {} }).registry instanceof MemoryRegistry);
  assert.ok(makeRegistry("memory://").isOurs);
  const ours = makeMemory().registry;
  assert.deepEqual(makeRegistry(ours), { registry: ours, isOurs: false });
  const wrong = [
    ["hunter2", /^registry is no URL; give 'memory:\/\/'/],
    ["redis:hunter2@h", /^registry is no URL/],
    ["mongodb://user:hunter2@h", /^registry is no URL/],
    ["mongodb://h", /^registry is of scheme 'mongodb'/],
    ["redis://user:hunter2@host:x", /percent-encode what is special in a password/],
    ["redis://:hunter2@host/zero", /is no database number/],
    ["redis://:hunter2@host/0?hunter=2", /has an option 'hunter'/],
    ["redis://:hunter2@host?ssl_certfile=x", /ssl_certfile in the registry's Redis URL is for TLS; give 'rediss:/],
    ["redis://:hunter2@host/1?cluster=true", /a Redis cluster has one database, 0/],
    ["redis://:hunter2@host?cluster=maybe", /cluster='maybe' .* is neither 'true' nor 'false'/],
    ["redis://:hunter2@host?prefix={x}", /prefix '\{x\}' cannot start the keys/],
    ["dynamodb://table?regoin=us-east-1", /has an option 'regoin'; known are region, endpoint_url/],
    ["dynamodb://key:hunter2@table", /has an '@', and takes neither user nor password/],
    ["redis://host/hunter2@0", /has an '@' after its host/],
    ["dynamodb://a b?region=us-east-1", /'a b' is no name of a DynamoDB table/],
    [{}, /registry is of type Object, which has not the methods of a Registry/],
  ];
  for (const [url, text] of wrong) {
    assert.throws(
      () => makeRegistry(url),
      (error) => {
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.match(error.message, text);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  }
});

test("a Redis URL is taken apart", () => {
  const url = "rediss://us%40er:p%2Fw@[::1]:6380/2?prefix=other&scope=abc/dev&ssl_ca_certs=/ca.pem";
  assert.deepEqual(parseRedisUrl(url), {
    ...{ host: "::1", port: 6380, db: 2, username: "us@er", password: "p/w", prefix: "other", scope: "abc/dev" },
    ...{ isTls: true, isCluster: false, tls: { ssl_ca_certs: "/ca.pem" }, name: "rediss://[::1]:6380/2" },
  });
  assert.equal(parseRedisUrl("redis://h").name, "redis://h:6379/0");
});

test("the checksum that spreads connections over shards is zip's", () => {
  assert.equal(crc32("123456789"), 0xcbf43926);
  assert.equal(crc32(""), 0);
});
