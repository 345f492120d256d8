import { find, say } from "./elements.js";
import { GatewayWatch } from "./gateway_watch.js";
import { report } from "./problems.js";
import { timeOf } from "./time.js";

const STATES = {
  initialized: "Not connected",
  connecting: "Connecting",
  connected: "Live",
  unavailable: "Reconnecting",
  failed: "This browser cannot connect",
  disconnected: "Not connected",
};

/** Shows what the connection is doing, in words that stay the same while nothing changes: they are read aloud. */
export class ConnectionView {
  #connection;
  #isSubscribed;
  #onSignedOut;
  #watch;
  #timer = setInterval(() => this.#showSocket(), 1000); // it changes with a handover, which nobody else has to notice
  #connections = 0;
  #trouble = ""; // why the backend or the gateway does not do what is wanted, while the socket itself is open

  constructor(connection, { isSubscribed, onSignedOut }) {
    this.#connection = connection;
    this.#isSubscribed = isSubscribed;
    this.#onSignedOut = onSignedOut;
    this.#watch = new GatewayWatch(connection, () => this.show());
    connection.bind("state_change", this.#changed).bind("error", this.#failed);
    this.show();
  }

  close() {
    clearInterval(this.#timer);
    this.#watch.close();
    this.#connection.unbind("state_change", this.#changed).unbind("error", this.#failed);
    report("connection");
    report("gateway");
  }

  #changed = ({ current }) => {
    this.#connections += current === "connected";
    this.#trouble = "";
    this.show();
  };

  #failed = ({ type, error: { data } }) => {
    if (data.code === 401) return this.#onSignedOut();
    if (type === "WebSocketError") return undefined; // the state says it
    this.#trouble = data.isFinal ? data.message : `${data.message}. Trying again`;
    return this.show();
  };

  show() {
    const { state } = this.#connection;
    const isWaiting = state === "connected" && !this.#isSubscribed();
    if (!isWaiting) this.#trouble = "";
    const pill = find("connection");
    const since = this.#watch.silentSince;
    pill.dataset.state = since ? "silent" : isWaiting ? "connecting" : state;
    const text = isWaiting ? "Connected, not yet subscribed" : STATES[state];
    say(pill.querySelector(".text"), since ? "No answer" : text);
    report("connection", this.#trouble && `${this.#trouble}.`);
    report("gateway", since ? `Nothing has come from the gateway since ${timeOf(since)}, and it does not answer.` : "");
    this.#showSocket();
  }

  #showSocket() {
    const { socket_id } = this.#connection;
    say(find("socket"), socket_id ? `connection ${socket_id}` : "no connection");
    const count = Math.max(0, this.#connections - 1);
    say(find("reconnections"), count ? `${count} reconnection${count > 1 ? "s" : ""}` : "");
  }
}
