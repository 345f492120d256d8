/** The object that knows the endpoint, the registry and the sender. */
"use strict";

const { debuglog } = require("node:util");
const { SubscriptionSecret, subscriptionSignature } = require("./authorization.js");
const { CredentialSource } = require("./aws/credentials.js");
const { resolveEndpoint, scopeOf } = require("./endpoint.js");
const { ClosedError, ConfigurationError, InvalidArgumentError, show } = require("./errors.js");
const { encode } = require("./messages.js");
const { checkChannel, checkConnectionId } = require("./names.js");
const { makeRegistry } = require("./registries/choose.js");
const { Listeners } = require("./registries/listeners.js");
const { isThere, readInfo } = require("./replies.js");
const { makeResult } = require("./results.js");
const { Sender } = require("./sending/sender.js");
const { checkSettings } = require("./sending/settings.js");

const ADMIN_CHANNEL = "admin";
const ADMIN_EVENT = "admin_event";
const SETTINGS = [
  "apiId", "region", "stage", "endpointUrl", "registry", "maxChannels", "secret",
  "concurrency", "timeout", "attempts", "deadline", "rate",
];

// Whoever waits for a broadcast also waits for this.
const REMOVAL_TIME = 1000; // milliseconds
const REMOVED_AT_ONCE = 100; // connection ids

const debug = debuglog("broadcaster");

/**
 * Pushes events to the browsers that are connected to one stage of one WebSocket API.
 *
 * No credentials are looked for and no connection is opened before the first broadcast that has somebody to reach. The
 * settings and what each method rejects with are told in `index.d.ts`.
 */
class Broadcaster {
  #sender;
  #registry;
  #ownsRegistry;
  #secret;
  #isClosed = false;

  constructor(settings = {}) {
    const unknown = Object.keys(settings).find((name) => !SETTINGS.includes(name));
    if (unknown !== undefined) {
      throw new ConfigurationError(`there is no setting ${show(unknown, 40)}; known are ${SETTINGS.join(", ")}`);
    }
    const endpoint = resolveEndpoint(settings);
    const credentials = new CredentialSource();
    this.#sender = new Sender(endpoint, checkSettings(settings, endpoint.scheme), credentials);
    const { registry, isOurs } = makeRegistry(settings.registry, {
      scope: scopeOf(endpoint),
      maxChannels: settings.maxChannels,
    });
    this.#registry = registry;
    this.#ownsRegistry = isOurs;
    this.#secret = new SubscriptionSecret(settings.secret, credentials);
  }

  async registerConnection(connectionId, options = {}) {
    this.#checkOpen();
    checkConnectionId(connectionId);
    // What is not understood must not be taken for "everything".
    const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
    const unknown = isObject ? Object.keys(options).find((name) => name !== "channels") : options;
    if (!isObject || unknown !== undefined) {
      throw new InvalidArgumentError(
        `registerConnection(id, ${show(unknown, 40)}) names no channels; give { channels: ["logs"] }, or nothing for all`,
      );
    }
    const { channels } = options;
    const names = channels === undefined || channels === null ? undefined : [channels].flat().map(checkChannel);
    await this.#registry.add(connectionId, names);
  }

  async unregisterConnection(connectionId) {
    this.#checkOpen();
    await this.#registry.remove([checkConnectionId(connectionId)]);
  }

  async authorizeSubscription(connectionId, channel) {
    this.#checkOpen();
    checkConnectionId(connectionId);
    checkChannel(channel);
    return subscriptionSignature(await this.#secret.read(), connectionId, channel);
  }

  async broadcast(channel, event, data) {
    this.#checkOpen();
    const body = encode(channel, event, data);
    const listeners = await Listeners.begin(this.#registry, channel);
    listeners.whenThere(this.#sender.wake);
    const result = listeners.isEmpty ? makeResult() : await this.#send(listeners, body);
    debug("%s on %s: %j%s", event, channel, result, result.failed ? `; the first: ${result.failures[0].reason}` : "");
    if (listeners.error) throw Object.assign(listeners.error, { result });
    return result;
  }

  async broadcastAdminEvent(data) {
    return this.broadcast(ADMIN_CHANNEL, ADMIN_EVENT, data);
  }

  async sendToConnection(connectionId, channel, event, data) {
    this.#checkOpen();
    const pages = [[checkConnectionId(connectionId)]];
    return this.#send({ read: () => pages.shift() }, encode(channel, event, data));
  }

  async disconnectConnection(connectionId) {
    this.#checkOpen();
    const reply = await this.#sender.request("DELETE", checkConnectionId(connectionId));
    const wasThere = isThere(reply, connectionId);
    await this.#removeStale([connectionId]);
    return wasThere;
  }

  async getConnection(connectionId) {
    this.#checkOpen();
    const reply = await this.#sender.request("GET", checkConnectionId(connectionId));
    if (isThere(reply, connectionId)) return readInfo(reply, connectionId);
    await this.#removeStale([connectionId]);
    return null;
  }

  async close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sender.close();
    if (this.#ownsRegistry) await this.#registry.close();
  }

  #send(pages, body) {
    return this.#sender.broadcast(pages, body, (stale) => this.#removeStale(stale));
  }

  /** Remove connections that are gone, for about a second; the next broadcast finds again who is left. */
  async #removeStale(connectionIds) {
    const ends = performance.now() + REMOVAL_TIME;
    for (let start = 0; start < connectionIds.length; start += REMOVED_AT_ONCE) {
      if (start && performance.now() > ends) return;
      try {
        await this.#registry.remove(connectionIds.slice(start, start + REMOVED_AT_ONCE));
      } catch (error) {
        // The message went out all the same, and the entries will expire.
        const left = connectionIds.length - start;
        process.emitWarning(`${left} connections are gone but could not be removed: ${error.message}`, {
          type: "BroadcasterWarning",
          code: "BROADCASTER_REGISTRY",
        });
        return;
      }
    }
  }

  #checkOpen() {
    if (this.#isClosed) {
      throw new ClosedError("this broadcaster was closed; make a new one with initBroadcaster or Broadcaster");
    }
  }
}

module.exports = { Broadcaster };
