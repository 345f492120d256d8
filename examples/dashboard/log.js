/** The log's lines and which of them are shown. Bounded: a page may stay open for days, and a line may be long. */
import { asText } from "./values.js";

const KEPT = 20_000; // lines
const KEPT_CHARACTERS = 20_000_000;
const SLACK = 2_000; // lines dropped at once, because dropping one by one costs as much each time
const LONGEST = 8_000; // characters of a line

export const LEVELS = ["debug", "info", "warning", "error"];

/** Makes a line from an event's data, whatever that is. */
export function lineOf(data, at, latency) {
  const { text, thread_id, level } = data ?? {};
  const kind = LEVELS.includes(level) ? level : "other"; // an unknown level is better seen than lost
  return {
    text: asText(text ?? data, LONGEST),
    thread: asText(thread_id, 64),
    level: asText(level, 12),
    kind,
    at,
    latency,
  };
}

/** A line of the page's own among the others, which no filter hides. */
export const remark = (text) => ({ text, thread: "", level: "", kind: "remark", at: Date.now() });

export class Log {
  shown = []; // lines that pass the filter, oldest first
  removed = 0; // of those shown, since the view last looked
  counts = new Map(LEVELS.map((level) => [level, 0])); // of the lines that are kept
  total = 0; // lines that have come
  #lines = [];
  #characters = 0;
  #number = 0;
  #levels = new Set(LEVELS);
  #thread = "";
  #text = "";

  add(line) {
    line.number = this.#number++;
    this.#lines.push(line);
    this.#count(line, 1);
    if (line.kind !== "remark") this.total++;
    if (this.#isShown(line)) this.shown.push(line);
    if (this.#lines.length > KEPT + SLACK) this.#drop();
    while (this.#characters > KEPT_CHARACTERS) this.#drop();
  }

  #count(line, change) {
    this.#characters += change * line.text.length;
    if (this.counts.has(line.kind)) this.counts.set(line.kind, this.counts.get(line.kind) + change);
  }

  #drop() {
    for (const line of this.#lines.splice(0, SLACK)) this.#count(line, -1);
    const first = this.#lines[0]?.number ?? Infinity;
    const kept = this.shown.findIndex((line) => line.number >= first);
    this.removed += this.shown.splice(0, kept < 0 ? this.shown.length : kept).length;
  }

  get filter() {
    return { levels: this.#levels, thread: this.#thread, text: this.#text };
  }

  set filter({ levels = this.#levels, thread = this.#thread, text = this.#text }) {
    this.#levels = levels;
    this.#thread = thread;
    this.#text = text.toLowerCase();
    this.shown = this.#lines.filter((line) => this.#isShown(line));
    this.removed = 0;
  }

  #isShown({ kind, thread, text }) {
    if (kind === "remark") return true;
    return (
      (this.#levels.has(kind) || kind === "other") &&
      (!this.#thread || this.#thread === thread) &&
      (!this.#text || text.toLowerCase().includes(this.#text))
    );
  }

  clear() {
    for (const line of this.#lines) this.#count(line, -1);
    this.#lines = [];
    this.shown = [];
    this.removed = 0;
  }
}
