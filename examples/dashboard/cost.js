import { wire } from "./wire.js";

const DOLLARS = 1e-6; // a message; us-east-1, September 2026: https://aws.amazon.com/api-gateway/pricing/
const MONTH = 30 * 24 * 3600 * 1000; // milliseconds
const WINDOW = 60_000; // milliseconds that "this rate" is taken from
const SOONEST = 5_000; // milliseconds before there is a rate

/** What this page's events cost in messages, and what a month would at the rate of the last minute. */
export class Cost {
  #samples = []; // { at, events, messages }, one a second or fewer, oldest first

  /** Returns dollars a month for one viewer, and what they would be with a message for each event; or nothing yet. */
  at(now, events) {
    const last = this.#samples.at(-1);
    if (!last || now - last.at >= 1000) this.#samples.push({ at: now, events, messages: wire.messages });
    while (this.#samples.length > 2 && now - this.#samples[1].at >= WINDOW) this.#samples.shift();
    const [first] = this.#samples;
    const time = now - first.at;
    if (time < SOONEST) return undefined;
    const dollars = (count) => (count / time) * MONTH * DOLLARS;
    return { dollars: dollars(wire.messages - first.messages), each: dollars(events - first.events) };
  }
}

export function inDollars(value) {
  if (value > 0 && value < 0.01) return "< $0.01";
  const digits = value < 100 ? 2 : 0;
  return `$${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}
