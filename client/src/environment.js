/** What the client takes from the world outside. Tests pass their own in `platform`. */
export const environment = {
  get WebSocket() {
    return globalThis.WebSocket;
  },
  fetch: (...request) => fetch(...request),
  now: () => Date.now(), // a monotonic clock would stop while a laptop sleeps
  setTimeout: (callback, delay) => setTimeout(callback, delay),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
  page: globalThis,
};
