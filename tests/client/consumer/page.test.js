const { Gateway } = require("apigw-broadcaster-client");
const { GatewayContext, useChannel } = require("apigw-broadcaster-client/react");

test("a page under jsdom has the client, and React's hook uses the same", async () => {
  const gateway = new Gateway("ws://127.0.0.1:1/production");
  expect(Gateway.latest).toBe(gateway);
  expect(gateway.connection.state).toBe("connecting"); // with jsdom's own WebSocket
  const failed = new Promise((resolve) => gateway.connection.bind("error", resolve));
  expect((await failed).type).toBe("WebSocketError");
  gateway.disconnect();
  expect([typeof useChannel, typeof GatewayContext.Provider]).toEqual(["function", "object"]);
});
