/** Prints what the client costs a page, minified and gzipped, and fails if that is more than 5.5 KB, or 2.25 KB for history. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minified } from "./build.js";

// Bytes: of the module that every page loads, and of the one that a page with history loads besides.
export const LIMITS = { gateway: 5632, history: 2304 };

/** Bytes of each of the two. */
export async function sizes() {
  const { gateway, history } = await minified();
  const gzipped = (contents) => gzipSync(contents, { level: 9 }).length;
  return { gateway: gzipped(gateway), history: gzipped(history) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { gateway, history } = await sizes();
  console.log(`${gateway} bytes gzipped, limit ${LIMITS.gateway}; history ${history} more, limit ${LIMITS.history}`);
  process.exitCode = gateway <= LIMITS.gateway && history <= LIMITS.history ? 0 : 1;
}
