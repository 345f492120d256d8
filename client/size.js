/** Prints what the client costs a page, minified and gzipped, and fails if that is 4 KB or more. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export const LIMIT = 4096; // bytes

export async function size() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("src/gateway.js", import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const [{ contents }] = outputFiles;
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { minified, gzipped } = await size();
  console.log(`${minified} bytes minified, ${gzipped} bytes gzipped, limit ${LIMIT}`);
  process.exitCode = gzipped < LIMIT ? 0 : 1;
}
