import { wire } from "./wire.js";

const LOOK_EVERY = 1000; // milliseconds
const QUIET = 20_000; // of silence before the gateway is asked for a sign of life
const PATIENCE = 5000; // for its answer

/**
 * Knows whether the gateway is alive behind a socket that is open: one that hangs closes nothing. While nothing else is
 * heard and the page is visible, it is pinged: two billed messages each, at most 7 cents in a month of working days.
 */
export class GatewayWatch {
  silentSince = 0; // when the gateway was heard last, in milliseconds since 1970, if its answer is overdue; else 0
  #pingedAt = Infinity;
  #connection;
  #onChange;
  #timer = setInterval(() => this.#look(), LOOK_EVERY);

  constructor(connection, onChange) {
    this.#connection = connection;
    this.#onChange = onChange;
  }

  close() {
    clearInterval(this.#timer);
  }

  #look() {
    const now = performance.now();
    const isHeard = wire.heardAt >= this.#pingedAt;
    if (isHeard || this.#connection.state !== "connected") this.#pingedAt = Infinity;
    const isAsked = this.#pingedAt < Infinity;
    if (!isAsked && !document.hidden && this.#connection.state === "connected" && now - wire.heardAt >= QUIET) {
      if (this.#connection.send({ action: "ping" })) this.#pingedAt = now;
    }
    const isSilent = isAsked && now - this.#pingedAt >= PATIENCE;
    if (isSilent === this.silentSince > 0) return;
    this.silentSince = isSilent ? performance.timeOrigin + wire.heardAt : 0;
    this.#onChange();
  }
}
