/**
 * Which registry to make: an object as it is, a URL, or what the environment says.
 *
 *     memory://                                   a backend of one process
 *     redis://host:6379/0                         a Redis server; with a password: redis://:password@host:6379/0
 *     rediss://host:6379/0                        the same over TLS
 *     dynamodb://table-name?region=us-east-1      a DynamoDB table
 */
"use strict";

const { ConfigurationError, show } = require("../errors.js");
const { MAX_CHANNELS } = require("../names.js");
const { MemoryRegistry } = require("./memory.js");

const VARIABLE = "BROADCASTER_REGISTRY";
const METHODS = ["add", "remove", "pages", "count", "close"];
const KNOWN = "'memory://', 'redis://host:6379/0', 'rediss://host:6379/0' or 'dynamodb://table-name?region=us-east-1'";

/**
 * Return `{ registry, isOurs }`: a registry, and whether it was made here and is to be closed by whoever asked for it.
 *
 * `scope` tells this deployment from others that share a server or a table, `maxChannels` is how many channels one
 * connection may add up to. Throws a ConfigurationError for a malformed URL; no password in it is shown.
 */
function makeRegistry(value, { scope, maxChannels = MAX_CHANNELS, environment = process.env } = {}) {
  if (!Number.isInteger(maxChannels) || maxChannels < 1) {
    throw new ConfigurationError(
      `maxChannels is ${show(maxChannels, 40)}; give a number of channels from 1 on, e.g. 100`,
    );
  }
  value ??= environment[VARIABLE] || "memory://";
  if (typeof value === "string") return { registry: fromUrl(value, { scope, maxChannels }), isOurs: true };
  if (!METHODS.every((method) => typeof value?.[method] === "function")) {
    throw new ConfigurationError(
      `registry is of type ${value?.constructor?.name}, which has not the methods of a Registry; give ${KNOWN}`,
    );
  }
  value.takeDefaults?.({ maxChannels });
  return { registry: value, isOurs: false };
}

function fromUrl(url, defaults) {
  const [, name, rest] = /^([^:]*):\/\/(.*)$/s.exec(url) ?? [];
  const scheme = name?.toLowerCase();
  if (scheme === "memory" && !rest.replaceAll("/", "")) return new MemoryRegistry(defaults);
  if (scheme === "redis" || scheme === "rediss") {
    const { RedisRegistry } = require("./redis.js");
    return new RedisRegistry(url, defaults);
  }
  if (scheme === "dynamodb") {
    const { DynamoDBRegistry } = require("./dynamodb.js");
    return DynamoDBRegistry.fromUrl(rest, defaults);
  }
  // Of what is no URL at all, no part is sure not to be a secret.
  const isShown = /^[a-z0-9]+$/.test(scheme ?? "") && !rest.includes("@");
  const shown = isShown ? `of scheme ${show(scheme, 20)}` : "no URL";
  throw new ConfigurationError(`registry is ${shown}; give ${KNOWN}`);
}

module.exports = { VARIABLE, makeRegistry };
