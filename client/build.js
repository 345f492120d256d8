/** Makes what the package ships: ES modules in `dist/`, the same as CommonJS in `dist/cjs/`, each with the types. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const { version } = JSON.parse(await readFile(path("package.json"), "utf8"));

const CLIENT = ["gateway", "history"]; // the second is loaded by the first, where a page asks for history

/** Builds one form of the client; whatever forms of it are on a page share objects, so `names` are shortened alike. */
async function bundle(entries, format, names, outdir) {
  const { build } = await import("esbuild");
  const isBundle = entries === CLIENT;
  return build({
    entryPoints: entries.map((entry) => path(`src/${entry}.js`)),
    bundle: isBundle,
    external: isBundle ? ["./history.js"] : undefined,
    supported: { "dynamic-import": format === "esm" }, // Jest knows `require` alone
    minify: true,
    sourcemap: !!outdir,
    format,
    target: "es2022",
    define: { "globalThis.APIGW_BROADCASTER_CLIENT": JSON.stringify(version) },
    mangleProps: /^_/, // what classes of the package share with each other
    mangleCache: { ...names },
    write: !!outdir,
    outdir: path(outdir ?? "dist"),
  });
}

/** The client as pages load it, as bytes: what all do, and what those do who ask for history; and the short names. */
export async function minified() {
  const { outputFiles, mangleCache } = await bundle(CLIENT, "esm", {});
  const [gateway, history] = outputFiles.map(({ contents }) => contents);
  return { gateway, history, names: mangleCache };
}

async function make() {
  await mkdir(path("dist/cjs"), { recursive: true });
  await writeFile(path("dist/cjs/package.json"), '{ "type": "commonjs" }\n');
  const { names } = await minified();
  for (const [format, folder] of [
    ["esm", "dist"],
    ["cjs", "dist/cjs"],
  ]) {
    await bundle(CLIENT, format, names, folder);
    await bundle(["react"], format, names, folder);
    for (const types of ["gateway.d.ts", "react.d.ts"]) await copyFile(path(`src/${types}`), path(`${folder}/${types}`));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // `npm pack` is enough after a clone.
  await import("esbuild").catch(() => execFileSync("npm ci --no-audit --no-fund", { cwd: path("."), shell: true }));
  await make();
}
