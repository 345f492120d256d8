/** What to tell the user when API Gateway refuses a request for a reason that has nothing to do with the connection. */
"use strict";

/** Tell whether this status would be the same for every connection: it is about the caller or the address. */
function isRefusal(status) {
  // 401 and 403: who asks; 404 and 421: the address; 3xx: something else than API Gateway answers there.
  return [401, 403, 404, 421].includes(status) || (status >= 300 && status < 400);
}

/** Tell whether an answer of 400 says that no connection can have this id: then it is as good as gone. */
function isAboutTheId(headers, body) {
  return describeError(headers, body).toLowerCase().includes("connectionid");
}

/** Tell whether signing again, with fresh credentials or a corrected clock, may help. */
function isAboutTheSignature(error) {
  return /expired|signature|security token/i.test(error);
}

/**
 * Return the service's own words for an error on one line, at most 200 characters: code, then message.
 *
 * The answer to a bad signature repeats the whole canonical request, the session token included: only its first
 * sentence is kept. Something else that repeats the request's headers is read as far as the token.
 */
function describeError(headers, body) {
  const code = (headers["x-amzn-errortype"] ?? "").split(":")[0];
  let message = body.slice(0, 4096);
  if (message.trimStart().startsWith("{")) {
    const content = parse(body);
    if (content) message = String(content.message || content.Message || "");
  }
  message = message.split(/ The Canonical String|\n\n|x-amz-security-token/i)[0].trim().replace(/\s+/g, " ");
  if (/^(<!doctype|<html)/i.test(message)) message = "an HTML page";
  return (code && message ? `${code}: ${message}` : code || message).slice(0, 200);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a text that only begins like JSON
  }
}

/** Return the text of a `RefusedError`: what was answered where, and what to check. */
function explainRefusal(status, error, url) {
  const said = `${url} answered HTTP ${status}${error ? ` (${error})` : ""}`;
  if ((status >= 300 && status < 400) || status === 404 || status === 421) {
    return `${said}; check the address: the API id, region and stage, or endpointUrl`;
  }
  if (/expired|not yet current/i.test(error)) {
    return `${said}; renew the credentials, and check this machine's clock: it may be off by at most five minutes`;
  }
  if (/signature/i.test(error)) {
    return `${said}; check the secret key and the region, and that no proxy changes the request`;
  }
  if (/security token|unrecognizedclient/i.test(error)) {
    return `${said}; check the credentials: AWS does not know this access key or session token`;
  }
  if (/authorized|accessdenied/i.test(error)) {
    return `${said}; allow execute-api:ManageConnections to this role or user: attach the stack's backend policy`;
  }
  return (
    `${said}; check that the role or user may call execute-api:ManageConnections, that stage and host are right; ` +
    "from a VPC with an execute-api endpoint and private DNS, only a custom domain name works"
  );
}

module.exports = { describeError, explainRefusal, isAboutTheId, isAboutTheSignature, isRefusal };
