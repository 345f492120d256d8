/** Prints what the client costs a page, minified and gzipped, and fails if that is more than 5.5 KB. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minified } from "./build.js";

export const LIMIT = 5632; // bytes

export async function size() {
  const { code } = await minified();
  return { minified: code.length, gzipped: gzipSync(code, { level: 9 }).length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { minified, gzipped } = await size();
  console.log(`${minified} bytes minified, ${gzipped} bytes gzipped, limit ${LIMIT}`);
  process.exitCode = gzipped <= LIMIT ? 0 : 1;
}
