/**
 * Redis URLs, read without ever showing a password.
 *
 *     redis://[[user]:password@]host[:port][/db][?option=value&…]
 *     rediss://…    the same over TLS
 *
 * | option | meaning |
 * |---|---|
 * | `prefix` | what all keys start with; `broadcaster` by default |
 * | `scope` | which deployment the list is of; by default that of the broadcaster's endpoint |
 * | `cluster` | `true` for a cluster, of which the host is any node |
 * | `ssl_ca_certs` | path of the certificate authorities to check the server with; by default Node's |
 * | `ssl_certfile`, `ssl_keyfile` | paths of a client certificate and its key |
 * | `ssl_cert_reqs` | `none` to accept any certificate |
 */
"use strict";

const { ConfigurationError, show } = require("../errors.js");

const TLS_OPTIONS = ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"];
const OPTIONS = ["prefix", "scope", "cluster", ...TLS_OPTIONS];
const EXAMPLE = "'redis://host:6379/0'";
const HINT = `give ${EXAMPLE}, and percent-encode what is special in a password`;

/**
 * Return `{ host, port, db, username, password, prefix, scope, isTls, isCluster, tls, name }`; `name` has no password.
 *
 * Throws a ConfigurationError; its text has no part of the URL in which a password may be.
 */
function parseRedisUrl(url) {
  let parts, username, password;
  if (/^[^/]*\/\/[^/?#]*[/?#].*@/s.test(url)) {
    // A password with '/', '?' or '#' in it ends where those are. Nothing before an '@' is safe to be shown.
    throw new ConfigurationError(`the registry's Redis URL has an '@' after its host; ${HINT}`);
  }
  try {
    parts = new URL(url);
    username = decodeURIComponent(parts.username) || undefined;
    password = decodeURIComponent(parts.password) || undefined;
  } catch {
    // What is special in a password ends up in the host's place, and so in the class URL's own message.
    throw new ConfigurationError(`the registry's Redis URL has no readable host and port; ${HINT}`);
  }
  if (!parts.hostname || parts.hash) {
    throw new ConfigurationError(`the registry's Redis URL has no host or something after a '#'; ${HINT}`);
  }
  const options = Object.fromEntries(parts.searchParams);
  const unknown = Object.keys(options)
    .sort()
    .find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw new ConfigurationError(
      `the registry's Redis URL has an option ${show(unknown, 40)}; known are ${OPTIONS.join(", ")}`,
    );
  }
  const isTls = parts.protocol === "rediss:";
  const tls = Object.fromEntries(TLS_OPTIONS.filter((name) => name in options).map((name) => [name, options[name]]));
  const [first] = Object.keys(tls);
  if (first && !isTls) {
    throw new ConfigurationError(`${first} in the registry's Redis URL is for TLS; give 'rediss://…'`);
  }
  const isCluster = readBoolean("cluster", options.cluster ?? "false");
  const db = readDb(parts.pathname.replace(/^\/+|\/+$/g, ""));
  if (isCluster && db) {
    throw new ConfigurationError(`a Redis cluster has one database, 0; the registry's URL names ${db}`);
  }
  const host = parts.hostname.replace(/^\[|\]$/g, "");
  const port = Number(parts.port) || 6379;
  const name = `${isTls ? "rediss" : "redis"}://${parts.hostname}:${port}/${db}`;
  const { prefix, scope } = options;
  return { host, port, db, username, password, prefix, scope, isTls, isCluster, tls, name };
}

function readDb(path) {
  if (!/^[0-9]*$/.test(path)) {
    // It may be the rest of a password with a slash in it, so it is not shown.
    throw new ConfigurationError(`what follows the host in the registry's Redis URL is no database number; ${HINT}`);
  }
  return Number(path);
}

function readBoolean(name, value) {
  const lowered = value.toLowerCase();
  if (lowered !== "true" && lowered !== "false") {
    throw new ConfigurationError(
      `${name}=${show(value, 40)} in the registry's Redis URL is neither 'true' nor 'false'`,
    );
  }
  return lowered === "true";
}

module.exports = { parseRedisUrl };
