// Posts over real sockets, to a server that does what servers and networks do.
"use strict";

const assert = require("node:assert/strict");
const { beforeEach, afterEach, test } = require("node:test");
const { Broadcaster, MemoryRegistry } = require("..");
const { ConfigurationError, RefusedError, UnavailableError, InvalidArgumentError } = require("..");
const { HostileServer } = require("./hostile_server.js");

const PATIENT = { deadline: 100, timeout: 60 }; // for tests in which nothing hangs, on a machine that may be busy
let server;
let made;

beforeEach(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" });
  delete process.env.AWS_SESSION_TOKEN;
  delete process.env.AWS_PROFILE;
  server = await new HostileServer().listen();
  made = [];
});

afterEach(async () => {
  await Promise.all(made.map((broadcaster) => broadcaster.close()));
  await server.close();
});

function connect(settings) {
  const broadcaster = new Broadcaster({ endpointUrl: server.url, region: "us-east-1", ...PATIENT, ...settings });
  made.push(broadcaster);
  return broadcaster;
}

async function connectTo(count, settings) {
  const broadcaster = connect(settings);
  const ids = Array.from({ length: count }, (_, number) => `id-${String(number).padStart(6, "0")}=`);
  for (const id of ids) await broadcaster.registerConnection(id);
  return { broadcaster, ids, send: () => broadcaster.broadcast("admin", "e", { text: "grün" }) };
}

test("a message goes to everybody, signed, with its length in bytes", async () => {
  process.env.AWS_SESSION_TOKEN = "token";
  const { ids, send } = await connectTo(100);
  assert.deepEqual(await send(), { sent: 100, failed: 0, stale: 0 });
  assert.deepEqual(server.requests.map(({ id }) => id).sort(), ids);
  for (const { method, headers, body } of server.requests) {
    assert.equal(method, "POST");
    assert.equal(headers.Host, `127.0.0.1:${server.port}`);
    assert.equal(headers["X-Amz-Security-Token"], "token");
    assert.match(headers.Authorization, /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/us-east-1\/execute-api\//);
    assert.deepEqual(JSON.parse(body).data, { text: "grün" });
  }
});

test("keys in the environment win over a profile, which has others or is not on this machine", async () => {
  process.env.AWS_PROFILE = "of-another-account";
  const { send } = await connectTo(1);
  assert.deepEqual(await send(), { sent: 1, failed: 0, stale: 0 });
  assert.match(server.requests[0].headers.Authorization, /Credential=AKIAEXAMPLE\//);
});

test("connections are kept, and one carries many messages", async () => {
  const { send } = await connectTo(400);
  for (let round = 0; round < 5; round += 1) await send();
  // Ten are enough; some more are opened on a machine that holds them up.
  assert.ok(server.opened <= 100, `${server.opened} connections for 2,000 messages`);
});

test("never more posts are under way than the concurrency allows", async () => {
  const { send } = await connectTo(300, { concurrency: 3 });
  assert.equal((await send()).sent, 300);
  assert.ok(server.mostAtOnce <= 3);
});

test("several broadcasts at once all arrive, and none waits for the longest", async () => {
  const { broadcaster } = await connectTo(500);
  await broadcaster.registerConnection("single-0=", { channels: ["logs"] });
  const ended = [];
  const long = broadcaster.broadcast("admin", "e", 1).then(() => ended.push("long"));
  const short = broadcaster.sendToConnection("single-0=", "logs", "e", 1).then(() => ended.push("short"));
  await Promise.all([long, short]);
  assert.deepEqual(ended, ["short", "long"]);
});

test("a broadcast to nobody needs no credentials and no connection", async () => {
  delete process.env.AWS_ACCESS_KEY_ID;
  const result = await connect().broadcast("admin", "e", 1);
  assert.deepEqual(result, { sent: 0, failed: 0, stale: 0 });
  assert.equal(server.opened, 0);
});

test("what is gone leaves the registry, what failed stays, and the result says why", async () => {
  server.script = (id) => ({ "id-000000=": 410, "id-000001=": 413 })[id] ?? 200;
  const { send } = await connectTo(4);
  const first = await send();
  assert.deepEqual(first, { sent: 2, failed: 1, stale: 1 });
  assert.deepEqual(first.failures, [{ connectionId: "id-000001=", reason: "HTTP 413", status: 413 }]);
  assert.deepEqual(JSON.stringify(first), '{"sent":2,"failed":1,"stale":1}');
  assert.deepEqual(await send(), { sent: 2, failed: 1, stale: 0 });
});

const HARMLESS = ["until close", "close announced", "close unannounced", "slowly", "chunked", "interim", 204];
for (const deed of HARMLESS) {
  test(`an answer in another form is an answer: ${deed}`, async () => {
    server.script = () => deed;
    const { send } = await connectTo(20);
    assert.deepEqual(await send(), { sent: 20, failed: 0, stale: 0 });
    // One more where a connection closed while the next message was on its way.
    assert.ok(deed === "close unannounced" || server.requests.length === 20);
  });
}

const FAULTS = ["close", "reset", "close in head", "close in body", "close in chunk", "garbage", "huge", 500, 503, 408];
for (const deed of FAULTS) {
  test(`a fault that passes loses no message: ${deed}`, async () => {
    server.script = (_, attempt) => (attempt === 1 ? deed : 200);
    const { send } = await connectTo(20);
    assert.deepEqual(await send(), { sent: 20, failed: 0, stale: 0 });
  });
  test(`a fault that does not pass fails its connection alone: ${deed}`, async () => {
    server.script = (id) => (id === "id-000003=" ? deed : 200);
    const { send } = await connectTo(20);
    const result = await send();
    assert.deepEqual(result, { sent: 19, failed: 1, stale: 0 });
    assert.equal(result.failures[0].connectionId, "id-000003=");
    assert.match(result.failures[0].reason, /attempts\)$/);
  });
}

test("kept connections that the far side has closed cost nothing", async () => {
  const { send } = await connectTo(50);
  await send();
  server.closeConnections();
  assert.deepEqual(await send(), { sent: 50, failed: 0, stale: 0 });
});

test("one that hangs delays nobody, is tried once more and then failed", async () => {
  server.script = (id) => (id === "id-000000=" ? "hang" : 200);
  const { send } = await connectTo(200, { timeout: 0.3 });
  const sending = send();
  const result = await sending;
  assert.deepEqual(result, { sent: 199, failed: 1, stale: 0 });
  assert.equal(result.failures[0].reason, "no answer within 0.3 s (2 attempts)");
  assert.equal(
    server.requests.findLastIndex(({ id }) => id !== "id-000000="),
    199,
  );
});

test("what is not answered by the deadline has failed", async () => {
  server.script = () => "hang";
  const { send } = await connectTo(20, { deadline: 0.4 });
  const result = await send();
  assert.deepEqual(result, { sent: 0, failed: 20, stale: 0 });
  assert.equal(result.failures[0].reason, "not answered by the broadcast's deadline");
});

test("what a throttled account left waiting at the deadline says so", async () => {
  server.script = () => 429;
  const { send } = await connectTo(20, { deadline: 1, rate: 100 });
  const result = await send();
  assert.equal(result.failed, 20);
  const late = "not answered by the broadcast's deadline; the account's requests are throttled (HTTP 429)";
  assert.ok(result.failures.some(({ reason }) => reason === late));
});

test("posts that were all given up by the deadline have failed, and the address is not blamed", async () => {
  server.script = () => "hang";
  server.greet = (number) => (number <= 8 ? "ok" : "stall");
  const { send } = await connectTo(20, { deadline: 0.7, timeout: 0.3, attempts: 9 });
  const result = await send();
  assert.deepEqual(result, { sent: 0, failed: 20, stale: 0 });
});

test("connections that stall or close when they are opened are given up for others", async () => {
  server.greet = (number) => ["stall", "close", "ok"][number % 3];
  const { send } = await connectTo(100, { timeout: 0.5, attempts: 9 });
  assert.deepEqual(await send(), { sent: 100, failed: 0, stale: 0 });
});

test("where nothing listens the error says so", async () => {
  await server.close();
  const { send } = await connectTo(3);
  await assert.rejects(send, (error) => {
    assert.ok(error instanceof RefusedError);
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/production cannot be reached: connect ECONNREFUSED/);
    return true;
  });
});

