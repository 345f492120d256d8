// What every language's library does alike, see tests/contract: this one is held to the files that hold Python's.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const { SubscriptionSecret, subscriptionSignature } = require("../src/authorization.js");
const { ConnectionSigner, signRequest } = require("../src/aws/signing.js");
const { resolveEndpoint, scopeOf } = require("../src/endpoint.js");
const { BroadcasterError, RefusedError } = require("../src/errors.js");
const { encode } = require("../src/messages.js");
const { checkChannel, checkConnectionId, checkEvent } = require("../src/names.js");
const { Rows } = require("../src/registries/dynamodb_rows.js");
const { Keys } = require("../src/registries/redis_keys.js");
const { FanOut } = require("../src/sending/fan_out.js");
const { Pace } = require("../src/sending/pace.js");

const MAKE_SECRET = `node -p "crypto.randomBytes(32).toString('hex')"`;
const FOLDER = join(__dirname, "../../tests/contract");
const URL = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production";

/** Hold the answer to every case of a file. */
function hold(name, answer) {
  const cases = JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8"));
  assert.ok(cases.length);
  for (const one of cases) {
    const what = JSON.stringify({ ...one, expected: undefined, error: undefined });
    let error;
    let got;
    try {
      got = answer(one);
    } catch (raised) {
      if (!(raised instanceof BroadcasterError)) throw raised;
      error = [raised.name, raised.message];
    }
    assert.deepEqual(error, one.error && [one.error[0], inNode(one.error[1])], what);
    if (!error) assert.deepEqual(got, one.expected, what);
  }
}

/** Return a text with settings and commands as they are written here. */
function inNode(text) {
  return text
    .replace('python3 -c "import secrets; print(secrets.token_hex(32))"', MAKE_SECRET)
    .replace(/\b(api_id|region)=(?=')/g, "$1: ")
    .replace(/\bendpoint_url=/g, "endpoint_url")
    .replace(/\b(api|endpoint)_(id|url)\b/g, (_, first, last) => first + last[0].toUpperCase() + last.slice(1));
}

test("connection ids, channels, event names and secrets are accepted and refused alike", () => {
  const secret = (value) => new SubscriptionSecret(value, null);
  const checks = { connection_id: checkConnectionId, channel: checkChannel, event: checkEvent, secret };
  hold("names", ({ kind, value, repeat, times, then = "" }) => {
    checks[kind](value ?? repeat.repeat(times) + then);
    return "accepted";
  });
});

test("envelopes are the same to the byte", () => {
  hold("envelopes", ({ channel, event, data, data_of_length: length, character = "x" }) => {
    const text = encode(channel, event, length === undefined ? data : character.repeat(length));
    const { id } = JSON.parse(text);
    assert.ok(BigInt(`0x${id}`) > 1n << 80n);
    assert.equal(id.length, 21);
    return length === undefined ? text.replace(id, "0".repeat(21)) : `${Buffer.byteLength(text)} bytes`;
  });
});

test("requests are signed alike", () => {
  const credentialsOf = ({ access_key: accessKey, secret_key: secretKey, token }) => ({ accessKey, secretKey, token });
  hold("signatures", ({ request, connections }) => {
    const given = request ?? connections;
    const credentials = credentialsOf(given.credentials);
    if (request) return signRequest(credentials, given);
    const signer = new ConnectionSigner(credentials, { ...given, basePath: given.base_path });
    const read = (id) => {
      const [line, ...lines] = signer.head(id).split("\r\n").slice(0, -2);
      const [method, path, version] = line.split(" ");
      assert.equal(version, "HTTP/1.1");
      return { method, path, headers: Object.fromEntries(lines.map((each) => each.split(/: (.*)/s).slice(0, 2))) };
    };
    return Object.fromEntries(given.ids.map((id) => [id, read(id)]));
  });
});

test("subscriptions are signed alike", () => {
  hold("subscriptions", ({ secret, connection_id: id, channel }) => subscriptionSignature(secret, id, channel));
});

test("settings and variables lead to the same endpoint", () => {
  hold("endpoints", ({ settings, environment = {} }) => {
    const { api_id: apiId, endpoint_url: endpointUrl, region, stage } = settings;
    const endpoint = resolveEndpoint({ apiId, endpointUrl, region, stage }, environment);
    const { url, authority, port } = endpoint;
    return { url, authority, port, region: endpoint.region, scope: scopeOf(endpoint) };
  });
});

test("answers have the same outcome", () => hold("outcomes", play));

/** Play the answers of each connection in turn, the last one for ever; the twin of `fan_out_case` in Python. */
function play(given) {
  const pages = structuredClone(given.pages);
  const plan = new FanOut(
    { read: () => pages.shift() },
    {
      url: URL,
      pace: new Pace(Infinity),
      deadline: given.deadline ?? 15,
      attempts: given.attempts ?? 3,
      concurrency: given.concurrency ?? 256,
      random: () => 0.5,
      renew: () => given.renew ?? false,
    },
  );
  const posts = {};
  const inFlight = [];
  let [now, answered] = [0, 0];
  while (!plan.isDone) {
    if (now >= plan.deadline) {
      plan.giveUp(inFlight);
      break;
    }
    if (answered === given.cannot_connect_after) {
      plan.cannotConnect("connection refused");
      answered += 1;
      continue;
    }
    const next = inFlight.length < (given.in_flight ?? 1) ? plan.take(now) : undefined;
    if (next !== undefined) {
      inFlight.push(next);
      posts[next] = (posts[next] ?? 0) + 1;
    } else if (inFlight.length) {
      const id = inFlight.shift();
      const answers = given.answers[id];
      answered += 1;
      tell(plan, id, answers[Math.min(posts[id], answers.length) - 1], now);
    } else {
      now = plan.wakeAt(now);
    }
  }
  try {
    const { sent, failed, stale, failures } = plan.result();
    return {
      ...{ sent, failed, stale },
      failures: failures.map(({ connectionId, reason, status }) => [connectionId, reason, status]).sort(),
      stale_ids: plan.takeStale(),
      posts,
      ended_at: Math.round(now * 1e6) / 1e6,
    };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { refused: error.message.replace("endpointUrl", "endpoint_url="), posts };
  }
}

function tell(plan, id, answer, now) {
  if (answer === "lost") plan.lost(id, "reset", now);
  else if (answer === "timed out") plan.lost(id, "no answer within 3 s", now, { timedOut: true });
  else if (answer === "lost on kept") plan.lostOnKept(id, "closed", now);
  else plan.answered(id, { headers: {}, body: "", ...answer }, now);
}

test("registries name their keys and rows alike", () => {
  hold("registries", ({ redis, dynamodb }) => {
    if (redis) {
      const keys = new Keys("broadcaster", redis.scope);
      return redis.channel === undefined ? keys.connection(redis.connection_id) : keys.channel(redis.channel);
    }
    const { connection_id: id, channels, now, lifetime, scope } = dynamodb;
    const rows = new Rows(scope);
    return {
      puts: rows.puts(id, channels, now, lifetime),
      deletes: rows.deletes(id, channels),
      listeners: channels.map((channel) => rows.listenersQuery(channel, now)),
      shard: rows.shardQuery(10, now),
      channels: rows.channelsQuery(id),
    };
  });
});
