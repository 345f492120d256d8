import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire, SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { LIMIT, size } from "../size.js";
import { Store } from "./store.js";
import { World } from "./world.js";

const run = promisify(execFile);
const client = dirname(dirname(fileURLToPath(import.meta.url)));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

test("the client is at most 5.5 KB, minified and gzipped", async () => {
  const { gzipped } = await size();
  assert.ok(gzipped <= LIMIT, `${gzipped} bytes`);
});

test("the types say what the example of typed events needs, and refuse what they should", async () => {
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  const { bin } = JSON.parse(await readFile(join(typescript, "package.json"), "utf8"));
  const tsc = join(typescript, bin.tsc);
  const compiled = run(process.execPath, [tsc, "--noEmit", "-p", join(client, "tests/types")]);
  await compiled.catch(({ stdout }) => assert.fail(stdout));
});

test("npm pack gives a package that installs and imports, one module without dependencies", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "client-"));
  t.after(() => rm(folder, { recursive: true }));
  const { stdout } = await run(npm, ["pack", "--json", "--pack-destination", folder], { cwd: client });
  const packed = JSON.parse(stdout.slice(stdout.search(/[[{]\s*["{]/)));
  const { filename, files } = Array.isArray(packed) ? packed[0] : Object.values(packed)[0];
  const names = files.map(({ path }) => path);
  const modules = ["gateway.js", "react.js", "gateway.d.ts", "react.d.ts"].flatMap((name) => [
    `dist/${name}`,
    `dist/cjs/${name}`,
  ]);
  for (const name of [...modules, "react/package.json", "README.md", "LICENSE"]) {
    assert.ok(names.includes(name), `${name} is missing from ${names}`);
  }
  assert.ok(
    names.every((name) => !name.startsWith("tests") && !name.includes("node_modules")),
    `${names}`,
  );

  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  await run(npm, ["install", "--offline", "--no-audit", "--no-fund", join(folder, filename)], { cwd: folder });
  await writeFile(
    join(folder, "page.js"),
    `import { Gateway } from "apigw-broadcaster-client";
     const gateway = new Gateway("a1b2c3d4e5", { cluster: "eu-central-1" });
     console.log(gateway.connection.state, gateway.channel("admin") ?? "nothing");`,
  );
  assert.equal((await run(process.execPath, ["page.js"], { cwd: folder })).stdout, "initialized nothing\n");
  // Both forms on one page, as a bundler may bring them: they share what there is.
  await writeFile(
    join(folder, "page.cjs"),
    `const { Gateway } = require("apigw-broadcaster-client");
     import("apigw-broadcaster-client").then((esm) => {
       const [one, other] = [Gateway, esm.Gateway].map((Gateway) => new Gateway("wss://example.com/production"));
       other.subscribe("admin");
       const isShared = one.connection === other.connection && one.constructor !== other.constructor;
       one.connection.bind("error", ({ type }) => console.log(type, isShared));
     });`,
  );
  const both = await run(process.execPath, ["--no-experimental-websocket", "page.cjs"], { cwd: folder });
  assert.equal(both.stdout, "WebSocketError true\n");
  const installed = join(folder, "node_modules/apigw-broadcaster-client/dist");
  assert.doesNotMatch(await readFile(join(installed, "gateway.js"), "utf8"), /\bimport\b/);
  for (const name of ["react.js", "cjs/react.js"]) {
    assert.match(await readFile(join(installed, name), "utf8"), /^"use client";/);
  }
  for (const name of ["gateway.js", "react.js", "cjs/gateway.js", "cjs/react.js"]) {
    const code = await readFile(join(installed, name), "utf8");
    const map = JSON.parse(await readFile(join(installed, `${name}.map`), "utf8"));
    const { originalSource, originalLine } = new SourceMap(map).findEntry(0, code.indexOf("takes a function") - 1);
    assert.match(originalSource, /\/src\/\w+\.js$/);
    const source = await readFile(join(dirname(join(installed, name)), originalSource), "utf8");
    assert.match(source.split("\n")[originalLine], /takes a function/);
  }

  // History of both forms: whichever made the connection reads it, for the claims of either.
  const require = createRequire(import.meta.url);
  const forms = [await import(pathToFileURL(join(installed, "gateway.js"))), require(join(installed, "cjs/gateway.js"))];
  for (const order of [forms, forms.toReversed()]) {
    const world = new World();
    const store = new Store();
    world.backend = (url, request) => (request.channels ? [404] : [200, store.read(request)]);
    for (const data of ["old", "last"]) store.append("logs", [{ event: "log", data }]);
    const heard = [];
    for (const { Gateway } of order) {
      const gateway = new Gateway(world.url, { history: "/websocket/history", platform: world.platform });
      gateway.subscribe("logs", { rewind: 1 }).bind("log", (data, { seq }) => heard.push([data, seq]));
    }
    await world.run();
    world.socket.receive(store.append("logs", [{ event: "log", data: "live" }]));
    assert.deepEqual(heard, [["last", 2], ["last", 2], ["live", 3], ["live", 3]]);
    assert.equal(world.sockets.length, 1);
  }
});

test("the lock file names no host", async () => {
  assert.doesNotMatch(await readFile(join(client, "package-lock.json"), "utf8"), /:\/\//);
});
