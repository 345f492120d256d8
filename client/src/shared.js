import { openConnection } from "./connection.js";
import { kept } from "./kept.js";
import { demand, GATEWAY_OPTIONS, isFunction, isText, targets } from "./options.js";

// One per page whatever copies of this module a bundler or a hot reload made, if they are of one version: a build puts
// it here, and shortens the names that begin with an underscore.
const SHARED = `apigw-broadcaster-client/${globalThis.APIGW_BROADCASTER_CLIENT ?? "source"}`;

let made;
const first = new Promise((resolve) => (made = resolve)); // when the first Gateway is made

/** What the Gateways of a page share. */
export const page = (globalThis[SHARED] ??= { _connections: new WeakMap(), _first: first, _made: made });

/**
 * The one Connection of an address and a name, or else of an address and its options. A function among them is itself,
 * not its text: what one factory made for one tenant must not sign for another. Made anew with every render or hot
 * reload, it takes its Connection along when it is forgotten.
 */
export function connectionOf(url, options) {
  const { name, platform } = options;
  const owners = Object.entries(targets(options)).map(([option, target]) => {
    // It is not shown: it may hold something secret.
    const isRight = !target || isFunction(target) || isText(target);
    demand(isRight, `'${option}' is of type ${typeof target}`, "a URL or a function");
    return !name && isFunction(target) ? target : page;
  });
  const owned = owners.reduce((map, owner) => kept(map, owner, () => new WeakMap()), page._connections);
  // In one order, and without those that the address is made of.
  const same = url + JSON.stringify(name ?? options, [...GATEWAY_OPTIONS.slice(3), "url", "batch"]);
  const make = () => openConnection(url, owners.some(isFunction), platform);
  const connection = kept(kept(owned, page, () => new Map()), same, make);
  connection._options = options;
  return connection;
}
