import { beforeNextFrame } from "./frame.js";
import { inMilliseconds } from "./latency.js";

const isNarrow = matchMedia("(max-width: 52rem)"); // as in the style sheets
const PAUSE = 100; // milliseconds between two pictures of a log that streams; nobody reads faster
const BEYOND = 6; // rows kept above and below what is seen
const NAMES = { debug: "debug", info: "info", warning: "warn", error: "error" };

/**
 * Shows a Log of any length with as many elements as fit the window: rows have one height, and a row that leaves at one
 * end is filled anew for the other. Follows the newest line for as long as that is in sight.
 */
export class LogView {
  isFollowing = true;
  active = null; // the line that the keyboard or a click has chosen
  #log;
  #list;
  #spacer;
  #rows = [];
  #height = 0; // pixels of the window
  #top = 0; // pixels above it
  #onChange;
  #drawNow;

  constructor(log, list, onChange) {
    this.#log = log;
    this.#list = list;
    this.#spacer = list.querySelector(".spacer");
    this.#onChange = onChange;
    this.#drawNow = beforeNextFrame(() => this.#render());
    this.update = beforeNextFrame(() => this.#render(), PAUSE);
    list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", ({ target }) => this.choose(target.closest(".line")?.line ?? null));
    new ResizeObserver(() => {
      this.#height = list.clientHeight;
      this.#rows.forEach((row) => row.remove());
      this.#rows = [];
      this.#drawNow();
    }).observe(list);
  }

  get #row() {
    return isNarrow.matches ? 46 : 24; // pixels, as in log.css
  }

  get #end() {
    return Math.max(0, this.#log.shown.length * this.#row - this.#height);
  }

  follow() {
    this.isFollowing = true;
    this.#drawNow();
  }

  choose(line) {
    this.active = line;
    this.#drawNow();
  }

  #scrolled() {
    if (Math.abs(this.#list.scrollTop - this.#top) < 1) return; // it was us
    this.#top = this.#list.scrollTop;
    // Measured by what was last drawn: lines that came since are not the reader's doing.
    const end = parseFloat(this.#spacer.style.height || 0) - this.#height;
    this.isFollowing = this.#top >= end - this.#row;
    this.#drawNow();
  }

  #render() {
    const { shown } = this.#log;
    const size = this.#row;
    const former = this.#top;
    if (this.isFollowing) this.#top = this.#end;
    else this.#top = Math.max(0, former - this.#log.removed * size);
    this.#log.removed = 0;

    const count = Math.ceil(this.#height / size) + 2 * BEYOND;
    while (this.#rows.length < count) this.#rows.push(this.#make());
    const first = Math.max(0, Math.floor(this.#top / size) - BEYOND);
    for (let index = first; index < first + count; index++) this.#place(this.#rows[index % count], index);
    const current = this.active && this.#rows.find((row) => row.line === this.active);
    if (current) this.#list.setAttribute("aria-activedescendant", current.id);
    else this.#list.removeAttribute("aria-activedescendant");
    this.#onChange();
    this.#spacer.style.height = `${shown.length * size}px`;
    // Last, because it has the page laid out at once, and what changed afterwards would be laid out again.
    if (this.#top !== former) this.#scroll(this.#top);
  }

  #scroll(top) {
    this.#list.scrollTop = this.#top = top;
  }

  #make() {
    const row = document.createElement("div");
    row.setAttribute("role", "option");
    row.id = `line-${this.#rows.length}`;
    row.parts = ["time", "level", "thread", "text", "latency"].map((name) => {
      const part = row.appendChild(document.createElement("span"));
      part.className = name;
      return part.appendChild(document.createTextNode(""));
    });
    this.#spacer.append(row);
    return row;
  }

  #place(row, index) {
    const line = this.#log.shown[index];
    row.hidden = !line;
    if (row.index !== index) row.style.transform = `translateY(${index * this.#row}px)`;
    row.index = index;
    const isActive = !!line && line === this.active;
    if (row.isActive !== isActive) row.setAttribute("aria-selected", `${(row.isActive = isActive)}`);
    if (!line || row.line === line) return;
    row.line = line;
    row.className = `line ${line.level}`;
    const texts = [timeOf(line.at), NAMES[line.level] ?? line.level, line.thread, line.text];
    [...texts, inMilliseconds(line.latency)].forEach((text, i) => (row.parts[i].data = text));
  }

  #key(event) {
    const { shown } = this.#log;
    const page = Math.max(1, Math.floor(this.#height / this.#row) - 1);
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    const last = shown.length - 1;
    const at = this.active ? shown.indexOf(this.active) : -1;
    const index = Math.min(last, Math.max(0, (at < 0 ? last + (step < 0 ? 1 : 0) : at) + step));
    this.isFollowing = index === last;
    const top = index * this.#row;
    if (top < this.#top) this.#scroll(top);
    else if (top + this.#row > this.#top + this.#height) this.#scroll(top + this.#row - this.#height);
    this.choose(shown[index]);
  }
}

export function timeOf(at) {
  if (!at) return "";
  const date = new Date(at);
  const two = (number) => `${number}`.padStart(2, "0");
  const milliseconds = `${date.getMilliseconds()}`.padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}
