import { beforeNextFrame } from "./frame.js";
import { inMilliseconds } from "./latency.js";
import { timeOf } from "./time.js";

const isNarrow = matchMedia("(max-width: 40rem)"); // as in small.css
const PAUSE = 100; // milliseconds between two pictures of a log that streams; nobody reads faster
const BEYOND = 6; // rows kept above and below what is seen

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
  #height = 0; // pixels of the window; 0 while a phone shows the runs in its place
  #row = 0; // pixels of a row
  #top = 0; // pixels above the window
  #isAstray = false; // whether the element may have been scrolled by a change of its size
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
    list.addEventListener("click", ({ target }) => this.#clicked(target.closest(".line")?.line));
    new ResizeObserver(() => this.#resized()).observe(list);
  }

  /** Begins with new rows where the reader was: in a window of another width a row may have another height. */
  #resized() {
    this.#height = this.#list.clientHeight;
    if (!this.#height) return;
    const former = this.#row;
    this.#row = isNarrow.matches ? 46 : 24; // as in log.css and small.css
    if (former) this.#top *= this.#row / former;
    if (!this.isFollowing) this.#reveal(this.#log.shown.indexOf(this.active)); // whose detail may take the room
    this.#isAstray = true;
    this.#rows.forEach((row) => row.remove());
    this.#rows = [];
    this.#drawNow();
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

  /** A second click closes the line again. Who looks at one is not carried away from it. */
  #clicked(line = null) {
    const chosen = line === this.active ? null : line;
    if (chosen) this.isFollowing = false;
    this.choose(chosen);
  }

  #scrolled() {
    if (Math.abs(this.#list.scrollTop - this.#top) < 1) return; // it was us
    if (this.#isAstray || this.#list.clientHeight !== this.#height) return; // it was a change of size
    this.#top = this.#list.scrollTop;
    // Measured by what was last drawn: lines that came since are not the reader's doing.
    const end = parseFloat(this.#spacer.style.height || 0) - this.#height;
    this.isFollowing = this.#top >= end - this.#row;
    this.#drawNow();
  }

  #render() {
    if (!this.#height) return;
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
    if (this.#top !== former || this.#isAstray) this.#scroll(this.#top);
    this.#isAstray = false;
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
    row.className = `line ${line.kind}`;
    const texts = [timeOf(line.at), line.kind === "warning" ? "warn" : line.level, line.thread, line.text];
    [...texts, inMilliseconds(line.latency)].forEach((text, i) => (row.parts[i].data = text));
  }

  #key(event) {
    const { shown } = this.#log;
    const page = Math.max(1, Math.floor(this.#height / this.#row) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    const last = shown.length - 1;
    const at = this.active ? shown.indexOf(this.active) : -1;
    const index = Math.min(last, Math.max(0, (at < 0 ? last + (step < 0 ? 1 : 0) : at) + step));
    this.isFollowing = index === last;
    const former = this.#top;
    this.#reveal(index);
    if (this.#top !== former) this.#scroll(this.#top);
    this.choose(shown[index]);
  }

  /** Has the window begin where the line of this index, if it is one, is in sight. */
  #reveal(index) {
    const top = index * this.#row;
    if (index < 0) return;
    if (top < this.#top) this.#top = top;
    else if (top + this.#row > this.#top + this.#height) this.#top = top + this.#row - this.#height;
  }
}