test("where nobody shakes hands until the deadline the error says so", async () => {
  // 192.0.2.0/24 is for documentation: packets to it go nowhere, or are refused at once.
  const broadcaster = connect({ endpointUrl: "http://192.0.2.1:9/production", deadline: 0.3 });
  await broadcaster.registerConnection("id-000000=");
  await assert.rejects(broadcaster.broadcast("admin", "e", 1), /cannot be reached/);
});

test("a refusal ends the broadcast and says what to check", async () => {
  server.script = () => ({
    status: 403,
    headers: { "x-amzn-ErrorType": "ForbiddenException" },
    body: '{"message":"Forbidden"}',
  });
  const { send } = await connectTo(1000);
  await assert.rejects(
    send,
    /answered HTTP 403 \(ForbiddenException: Forbidden\); check that the role or user may call/,
  );
  assert.ok(server.requests.length <= 32);
});

test("a clock that is off is corrected by the server's", async () => {
  const ahead = 3600_000;
  const dateOf = ({ headers }) => headers["X-Amz-Date"].slice(0, 13);
  const expected = new Date(Date.now() + ahead).toISOString().replace(/[-:]/g, "").slice(0, 13);
  server.script = (id, attempt, request) => {
    if (dateOf(request) >= expected) return 200;
    return {
      status: 403,
      headers: { "x-amzn-ErrorType": "InvalidSignatureException", Date: new Date(Date.now() + ahead).toUTCString() },
      body: '{"message":"Signature expired: 1 is now earlier than 2"}',
    };
  };
  const { send } = await connectTo(1);
  assert.deepEqual(await send(), { sent: 1, failed: 0, stale: 0 });
  assert.equal(server.requests.length, 2);
});

