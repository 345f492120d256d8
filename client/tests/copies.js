// Copies of the client as pages load it, of which a test holds back the module of history, or leaves it out.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { minified } from "../build.js";

const { gateway, history } = await minified();
const root = await mkdtemp(join(tmpdir(), "client-"));
after(() => rm(root, { recursive: true }));
await writeFile(join(root, "package.json"), '{ "type": "module" }');
let copies = 0;

/** Evaluated as far as `begun`, and to its end once it is `opened`, like a file that comes slowly. */
const SLOW = 'import { begin, opened } from "./gate.js"; begin(); await opened; export * from "./loaded.js";';
const GATE = `export let begin, open, hasBegun = false;
  export const begun = new Promise((resolve) => (begin = () => resolve((hasBegun = true))));
  export const opened = new Promise((resolve) => (open = resolve));`;

/** Returns the copy's Gateway, its gate, and what puts the module of history beside it. */
export async function copyClient({ isMissing = false } = {}) {
  const folder = join(root, `${++copies}`);
  await mkdir(folder);
  const add = () => writeFile(join(folder, "history.js"), SLOW);
  const files = { "gateway.js": gateway, "loaded.js": history, "gate.js": GATE };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  if (!isMissing) await add();
  const load = (name) => import(pathToFileURL(join(folder, name)));
  return { Gateway: (await load("gateway.js")).Gateway, gate: await load("gate.js"), add };
}
