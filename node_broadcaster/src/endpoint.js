/** Where the posts go: the `@connections` endpoint of one stage. */
"use strict";

const { domainOf } = require("./aws/partitions.js");
const { ConfigurationError, show } = require("./errors.js");

// The name AWS's SDKs know for this service's endpoint.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
const ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI";
const IN_HOSTS = /^[^\0-\x20\x7f\\[\]<>^|%"`{}]+$/; // https://url.spec.whatwg.org/#forbidden-domain-code-point
const IPV6 = /^\[([0-9a-f:.]*:[0-9a-f:.]*)\](?::(.*))?$/i;

/** The base of `POST {url}/@connections/{connectionId}`, and the region that requests are signed for. */
class Endpoint {
  constructor({ scheme, host, port, basePath, region }) {
    this.scheme = scheme; // "https" or "http"
    this.host = host;
    this.port = port ?? defaultPort(scheme);
    this.basePath = basePath; // "/production", or "" where a custom domain maps the stage to its root
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

/**
 * Return where to post to: `endpointUrl`, else AWS's environment variable, else the API's own address.
 *
 * The variable wins over `apiId`, so that the same code talks to a local gateway. Without `region`, it is read from the
 * URL, `AWS_REGION` or `AWS_DEFAULT_REGION`. Throws a ConfigurationError for what is missing or malformed.
 */
function resolveEndpoint({ apiId, region, stage = "production", endpointUrl } = {}, environment = process.env) {
  if (apiId !== undefined) checkApiId(apiId);
  checkStage(stage);
  const ignoresVariable = environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === "true";
  const url = endpointUrl || (ignoresVariable ? undefined : environment[ENDPOINT_VARIABLE]) || undefined;
  if (url === undefined && apiId === undefined) {
    throw new ConfigurationError(
      "no API to send through; give apiId: 'abc123xyz' (an output of the stack) or endpointUrl",
    );
  }
  region ||= (url && regionIn(url)) || environment.AWS_REGION || environment.AWS_DEFAULT_REGION;
  if (!region) {
    throw new ConfigurationError("no region; give region: 'us-east-1' (an output of the stack) or set AWS_REGION");
  }
  checkRegion(region);
  if (url !== undefined) return parse(url, region);
  const host = `${apiId}.execute-api.${region}.${domainOf(region)}`;
  return new Endpoint({ scheme: "https", host, basePath: `/${stage}`, region });
}

function defaultPort(scheme) {
  return scheme === "https" ? 443 : 80;
}

function checkApiId(apiId) {
  if (typeof apiId !== "string" || !apiId) {
    throw new ConfigurationError(`apiId ${show(apiId)} is empty or no text; it looks like 'abc123xyz'`);
  }
  if (/[/.]/.test(apiId)) {
    throw new ConfigurationError(
      `apiId ${show(apiId)} is an address; give the id alone, e.g. 'abc123xyz', or the address as endpointUrl`,
    );
  }
  if (!/^[a-z0-9]{1,63}$/.test(apiId)) {
    throw new ConfigurationError(
      `apiId ${show(apiId)} is not an API id; they are lower-case letters and digits, e.g. 'abc123xyz'`,
    );
  }
}

function checkRegion(region) {
  if (typeof region !== "string" || !/^[a-z]+(-[a-z]+)+-[0-9]+$/.test(region)) {
    throw new ConfigurationError(`region ${show(region)} is not an AWS region; they look like 'us-east-1'`);
  }
}

function checkStage(stage) {
  if (typeof stage === "string" && stage.includes("/")) {
    const bare = stage.split("/").filter(Boolean).at(-1) || "production";
    throw new ConfigurationError(`stage ${show(stage)} has a slash; give the bare name, e.g. ${show(bare)}`);
  }
  if (typeof stage !== "string" || !/^[A-Za-z0-9_-]{1,128}$/.test(stage)) {
    throw new ConfigurationError(
      `stage ${show(stage)} is not a stage name; 1 to 128 of A-Z a-z 0-9 _ -, e.g. 'production'`,
    );
  }
}

/** Return the region in the name of one of AWS's own hosts, `{api}.execute-api.{region}.amazonaws.com`. */
function regionIn(url) {
  return /^[^:]*:\/\/[^./]*\.execute-api\.([^./]+)\.amazonaws\.[^/]/.exec(url)?.[1];
}

/** Taken apart by hand, because the class URL corrects what is better refused. */
function parse(url, region) {
  if (typeof url !== "string") throw new ConfigurationError(`endpointUrl ${show(url)} is no text`);
  const base = url.replace(/\/+$/, "").replace(/\/@connections$/, "");
  if (/[@?#]/.test(base)) {
    // Perhaps a password, so nothing of it is shown.
    throw new ConfigurationError(
      "the endpointUrl has a user, a query or a fragment beside host and path; give 'https://host/stage'",
    );
  }
  const wrong = `endpointUrl ${show(url)}`;
  const [, name, authority, rest] = /^(.*?):\/\/([^/]*)(.*)$/s.exec(base) ?? [];
  const scheme = name?.toLowerCase();
  if (scheme === "wss" || scheme === "ws") {
    throw new ConfigurationError(
      `${wrong} is the browsers' address; the backend's is ${show(`http${url.slice(2)}`)}`,
    );
  }
  if ((scheme !== "https" && scheme !== "http") || !authority) {
    throw new ConfigurationError(
      `${wrong} is no http(s) URL; it looks like 'https://abc123xyz.execute-api.us-east-1.amazonaws.com/production'`,
    );
  }
  const { host, port } = parseAuthority(authority, wrong);
  const basePath = rest.replace(/\/+$/, "");
  if (!/^[!-~]*$/.test(basePath)) {
    throw new ConfigurationError(`${wrong} has a path that a request cannot carry; percent-encode it`);
  }
  if (!basePath && regionIn(url)) {
    const better = `${url.replace(/\/+$/, "")}/production`;
    throw new ConfigurationError(`${wrong} names no stage; append it, e.g. ${show(better)}`);
  }
  return new Endpoint({ scheme, host, port, basePath, region });
}

/** Return the host and the port, if there is one, of `host:port` or `[::1]:port`. */
function parseAuthority(authority, wrong) {
  let host, port;
  if (authority.startsWith("[")) {
    [, host, port = ""] = IPV6.exec(authority) ?? [];
  } else {
    const colon = authority.indexOf(":");
    host = colon < 0 ? authority : authority.slice(0, colon);
    port = colon < 0 ? "" : authority.slice(colon + 1);
    if (!IN_HOSTS.test(host)) host = undefined;
  }
  if (!host) {
    throw new ConfigurationError(`${wrong} is no URL: ${show(authority)} is not a host, with a port or without`);
  }
  if (!/^[0-9]{0,5}$/.test(port) || Number(port) > 65_535) {
    throw new ConfigurationError(`${wrong} is no URL: ${show(port)} is not a port`);
  }
  return { host: host.toLowerCase(), port: Number(port) || undefined };
}

module.exports = { ENDPOINT_VARIABLE, Endpoint, resolveEndpoint };
