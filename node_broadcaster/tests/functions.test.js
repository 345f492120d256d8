// The functions over the one default broadcaster, and how the package is loaded.
"use strict";

const assert = require("node:assert/strict");
const { execFile } = require("node:child_process");
const { mkdtemp, rm, writeFile } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const { dirname, join } = require("node:path");
const { afterEach, test } = require("node:test");
const { promisify } = require("node:util");
const library = require("..");
const { HostileServer } = require("./hostile_server.js");

const run = promisify(execFile);
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const SETTINGS = { apiId: "abc123xyz", region: "us-east-1", registry: "memory://" };
const ID = "L0SM9cOFvHcCIhw=";
const SECRET = "0123456789abcdef0123456789abcdef";

afterEach(library.closeBroadcaster);

test("without initBroadcaster every function says what to call", async () => {
  for (const name of ["registerConnection", "broadcast", "broadcastAdminEvent", "getConnection"]) {
    await assert.rejects(
      library[name](ID, "e", 1),
      /^ConfigurationError: initBroadcaster was not called in this process/,
    );
  }
});

test("the functions and the methods are the same, by name", () => {
  const methods = Object.getOwnPropertyNames(library.Broadcaster.prototype);
  const functions = Object.keys(library).filter((name) => /^[a-z]/.test(name));
  const special = ["constructor", "close", "initBroadcaster", "closeBroadcaster"];
  assert.deepEqual(
    methods.filter((name) => !special.includes(name)).sort(),
    functions.filter((name) => !special.includes(name)).sort(),
  );
});

test("a wrong setting is named", () => {
  const wrong = [
    [{ apiID: "abc123xyz" }, /there is no setting 'apiID'; known are apiId, region, stage/],
    [{ ...SETTINGS, attempts: 0 }, /attempts 0 is not a whole number from 1 up/],
    [{ ...SETTINGS, timeout: "3" }, /timeout '3' is not a number above 0 \(seconds\)/],
    [{ ...SETTINGS, rate: NaN }, /rate NaN is not a number above 0 \(requests per second, or Infinity\)/],
    [{ ...SETTINGS, secret: 5 }, /secret is of type number; give the text of the secret, or its ARN/],
    [{ ...SETTINGS, secret: "too short" }, /the secret has 9 characters and needs at least 32/],
    [{ ...SETTINGS, secret: "arn:aws:s3:::bucket" }, /is not the ARN of a secret; it looks like/],
    [{ ...SETTINGS, secret: "clearstar-websocket-subscription-key" }, /looks like a name or a part of an ARN/],
  ];
  for (const [settings, text] of wrong) assert.throws(() => library.initBroadcaster(settings), text);
});

test("wrong arguments are refused before anything is done", async () => {
  library.initBroadcaster(SETTINGS);
  const { InvalidArgumentError, MessageError } = library;
  await assert.rejects(library.registerConnection("../admin"), InvalidArgumentError);
  await assert.rejects(library.registerConnection(ID, { channels: ["two words"] }), InvalidArgumentError);
  for (const misspelt of [{ chanels: ["logs"] }, ["logs"], "logs", null, 7]) {
    await assert.rejects(library.registerConnection(ID, misspelt), /names no channels; give \{ channels/);
  }
  await assert.rejects(library.broadcast("logs", "pusher:error", 1), InvalidArgumentError);
  const circle = {};
  circle.circle = circle;
  for (const data of [undefined, () => {}, 1n, circle]) {
    await assert.rejects(library.broadcast("logs", "log", data), MessageError);
  }
});

test("a subscription is signed with the secret, and not without one", async () => {
  library.initBroadcaster({ ...SETTINGS, secret: SECRET });
  assert.match(await library.authorizeSubscription(ID, "admin"), /^[0-9a-f]{64}$/);
  await assert.rejects(library.authorizeSubscription(ID, "no channel"), library.InvalidArgumentError);
  library.initBroadcaster(SETTINGS);
  await assert.rejects(library.authorizeSubscription(ID, "admin"), /no secret to sign subscriptions with/);
});

test("a second initBroadcaster closes the broadcaster before", async () => {
  const first = library.initBroadcaster(SETTINGS);
  library.initBroadcaster(SETTINGS);
  await assert.rejects(first.broadcast("admin", "e", 1), library.ClosedError);
  assert.deepEqual(await library.broadcast("admin", "e", 1), { sent: 0, failed: 0, stale: 0 });
});

test("a process that has sent ends by itself", async () => {
  const server = await new HostileServer().listen();
  const code = `const { initBroadcaster, registerConnection, broadcastAdminEvent } = require(${JSON.stringify(dirname(__dirname))});
    initBroadcaster({ endpointUrl: "${server.url}", region: "us-east-1", timeout: 60, deadline: 100 });
    registerConnection("${ID}");
    broadcastAdminEvent({}).then(console.log);`;
  const env = { ...process.env, AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };
  const { stdout } = await run(process.execPath, ["-e", code], { env });
  assert.equal(stdout, "{ sent: 1, failed: 0, stale: 0 }\n");
  await server.close();
});

test("loading the package loads nothing that is not needed", async () => {
  const code = `require(${JSON.stringify(dirname(__dirname))});
    console.log(Object.keys(require.cache).filter((name) => name.includes("node_modules")).length)`;
  assert.equal((await run(process.execPath, ["-e", code])).stdout, "0\n");
});

test("npm pack gives a package for import and require, with one default broadcaster and no dependency", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "broadcaster-"));
  t.after(() => rm(folder, { recursive: true }));
  const pack = ["pack", "--json", "--pack-destination", folder];
  const { stdout } = await run(npm, pack, { cwd: dirname(__dirname) });
  const packed = JSON.parse(stdout.slice(stdout.search(/[[{]\s*["{]/)));
  const { filename, files } = Array.isArray(packed) ? packed[0] : Object.values(packed)[0];
  const names = files.map(({ path }) => path);
  for (const name of ["index.js", "index.mjs", "index.d.ts", "index.d.mts", "src/default.js", "README.md", "LICENSE"]) {
    assert.ok(names.includes(name), `${name} is missing from ${names}`);
  }
  assert.ok(
    names.every((name) => !name.startsWith("tests") && !name.includes("node_modules")),
    `${names}`,
  );
  await writeFile(join(folder, "package.json"), '{"private": true}');
  await run(npm, ["install", "--offline", "--no-audit", "--no-fund", "--omit=optional", join(folder, filename)], {
    cwd: folder,
  });
  await writeFile(
    join(folder, "app.mjs"),
    `import * as module from "apigw-broadcaster";
     import { createRequire } from "node:module";
     const commonjs = createRequire(import.meta.url)("apigw-broadcaster");
     const { default: _, ...named } = module;
     console.log(Object.keys(named).sort().join() === Object.keys(commonjs).sort().join());
     module.initBroadcaster({ apiId: "abc123xyz", region: "us-east-1" });
     await commonjs.registerConnection("${ID}");
     await module.unregisterConnection("${ID}");
     console.log(await commonjs.broadcastAdminEvent({}));
     try { new module.Broadcaster({ apiId: "abc123xyz", region: "us-east-1", registry: "redis://h" }) }
     catch (error) { console.log(error.message) }`,
  );
  const env = { ...process.env, BROADCASTER_REGISTRY: "" };
  const lines = (await run(process.execPath, ["app.mjs"], { cwd: folder, env })).stdout.trimEnd().split("\n");
  assert.deepEqual(lines, [
    "true",
    "{ sent: 0, failed: 0, stale: 0 }",
    "a Redis registry needs the package redis, which is not installed; npm install redis",
  ]);
});
