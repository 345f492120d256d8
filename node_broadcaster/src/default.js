/** The guide's functions: thin names over one default `Broadcaster`, which is the only global state of this package. */
"use strict";

const { Broadcaster } = require("./broadcaster.js");
const { ConfigurationError } = require("./errors.js");

let current = null;

/** Make the `Broadcaster` behind the functions of this module, closing the one before. */
function initBroadcaster(settings) {
  const before = current;
  current = new Broadcaster(settings);
  before?.close().catch(() => {}); // nobody waits for it
  return current;
}

/** Close the default broadcaster, if there is one; `initBroadcaster` makes the next. */
async function closeBroadcaster() {
  const before = current;
  current = null;
  await before?.close();
}

/** Return the function that calls this method of the default broadcaster. */
function onDefault(method) {
  return {
    async [method](...given) {
      if (!current) {
        throw new ConfigurationError(
          "initBroadcaster was not called in this process; call initBroadcaster({ apiId: …, region: … }) at its start",
        );
      }
      return current[method](...given);
    },
  }[method];
}

module.exports = {
  initBroadcaster,
  closeBroadcaster,
  registerConnection: onDefault("registerConnection"),
  unregisterConnection: onDefault("unregisterConnection"),
  authorizeSubscription: onDefault("authorizeSubscription"),
  broadcast: onDefault("broadcast"),
  broadcastAdminEvent: onDefault("broadcastAdminEvent"),
  sendToConnection: onDefault("sendToConnection"),
  disconnectConnection: onDefault("disconnectConnection"),
  getConnection: onDefault("getConnection"),
};
