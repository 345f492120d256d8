/** The domains that AWS's services have in its partitions. */
"use strict";

/** Return the domain of a region's services, e.g. `amazonaws.com`. */
function domainOf(region) {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

module.exports = { domainOf };
