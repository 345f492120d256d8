// What a backend answers that is no answer: each in its own words, with the URL, and with the status that there was.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MINUTE, World } from "./world.js";

const login = { to: "https://example.com/login?next=secret", kind: "text/html" };

// [what it is, the backend's answer, what is said of the URL, the status, whether it is final]
const WRONG = [
  ["a status", () => [503], "answered 503", 503, false],
  ["a refusal", () => [403, { detail: "no" }], "answered 403", 403, true],
  [
    "a redirect to a login",
    () => [200, "<html>", login],
    "redirects to https://example.com/login",
    undefined,
    true,
  ],
  [
    "a page instead of JSON",
    () => [200, "<html>", { kind: "text/html; charset=utf-8" }],
    "answered HTML, not JSON",
    undefined,
    false,
  ],
  [
    "no answer that may be read",
    () => Promise.reject(new TypeError("Failed to fetch")),
    "cannot be read: Failed to fetch, no network or CORS",
    undefined,
    false,
  ],
  ["no answer at all", () => new Promise(() => {}), "answered nothing in 10 s", undefined, false],
];

for (const [what, answer, words, status, isFinal] of WRONG) {
  test(`${what}, to a registration`, async () => {
    const world = new World();
    world.backend = answer;
    world.connect({ register: "/websocket/register?token=secret" });
    await world.run(MINUTE);
    const { type, error } = world.errors[0];
    const end = isFinal ? "; not asked again" : "";
    assert.equal(type, "RegistrationError");
    assert.equal(error.data.message, `/websocket/register ${words}${end}`);
    assert.equal(error.data.code, status);
    assert.equal(world.requests.length === 1, isFinal);
  });

  test(`${what}, to a request for a signature`, async () => {
    const world = new World();
    const refusals = [];
    world.backend = answer;
    const gateway = world.connect({ auth: "https://example.com/auth?token=secret" });
    gateway.subscribe("admin").bind("pusher:subscription_error", (error) => refusals.push(error));
    await world.run(MINUTE);
    const message = `https://example.com/auth ${words}`;
    if (isFinal) {
      assert.deepEqual(refusals, [{ status, message }]);
      assert.equal(world.requests.length, 1);
    } else {
      assert.equal(world.errors[0].type, "SubscriptionError");
      assert.equal(world.errors[0].error.data.message, message);
      assert.equal(world.errors[0].error.data.code, status);
      assert.deepEqual(refusals, []);
      assert.ok(world.requests.length > 1);
    }
  });
}

for (const text of ["signature", "{}", "null", '{"auth": 5}', ""]) {
  test(`a signature in the form '${text}' is none`, async () => {
    const world = new World();
    world.backend = () => [200, text];
    world.connect({ auth: "/websocket/auth" }).subscribe("admin");
    await world.run();
    assert.equal(world.errors[0].error.data.message, "/websocket/auth answered without 'auth'");
  });
}

test("a registration needs no answer but a yes", async () => {
  for (const answer of [[204], [200, ""], [201, "created", { kind: "text/plain" }], [200, {}]]) {
    const world = new World();
    world.backend = () => answer;
    const channel = world.connect({ register: "/websocket/register" }).subscribe("admin");
    await world.run();
    assert.equal(channel.subscribed, true);
  }
});

test("a function's error is told in its own words, whatever it throws", async () => {
  for (const [reason, message] of [
    [new Error("token expired"), "token expired"],
    ["token expired", "token expired"],
    [undefined, "undefined"],
  ]) {
    const world = new World();
    world.connect({ register: () => Promise.reject(reason) }).subscribe("admin");
    await world.run();
    assert.equal(world.errors[0].error.data.message, message);
  }
});

test("a function that throws the same error each time is asked again with growing pauses", async () => {
  const world = new World();
  const error = Object.freeze(new Error("not yet"));
  let calls = 0;
  world.connect({ register: () => ++calls && Promise.reject(error) }).subscribe("admin");
  await world.run(5 * MINUTE);
  assert.ok(calls > 10 && calls < 40, `${calls} calls`);
  assert.equal(world.errors.length, calls);
});

test("credentials are sent unless the page says otherwise", async () => {
  for (const credentials of [undefined, "omit", "same-origin"]) {
    const world = new World();
    world.connect({ register: "/websocket/register", ...(credentials && { credentials }) });
    await world.run();
    assert.equal(world.requests[0].credentials, credentials ?? "include");
  }
});
