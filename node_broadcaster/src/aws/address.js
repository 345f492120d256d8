/**
 * Where a service of AWS is: an http(s) URL, taken apart by hand, because the class URL corrects what is better
 * refused.
 */
"use strict";

const { ConfigurationError, show } = require("../errors.js");

const IN_HOSTS = /^[^\0-\x20\x7f\\[\]<>^|%"`{}]+$/; // https://url.spec.whatwg.org/#forbidden-domain-code-point
const IPV6 = /^\[([0-9a-f:.]*:[0-9a-f:.]*)\](?::(.*))?$/is;

/** What the paths of requests are appended to, and the region that requests are signed for. */
class Endpoint {
  constructor({ scheme, host, port, basePath, region }) {
    this.scheme = scheme; // "https" or "http"
    this.host = host;
    this.port = port ?? defaultPort(scheme);
    this.basePath = basePath; // "/production" for posts, or "" where a custom domain maps the stage to its root
    this.region = region;
  }

  /** The `Host` header: the port is there only where it is not the scheme's own. */
  get authority() {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host;
    return this.port === defaultPort(this.scheme) ? host : `${host}:${this.port}`;
  }

  get url() {
    return `${this.scheme}://${this.authority}${this.basePath}`;
  }
}

/** Return the endpoint that a URL means; `name` of the setting or variable, and `example`, are for errors. */
function parseUrl(url, region, { name, example }) {
  if (typeof url !== "string") throw new ConfigurationError(`${name} ${show(url)} is no text; give ${show(example)}`);
  if (/[@?#]/.test(url)) {
    // Perhaps a password, so nothing of it is shown.
    throw new ConfigurationError(
      `the ${name} has a user, a query or a fragment beside host and path; give ${show(example)}`,
    );
  }
  const wrong = `${name} ${show(url)}`;
  const [, scheme, authority, rest] = /^(https?):\/\/([^/]+)(.*)$/is.exec(url) ?? [];
  if (!scheme) throw new ConfigurationError(`${wrong} is no http(s) URL; it looks like ${show(example)}`);
  const { host, port } = parseAuthority(authority, wrong);
  const basePath = rest.replace(/\/+$/, "");
  if (!/^[!-~]*$/.test(basePath)) {
    throw new ConfigurationError(`${wrong} has a path that a request cannot carry; percent-encode it`);
  }
  return new Endpoint({ scheme: scheme.toLowerCase(), host, port, basePath, region });
}

function defaultPort(scheme) {
  return scheme === "https" ? 443 : 80;
}

/** Return the host and the port, if there is one, of `host:port` or `[::1]:port`. */
function parseAuthority(authority, wrong) {
  const [, host, port = ""] = authority.startsWith("[")
    ? (IPV6.exec(authority) ?? [])
    : /^([^:]*):?(.*)$/s.exec(authority);
  if (!host || (!host.includes(":") && !IN_HOSTS.test(host))) {
    throw new ConfigurationError(`${wrong} is no URL: ${show(authority)} is not a host, with a port or without`);
  }
  if (!/^[0-9]{0,5}$/.test(port) || Number(port) > 65_535) {
    throw new ConfigurationError(`${wrong} is no URL: ${show(port)} is not a port`);
  }
  return { host: host.toLowerCase(), port: Number(port) || undefined };
}

module.exports = { Endpoint, parseUrl };
