/**
 * Sign requests to AWS (Signature Version 4), as AWS's own SDKs do.
 *
 * `signRequest` signs any one request. `ConnectionSigner` is the fast way to sign very many that differ in the
 * connection id alone: what does not depend on the id is written and hashed once, and the key of the day is kept.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
"use strict";

const { createHash, createHmac, createSecretKey } = require("node:crypto");

const ALGORITHM = "AWS4-HMAC-SHA256";
const ID = /^[A-Za-z0-9_=-]+$/;
// Headers that proxies and clients may add or change on the way; AWS's SDKs leave them out of the signature as well.
const NEVER_SIGNED = new Set([
  "baggage",
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-amzn-trace-id",
]);
const OURS = new Set(["host", "date", "x-amz-date", "x-amz-security-token", "authorization"]);

/**
 * Return the headers that make a request a signed one: Host, X-Amz-Date, X-Amz-Security-Token if the credentials are
 * temporary, the given headers, Authorization.
 *
 * `path` and `query` (without the question mark) are given exactly as they will be sent, percent-encoded already; `now`
 * is in seconds since the epoch. AWS accepts a signature for five minutes around its time.
 */
function signRequest(credentials, { service, region, method, host, path, query = "", headers = {}, body, now }) {
  const timestamp = timestampOf(now);
  const result = { Host: host, "X-Amz-Date": timestamp };
  if (credentials.token) result["X-Amz-Security-Token"] = credentials.token;
  for (const [name, value] of Object.entries(headers)) {
    if (!OURS.has(name.toLowerCase())) result[name] = value;
  }
  const signed = Object.entries(result)
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/\s+/g, " ")])
    .filter(([name]) => !NEVER_SIGNED.has(name))
    .sort(byText);
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    method.toUpperCase(),
    encodePath(withoutDots(path)),
    canonicalQuery(query),
    ...signed.map(([name, value]) => `${name}:${value}`),
    "",
    names,
    sha256(body),
  ].join("\n");
  const scope = `${timestamp.slice(0, 8)}/${region}/${service}/aws4_request`;
  const toSign = `${ALGORITHM}\n${timestamp}\n${scope}\n${sha256(canonical)}`;
  const signature = createHmac("sha256", signingKey(credentials.secretKey, scope)).update(toSign).digest("hex");
  const credential = `${credentials.accessKey}/${scope}`;
  result.Authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
  return result;
}

/**
 * Signs requests to `@connections` that differ in the connection id alone.
 *
 * Good for as long as the signature's time is: make a new one after a minute, or when the credentials change.
 * `basePath` is what stands before `/@connections`, percent-encoded, e.g. `/production`; it may be empty.
 */
class ConnectionSigner {
  #key;
  #toSign;
  #before;
  #after;
  #start;
  #middle;
  #end;

  constructor(credentials, { host, region, basePath, method, body, now }) {
    const timestamp = timestampOf(now);
    const scope = `${timestamp.slice(0, 8)}/${region}/execute-api/aws4_request`;
    const { accessKey, secretKey, token } = credentials;
    const names = token ? "host;x-amz-date;x-amz-security-token" : "host;x-amz-date";
    const signedToken = token ? `\nx-amz-security-token:${token.trim().replace(/\s+/g, " ")}` : "";
    this.#key = signingKey(secretKey, scope);
    this.#toSign = `${ALGORITHM}\n${timestamp}\n${scope}\n`;
    this.#before = `${method}\n${encodePath(withoutDots(`${basePath}/@connections/`))}`;
    this.#after = `\n\nhost:${host}\nx-amz-date:${timestamp}${signedToken}\n\n${names}\n${sha256(body)}`;
    const sentToken = token ? `X-Amz-Security-Token: ${token}\r\n` : "";
    this.#start = `${method} ${basePath}/@connections/`;
    this.#middle =
      ` HTTP/1.1\r\nHost: ${host}\r\nX-Amz-Date: ${timestamp}\r\n${sentToken}Authorization: ${ALGORITHM} ` +
      `Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=`;
    const hasLength = body || method === "POST";
    this.#end = hasLength ? `\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n` : "\r\n\r\n";
  }

  /** Return everything that goes before the body: the request line, the headers, the empty line. */
  head(connectionId) {
    if (!ID.test(connectionId)) throw new RangeError(`${JSON.stringify(connectionId)} is no connection id`);
    // Signed is the path as it is sent, encoded once more: the equals sign's own percent sign becomes %25.
    const canonical = sha256(this.#before + connectionId.replaceAll("=", "%253D") + this.#after);
    const signature = createHmac("sha256", this.#key)
      .update(this.#toSign + canonical)
      .digest("hex");
    return this.#start + connectionId.replaceAll("=", "%3D") + this.#middle + signature + this.#end;
  }
}

function timestampOf(now) {
  return new Date(Math.floor(now) * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

function encodePath(path) {
  return path.split("/").map(percentEncode).join("/");
}

/** Percent-encode the UTF-8 bytes of `text`, except the unreserved characters of RFC 3986. */
function percentEncode(text) {
  const ofOthers = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, ofOthers);
}

/** Return the path as AWS reads it: `.` and `..` resolved, repeated slashes merged. */
function withoutDots(path) {
  if (!path) return "/";
  const kept = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment && segment !== ".") kept.push(segment);
  }
  return (path.startsWith("/") ? "/" : "") + kept.join("/") + (path.endsWith("/") && kept.length ? "/" : "");
}

/** Return the query string with its pairs sorted by name, then by value, each with an equals sign. */
function canonicalQuery(query) {
  if (!query) return "";
  const pairs = query.split("&").map((pair) => {
    const at = pair.indexOf("=");
    return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
  });
  return pairs
    .sort(byText)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function byText([nameA, valueA], [nameB, valueB]) {
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return valueA < valueB ? -1 : Number(valueA > valueB);
}

let kept = { secretKey: undefined, scope: undefined, key: undefined };

/**
 * Return the key that is good for one day, region and service; the last one is kept, because it is nearly always it.
 */
function signingKey(secretKey, scope) {
  if (kept.secretKey !== secretKey || kept.scope !== scope) {
    let key = Buffer.from(`AWS4${secretKey}`);
    for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
    kept = { secretKey, scope, key: createSecretKey(key) };
  }
  return kept.key;
}

module.exports = { ConnectionSigner, percentEncode, signRequest };
