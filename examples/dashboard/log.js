/** The log's lines and which of them are shown. Bounded: a page may stay open for days. */
const KEPT = 20_000;
const SLACK = 2_000; // dropped at once, because dropping one by one costs as much each time

export const LEVELS = ["debug", "info", "warning", "error"];

export class Log {
  shown = []; // lines that pass the filter, oldest first
  removed = 0; // of those shown, since the view last looked
  counts = Object.fromEntries(LEVELS.map((level) => [level, 0]));
  total = 0;
  #lines = [];
  #levels = new Set(LEVELS);
  #thread = "";
  #text = "";

  /** A line is { text, thread, level, at, latency }; a level of "gap" is a remark of the page's own, and always shown. */
  add(line) {
    line.number = this.#lines.length ? this.#lines.at(-1).number + 1 : 0;
    this.#lines.push(line);
    if (line.level in this.counts) {
      this.counts[line.level]++;
      this.total++;
    }
    if (this.#isShown(line)) this.shown.push(line);
    if (this.#lines.length > KEPT + SLACK) this.#drop();
  }

  #drop() {
    this.#lines.splice(0, SLACK);
    const first = this.#lines[0].number;
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

  #isShown({ level, thread, text }) {
    if (level === "gap") return true;
    return (
      // An unknown level is better seen than lost.
      (this.#levels.has(level) || !(level in this.counts)) &&
      (!this.#thread || this.#thread === thread) &&
      (!this.#text || text.toLowerCase().includes(this.#text))
    );
  }

  clear() {
    this.#lines = [];
    this.shown = [];
    this.removed = 0;
  }
}
