/** Makes what the package ships: ES modules in `dist/`, the same as CommonJS in `dist/cjs/`, each with the types. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const { version } = JSON.parse(await readFile(path("package.json"), "utf8"));

/**
 * Builds one form of the client; whatever forms of it are on a page share objects, so `names` are shortened alike.
 * esbuild bundles and shortens these names, terser makes the rest smaller than esbuild can.
 */
async function bundle(entry, format, names) {
  const [{ build }, { minify }] = await Promise.all([import("esbuild"), import("terser")]);
  const { outputFiles, mangleCache } = await build({
    entryPoints: [path(`src/${entry}.js`)],
    bundle: entry === "gateway",
    minify: true,
    sourcemap: "external",
    format,
    target: "es2022",
    define: { "globalThis.APIGW_BROADCASTER_CLIENT": JSON.stringify(version) },
    mangleProps: /^_/, // what parts of the package share with each other
    mangleCache: { ...names },
    write: false,
    outdir: path(format === "esm" ? "dist" : "dist/cjs"), // the sources in the map are relative to it
  });
  const [map, bundled] = outputFiles.map(({ text }) => text);
  const { code, map: sourceMap } = await minify(
    { [`${entry}.js`]: bundled },
    {
      module: format === "esm",
      toplevel: true,
      ecma: 2020,
      compress: { passes: 3, keep_fargs: false, unsafe_arrows: true, directives: false }, // "use client" stays
      sourceMap: { content: map, filename: `${entry}.js`, includeSources: true },
    },
  );
  return { code, map: sourceMap, names: mangleCache };
}

/** The client as pages load it, and the short names in it. */
export const minified = () => bundle("gateway", "esm", {});

async function make() {
  await mkdir(path("dist/cjs"), { recursive: true });
  await writeFile(path("dist/cjs/package.json"), '{ "type": "commonjs" }\n');
  const { names } = await minified();
  for (const entry of ["gateway", "react"]) {
    for (const [format, folder] of [
      ["esm", "dist"],
      ["cjs", "dist/cjs"],
    ]) {
      const { code, map } = await bundle(entry, format, names);
      await writeFile(path(`${folder}/${entry}.js`), `${code}\n//# sourceMappingURL=${entry}.js.map\n`);
      await writeFile(path(`${folder}/${entry}.js.map`), map);
      await copyFile(path(`src/${entry}.d.ts`), path(`${folder}/${entry}.d.ts`));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // `npm pack` is enough after a clone.
  await import("terser").catch(() => execFileSync("npm ci --no-audit --no-fund", { cwd: path("."), shell: true }));
  await make();
}
