/** Where the posts go: the `@connections` endpoint of one stage. */
"use strict";

const { Endpoint, parseUrl } = require("./aws/address.js");
const { endpointInEnvironment, regionInEnvironment } = require("./aws/environment.js");
const { DOMAINS, domainOf } = require("./aws/partitions.js");
const { ConfigurationError, show } = require("./errors.js");

// What `dev.py deploy` prints for the backend.
const API_ID_VARIABLE = "WEBSOCKET_API_ID";
const STAGE_VARIABLE = "WEBSOCKET_STAGE";
const EXAMPLE = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production";

/**
 * Return where to post to: `endpointUrl`, else AWS's environment variable, else the API's own address.
 *
 * The variable is `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`, or `AWS_ENDPOINT_URL` for all services; both win over
 * `apiId`, so that the same code talks to a local gateway. Without `region`, it is read from the URL, `AWS_REGION` or
 * `AWS_DEFAULT_REGION`. Without `apiId` and `stage` those of `WEBSOCKET_API_ID` and `WEBSOCKET_STAGE` are taken, else
 * the stage `production`. Throws a ConfigurationError for what is missing or malformed.
 */
function resolveEndpoint({ apiId, region, stage, endpointUrl } = {}, environment = process.env) {
  if (apiId === undefined && !endpointUrl) apiId = environment[API_ID_VARIABLE] || undefined;
  stage ??= environment[STAGE_VARIABLE] || "production";
  if (apiId !== undefined) checkApiId(apiId);
  checkStage(stage);
  const given = endpointUrl
    ? { url: endpointUrl, name: "endpointUrl" }
    : endpointInEnvironment("execute-api", environment);
  if (!given && apiId === undefined) {
    throw new ConfigurationError(
      "no API to send through; give apiId: 'abc123xyz' (an output of the stack) or endpointUrl",
    );
  }
  region ||= (given && regionIn(given.url)) || regionInEnvironment(environment);
  if (!region) {
    throw new ConfigurationError("no region; give region: 'us-east-1' (an output of the stack) or set AWS_REGION");
  }
  checkRegion(region);
  if (given) return parse(given.url, region, given.name);
  const host = `${apiId}.execute-api.${region}.${domainOf(region)}`;
  return new Endpoint({ scheme: "https", host, basePath: `/${stage}`, region });
}

/**
 * Return the name by which registries keep the connections of one API and stage apart from all others.
 *
 * Of AWS's own hosts it is `abc123xyz/production`, which the Lambda knows too; else `host[:port]/path`.
 */
function scopeOf({ host, authority, basePath }) {
  const [, apiId] = /^([^.]*)\.execute-api\.[^.]*\.[^.]*\./.exec(host) ?? [];
  return (apiId ?? authority) + basePath;
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
  const [, region, domain] = /^[^:]*:\/\/[^./:]*\.execute-api\.([^./:]+)\.([^/:]+)/.exec(url) ?? [];
  return DOMAINS.has(domain) ? region : undefined;
}

function parse(url, region, name) {
  if (/^wss?:\/\/[^@?#]*$/i.test(url)) {
    throw new ConfigurationError(
      `${name} ${show(url)} is the browsers' address; the backend's is ${show(`http${url.slice("ws".length)}`)}`,
    );
  }
  const base = typeof url === "string" ? url.replace(/\/+$/, "").replace(/\/@connections$/, "") : url;
  const endpoint = parseUrl(base, region, { name, example: EXAMPLE });
  if (!endpoint.basePath && regionIn(base)) {
    throw new ConfigurationError(`${name} ${show(url)} names no stage; append it, e.g. ${show(`${base}/production`)}`);
  }
  return endpoint;
}

module.exports = { resolveEndpoint, scopeOf };
