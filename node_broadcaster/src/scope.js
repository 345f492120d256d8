/** Which deployment a list of connections is of, so that several may share a Redis server or a table. */
"use strict";

/** Return `<api id>/<stage>`, or of another endpoint `host[:port]/path`. */
function scopeOf({ apiId, stage = "production", endpointUrl }, endpoint) {
  if (apiId && !endpointUrl) return `${apiId}/${stage}`;
  const [, ofAws] = /^([a-z0-9]+)\.execute-api\./.exec(endpoint.host) ?? [];
  return (ofAws ?? endpoint.authority) + endpoint.basePath;
}

module.exports = { scopeOf };
