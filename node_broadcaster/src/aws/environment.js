/**
 * What AWS's own variables say about regions and addresses, read in one place for everything that asks AWS.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
 */
"use strict";

const { Endpoint, parseUrl } = require("./address.js");
const { domainOf } = require("./partitions.js");

// The service's own variable wins over the one for all services.
const ENDPOINT_VARIABLES = {
  "execute-api": "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
  dynamodb: "AWS_ENDPOINT_URL_DYNAMODB",
  secretsmanager: "AWS_ENDPOINT_URL_SECRETS_MANAGER",
};

/** Return the region that the environment names, if it names one. */
function regionInEnvironment(environment = process.env) {
  return environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined;
}

/** Return `{ url, name }`: what the environment gives for a service, and the variable that does; or undefined. */
function endpointInEnvironment(service, environment = process.env) {
  if (isTrue(environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)) return undefined;
  const name = [ENDPOINT_VARIABLES[service], "AWS_ENDPOINT_URL"].find((each) => environment[each]);
  return name && { url: environment[name], name };
}

/** Return where DynamoDB or Secrets Manager is: at `endpointUrl`, where the environment says, or at AWS. */
function serviceEndpoint(service, region, endpointUrl, environment = process.env) {
  const given = endpointUrl ? { url: endpointUrl, name: "endpoint_url" } : endpointInEnvironment(service, environment);
  if (given) return parseUrl(given.url, region, { name: given.name, example: "http://127.0.0.1:8000" });
  // Secrets Manager's usual hosts have IPv6 too, and DynamoDB's usual ones in GovCloud are the FIPS ones.
  const dualStack = service === "dynamodb" && isTrue(environment.AWS_USE_DUALSTACK_ENDPOINT);
  const isFipsAlready = service === "dynamodb" && region.startsWith("us-gov-") && !dualStack;
  const name = isTrue(environment.AWS_USE_FIPS_ENDPOINT) && !isFipsAlready ? `${service}-fips` : service;
  const host = `${name}.${region}.${domainOf(region, { dualStack })}`;
  return new Endpoint({ scheme: "https", host, basePath: "", region });
}

function isTrue(value) {
  return value?.toLowerCase() === "true";
}

module.exports = { ENDPOINT_VARIABLES, endpointInEnvironment, regionInEnvironment, serviceEndpoint };
