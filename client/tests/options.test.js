import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.js";

const HINTS = {
  authEndpoint: "auth",
  channelAuthorization: "auth",
  userAuthentication: "auth",
  Register: "register",
  registr: "register",
  registerinterval: "registerInterval",
  clusters: "cluster",
  pongTimeOut: "pongTimeout",
};

for (const [option, meant] of Object.entries(HINTS)) {
  test(`the option ${option} is refused, and ${meant} is asked for`, () => {
    const world = new World();
    assert.throws(
      () => world.connect({ [option]: "/x" }),
      new RegExp(`no option '${option}'; give (\\w+ or )?${meant}\\b`),
    );
    assert.equal(world.sockets.length, 0);
  });
}

test("an option that is like none is refused with all that there are", () => {
  const options =
    "cluster stage name register registerInterval auth credentials history activityTimeout pongTimeout".split(" ");
  assert.throws(
    () => new World().connect({ forceTLS: true }),
    new RegExp(`no option 'forceTLS'; give ${options.join(" or ")}$`),
  );
});

for (const options of ["eu-central-1", null, 5, () => {}]) {
  test(`${options} in place of options is refused`, async () => {
    const { Gateway } = await import("../src/gateway.js");
    const made = () => new Gateway("wss://options.example.com/production", options);
    assert.throws(made, (error) => error.message === `the options are '${options}'; give an object`);
  });
}

test("what is neither a URL nor a function is refused, and not shown", () => {
  for (const options of [{ register: 5 }, { auth: { headers: { Authorization: "secret" } } }, { auth: true }]) {
    const [name] = Object.keys(options);
    const isRight = ({ message }) =>
      message.startsWith(`'${name}' is of type ${typeof options[name]}; give a URL or a function`) && !message.includes("secret");
    assert.throws(() => new World().connect(options), isRight);
  }
});

test("options that are not set are none", () => {
  new World().connect({ register: undefined, auth: undefined, cluster: undefined });
});

test("what is bound must be a function", () => {
  const gateway = new World().connect();
  for (const target of [gateway, gateway.connection, gateway.subscribe("admin")]) {
    for (const callback of [1, undefined, null, "callback"]) {
      assert.throws(() => target.bind("x", callback), /bind takes a function, not/);
      assert.throws(() => target.bind_global(callback), /bind takes a function, not/);
    }
  }
});