test("credentials that were renewed meanwhile are used", async () => {
  server.script = (id, attempt, { headers }) => {
    const isNew = headers.Authorization.includes("AKIANEW");
    process.env.AWS_ACCESS_KEY_ID = "AKIANEW";
    if (isNew) return 200;
    return { status: 403, body: '{"message":"The security token included in the request is expired"}' };
  };
  const { send } = await connectTo(40);
  assert.deepEqual(await send(), { sent: 40, failed: 0, stale: 0 });
});

test("without credentials nothing is sent", async () => {
  delete process.env.AWS_SECRET_ACCESS_KEY;
  const { send } = await connectTo(1);
  await assert.rejects(
    send,
    (error) => error instanceof ConfigurationError && /set both or neither/.test(error.message),
  );
  process.env.AWS_SECRET_ACCESS_KEY = "sec\nret";
  await assert.rejects(send, (error) => /has a line break/.test(error.message) && !/sec\nret/.test(error.message));
  assert.equal(server.requests.length, 0);
});

test("one connection is asked about, and closed", async () => {
  const about = { connectedAt: "2026-11-22T10:00:00Z", lastActiveAt: "2026-11-22T10:01:00Z" };
  const identity = { sourceIp: "192.0.2.7", userAgent: "Browser" };
  const broadcaster = connect();
  server.script = () => ({ status: 200, body: JSON.stringify({ ...about, identity }) });
  assert.deepEqual(await broadcaster.getConnection("L0SM9cOFvHcCIhw="), {
    connectedAt: new Date("2026-11-22T10:00:00Z"),
    lastActiveAt: new Date("2026-11-22T10:01:00Z"),
    ...identity,
  });
  server.script = () => 204;
  assert.equal(await broadcaster.disconnectConnection("L0SM9cOFvHcCIhw="), true);
  server.script = () => 410;
  assert.equal(await broadcaster.getConnection("L0SM9cOFvHcCIhw="), null);
  assert.equal(await broadcaster.disconnectConnection("L0SM9cOFvHcCIhw="), false);
  assert.deepEqual(
    server.requests.map(({ method }) => method),
    ["GET", "DELETE", "GET", "DELETE"],
  );
});

test("an answer that does not tell about one connection is an error", async () => {
  const broadcaster = connect();
  server.script = () => 500;
  await assert.rejects(broadcaster.getConnection("L0SM9cOFvHcCIhw="), UnavailableError);
  server.script = () => ({ status: 200, body: "{}" });
  await assert.rejects(broadcaster.getConnection("L0SM9cOFvHcCIhw="), /is no description of a connection/);
  server.script = () => 400;
  await assert.rejects(broadcaster.disconnectConnection("L0SM9cOFvHcCIhw="), InvalidArgumentError);
});

test("every target ends in exactly one of the three, whatever happens", async () => {
  const deeds = [200, 200, 200, 410, 413, 429, 500, ...FAULTS, ...HARMLESS];
  for (let round = 0; round < 10; round += 1) {
    const sent = new Set();
    const gone = new Set();
    server.script = (id) => {
      const deed = deeds[Math.floor(Math.random() * deeds.length)];
      if (HARMLESS.includes(deed) || deed === 200) sent.add(id);
      if (deed === 410) gone.add(id);
      return deed;
    };
    const { ids, send } = await connectTo(60, { attempts: 2 });
    const result = await send();
    const failed = result.failures.map(({ connectionId }) => connectionId);
    assert.equal(new Set(failed).size, result.failed);
    assert.equal(result.sent + result.failed + result.stale, 60);
    assert.deepEqual(new Set([...sent, ...gone, ...failed]), new Set(ids));
    assert.ok(result.sent <= sent.size && result.stale <= gone.size);
  }
});

test("a broadcast that is under way ends well when the broadcaster is closed", async () => {
  const { broadcaster, send } = await connectTo(200);
  const sending = send();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await broadcaster.close();
  assert.deepEqual(await sending, { sent: 200, failed: 0, stale: 0 });
  await assert.rejects(send, /this broadcaster was closed/);
});

test("what a registry of one's own throws or lists is a RegistryError, with the result where a part was sent", async () => {
  const ID = "id-000000=";
  const none = "the list of connections broke off: ";
  const sent = { sent: 1, failed: 0, stale: 0 };
  const cases = [
    [() => undefined, /^the list of connections broke off: TypeError: /, null],
    [() => assert.fail("away"), `${none}AssertionError: away`, null],
    [async () => [[ID]], /^the list of connections broke off: TypeError: /, null],
    [() => [[ID, 7]], "the registry lists 7, which is no text; connection ids are strings", null],
    [() => [[ID], [null]], "the registry lists null, which is no text; connection ids are strings", sent],
    [
      async function* () {
        yield [ID];
        throw new Error("away");
      },
      `${none}Error: away`,
      sent,
    ],
  ];
  for (const [pages, message, result] of cases) {
    const registry = Object.assign(new MemoryRegistry(), { pages });
    await assert.rejects(connect({ registry }).broadcast("admin", "e", 1), { name: "RegistryError", message, result });
  }
  assert.equal(server.requests.length, 2);
});
