/** Makes what the package ships: ES modules in `dist/`, the same as CommonJS in `dist/cjs/`, each with the types. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const { version } = JSON.parse(await readFile(path("package.json"), "utf8"));

/** Builds one form of the client; whatever forms of it are on a page share objects, so `names` are shortened alike. */
async function bundle(entry, format, names, outfile) {
  const { build } = await import("esbuild");
  return build({
    entryPoints: [path(`src/${entry}.js`)],
    bundle: entry === "gateway",
    minify: true,
    sourcemap: !!outfile,
    format,
    target: "es2022",
    define: { "globalThis.APIGW_BROADCASTER_CLIENT": JSON.stringify(version) },
    mangleProps: /^_/, // what classes of the package share with each other
    mangleCache: { ...names },
    write: !!outfile,
    outfile: outfile && path(outfile),
  });
}

/** The client as pages load it, as bytes, and the short names in it. */
export async function minified() {
  const { outputFiles, mangleCache } = await bundle("gateway", "esm", {});
  return { contents: outputFiles[0].contents, names: mangleCache };
}

async function make() {
  await mkdir(path("dist/cjs"), { recursive: true });
  await writeFile(path("dist/cjs/package.json"), '{ "type": "commonjs" }\n');
  const { names } = await minified();
  for (const entry of ["gateway", "react"]) {
    await bundle(entry, "esm", names, `dist/${entry}.js`);
    await bundle(entry, "cjs", names, `dist/cjs/${entry}.js`);
    await copyFile(path(`src/${entry}.d.ts`), path(`dist/${entry}.d.ts`));
    await copyFile(path(`src/${entry}.d.ts`), path(`dist/cjs/${entry}.d.ts`));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // `npm pack` is enough after a clone.
  await import("esbuild").catch(() => execFileSync("npm ci --no-audit --no-fund", { cwd: path("."), shell: true }));
  await make();
}
