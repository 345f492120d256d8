import { Connection } from "./connection.js";
import { kept } from "./kept.js";
import { GATEWAY_OPTIONS, isFunction } from "./options.js";

// One per page whatever copies of this module a bundler or a hot reload made, if they are of one version: a build puts it
// here, and shortens the names that begin with an underscore.
const SHARED = Symbol.for(`apigw-broadcaster-client/${globalThis.APIGW_BROADCASTER_CLIENT ?? "source"}`);

/** What the Gateways of a page share. */
export function shared() {
  if (!globalThis[SHARED]) {
    const page = (globalThis[SHARED] = {
      _connections: new Map(),
      _ofFunctions: new WeakMap(),
      _numbers: new WeakMap(),
    });
    page._first = new Promise((resolve) => (page._tell = resolve)); // of the first Gateway
  }
  return globalThis[SHARED];
}

/**
 * The one Connection of an address and a name, or else of an address and its options. A function among them is itself,
 * not its text: what one factory made for one tenant must not sign for another.
 */
export function connectionOf(url, { name, platform, ...options }) {
  const page = shared();
  const functions = [options.register, options.auth?.url ?? options.auth, options.history].filter(isFunction);
  const number = (key) => kept(page._numbers, key, Math.random);
  const all = GATEWAY_OPTIONS.map((option) => options[option]); // in one order
  const same = JSON.stringify([url, name ?? all], (_, value) => (isFunction(value) ? number(value) : value));
  // Made anew with every render or hot reload, a function takes its Connection along when it is forgotten.
  const isPassing = !name && functions.length > 0;
  const connections = isPassing ? kept(page._ofFunctions, functions[0], () => new Map()) : page._connections;
  const make = () => new Connection(url, isPassing, platform);
  const connection = kept(connections, same, make);
  connection._options = options;
  return connection;
}
