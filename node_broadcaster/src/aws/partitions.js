/**
 * The domains of AWS's services in each partition: AWS's clouds that have nothing in common but the software.
 *
 * The Python library's table, which is checked against AWS's own; tests/contract/endpoints.json holds both together.
 * https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
 */
"use strict";

const { ConfigurationError, show } = require("../errors.js");

// What the names of a partition's regions begin with, the domain, and the domain of the hosts that have IPv6 too.
const PARTITIONS = [
  ["us-gov-", "amazonaws.com", "api.aws"],
  ["us-iso-", "c2s.ic.gov", "api.aws.ic.gov"],
  ["us-isob-", "sc2s.sgov.gov", "api.aws.scloud"],
  ["us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"],
  ["eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"],
  ["eusc-", "amazonaws.eu", "api.amazonwebservices.eu"], // the European Sovereign Cloud
  ["cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"],
  ...["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"].map((area) => [`${area}-`, "amazonaws.com", "api.aws"]),
];

const DOMAINS = new Set(PARTITIONS.flatMap(([, ...domains]) => domains));

/** Return the domain of AWS's services in a region, e.g. `amazonaws.com`. */
function domainOf(region, { dualStack = false } = {}) {
  const found = PARTITIONS.find(([beginning]) => region.startsWith(beginning));
  if (found) return dualStack ? found[2] : found[1];
  const known = PARTITIONS.map(([beginning]) => `${beginning}…`).join(", ");
  throw new ConfigurationError(
    `the domain of region ${show(region)} is not known (known are ${known}); correct it or give endpointUrl`,
  );
}

module.exports = { DOMAINS, domainOf };
