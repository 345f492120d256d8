import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../src/address.js";
import { World } from "./world.js";

const HOST = "execute-api.eu-central-1.amazonaws.com";

test("a wss:// URL is used as it is, and ws:// for a local gateway", () => {
  const urls = ["wss://live.example.com", `wss://a1b2c3d4e5.${HOST}/production`, "ws://127.0.0.1:3001/production"];
  for (const url of urls) {
    assert.equal(address(url, "ignored"), url);
  }
});

test("a bare API id is completed with the region and the stage", () => {
  for (const [region, stage, expected] of [
    ["eu-central-1", undefined, `wss://a1b2c3d4e5.${HOST}/production`],
    ["us-gov-west-1", "dev", "wss://a1b2c3d4e5.execute-api.us-gov-west-1.amazonaws.com/dev"],
    ["cn-north-1", undefined, "wss://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/production"],
  ]) {
    assert.equal(address("a1b2c3d4e5", region, stage), expected);
  }
});

test("white space around a key, as a line break at the end of a file, is not part of it", () => {
  for (const key of ["wss://live.example.com\n", " wss://live.example.com\r\n"]) {
    assert.equal(address(key), "wss://live.example.com");
  }
  assert.equal(address("a1b2c3d4e5\n", "eu-central-1"), `wss://a1b2c3d4e5.${HOST}/production`);
});

const REFUSED = [
  ["0123456789abcdef0123", "eu", /key begins with '012345678'; give a wss:\/\/ URL/],
  ["https://example.com/production", undefined, /key begins with 'https:\/\/e'/],
  ["wss://", undefined, /key begins with 'wss:/],
  ["wss://host/production#part", undefined, /key begins with 'wss:/],
  ["", undefined, /key begins with ''/],
  ["\n", undefined, /key begins with ''/],
  ["wss://one.example.com wss://two.example.com", undefined, /key begins with 'wss:/],
  ["wss:///production", undefined, /key begins with 'wss:/], // of a variable that is empty
  [new URL("wss://example.com/production"), undefined, /key begins with 'wss:/],
  [undefined, "eu-central-1", /key begins with 'undefined'/],
  [null, "eu-central-1", /key begins with 'null'/],
  ["a1b2c3d4e5", undefined, /cluster is 'undefined'; give a wss:\/\/ URL, or an AWS region/],
  ["a1b2c3d4e5", "xx-east-1", /cluster is 'xx-east-1'; give a wss:\/\/ URL/],
  ["a1b2c3d4e5", "mt1", /cluster is 'mt1'; give a wss:\/\/ URL, or an AWS region/],
  [`wss://a1b2c3d4e5.${HOST}`, undefined, /names no stage; give '\/production'/],
  [`wss://a1b2c3d4e5.${HOST}/`, undefined, /names no stage/],
];

for (const [key, cluster, message] of REFUSED) {
  test(`the key ${JSON.stringify(key)} with cluster ${cluster} is refused and nothing is connected`, () => {
    const world = new World();
    world.url = key;
    assert.throws(() => world.connect({ cluster }), message);
    assert.equal(world.sockets.length, 0);
  });
}

test("a refused key is not shown whole", () => {
  assert.throws(
    () => address("postgres://user:password@host/db"),
    (error) => !error.message.includes("password"),
  );
});
