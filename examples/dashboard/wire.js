/**
 * Looks at what comes through the page's WebSockets: when the gateway was heard last, and what is billed for it.
 *
 * Is to be imported before the client, which opens the page's WebSockets as it finds the class.
 */
const UNIT = 32 * 1024; // bytes: of a longer message, API Gateway bills each begun 32 KB as one

export const wire = { heardAt: 0, messages: 0 };

const encoder = new TextEncoder();

function bytesOf(text) {
  return text.length * 3 <= UNIT ? text.length : encoder.encode(text).length; // few need to be counted
}

globalThis.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.addEventListener("message", ({ data }) => {
      wire.heardAt = performance.now();
      // What the backend sends names its channel first; answers of the Lambda are not counted.
      if (data.startsWith('{"channel"')) wire.messages += Math.ceil(bytesOf(data) / UNIT);
    });
  }
};
