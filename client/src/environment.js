/**
 * What the client takes from the world outside. Tests pass their own in `platform`.
 *
 * Only pages and workers get a WebSocket: a server that renders a page may have one, but no use for a connection.
 */
export const environment = {
  WebSocket: (globalThis.document || globalThis.importScripts) && globalThis.WebSocket,
  fetch: (...request) => fetch(...request),
  now: () => Date.now(), // a monotonic clock would stop while a laptop sleeps
  setTimeout: (callback, delay) => setTimeout(callback, delay),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
  page: globalThis,
};
