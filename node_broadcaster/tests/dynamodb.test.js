// The requests to DynamoDB, to a server that does what DynamoDB does on a bad day.
"use strict";

const assert = require("node:assert/strict");
const { afterEach, beforeEach, test } = require("node:test");
const { RegistryError } = require("..");
const { DynamoDBRegistry } = require("../src/registries/dynamodb.js");
const { HostileServer } = require("./hostile_server.js");

const ID = "L0SM9cOFvHcCIhw=";
let server;

beforeEach(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" });
  server = await new HostileServer().listen();
});

afterEach(() => server.close());

function connect() {
  return new DynamoDBRegistry("table", { region: "us-east-1", endpointUrl: server.url, scope: "abc123xyz/production" });
}

function answer(status, content) {
  return { status, body: JSON.stringify(content) };
}

test("a request is signed and names its operation", async () => {
  server.script = () => answer(200, { Items: [] });
  const registry = connect();
  for await (const page of registry.pages("admin")) assert.fail(page);
  const targets = server.requests.map(({ headers }) => headers["X-Amz-Target"]);
  assert.deepEqual(targets, Array(4).fill("DynamoDB_20120810.Query")); // two lists, and the two of before
  assert.match(
    server.requests[0].headers.Authorization,
    /us-east-1\/dynamodb\/aws4_request, SignedHeaders=content-type;host;/,
  );
  for await (const page of registry.pages("admin")) assert.fail(page);
  assert.equal(server.requests.length, 6); // those of before were empty
  await registry.close();
});

test("what passes is repeated, and what was not written is written again", async () => {
  const kinds = [
    500,
    "reset",
    answer(400, { __type: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException" }),
  ];
  let left;
  server.script = (id, attempt, { headers, body }) => {
    if (attempt <= kinds.length) return kinds[attempt - 1];
    if (headers["X-Amz-Target"].endsWith("Query")) return answer(200, { Items: [] });
    const { table } = JSON.parse(body).RequestItems;
    const isFirst = !left;
    left = table.slice(1);
    return answer(200, isFirst ? { UnprocessedItems: { table: left } } : {});
  };
  const registry = connect();
  await registry.add(ID, ["admin"]);
  const writes = server.requests.filter(({ headers }) => headers["X-Amz-Target"].endsWith("BatchWriteItem"));
  assert.deepEqual(
    writes.map(({ body }) => JSON.parse(body).RequestItems.table.length),
    [2, 1],
  );
  await registry.close();
});

test("a refusal is told at once, with what to look at", async () => {
  const registry = connect();
  const refusals = [
    ["AccessDeniedException", /could not register connection '.*': AccessDeniedException: no\. It takes credentials/],
    ["ResourceNotFoundException", /Is the table's name right, and the region\?/],
  ];
  for (const [code, text] of refusals) {
    server.requests.length = 0;
    server.script = () => answer(400, { __type: code, message: "no" });
    await assert.rejects(registry.add(ID), (error) => error instanceof RegistryError && text.test(error.message));
    assert.equal(server.requests.length, 1);
  }
  await registry.close();
});

test("a table that cannot be reached is tried for a few seconds", async () => {
  await server.close();
  await assert.rejects(connect().add(ID), /in 5 seconds of trying: connect ECONNREFUSED/);
});
