import { find, make, say } from "./elements.js";
import { beforeNextFrame } from "./frame.js";
import { inMilliseconds } from "./latency.js";
import { inOrder, isOver } from "./runs.js";
import { duration, timeOf } from "./time.js";

const PAUSE = 250; // milliseconds between two pictures, while nobody touches anything
const QUIET = 60_000; // milliseconds without an event or a line until it is said
const MOST_PARTS = 24; // of a track
const ENDINGS = {
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  rejected: "rejected",
  lost: "interrupted",
};

/** Shows Runs, newest first; one of them can be chosen, and then shows its steps and events. */
export class RunsView {
  chosen = null; // a run
  #runs;
  #now;
  #list = find("run-list");
  #items = new Map(); // run -> its parts
  #onChoose;
  #drawNow;
  #tabStop; // an item of the list
  #made = 0; // items

  /** @param now the time by the backend's clock, in milliseconds */
  constructor(runs, now, onChoose) {
    this.#runs = runs;
    this.#now = now;
    this.#onChoose = onChoose;
    this.#drawNow = beforeNextFrame(() => this.#render());
    this.update = beforeNextFrame(() => this.#render(), PAUSE);
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("focusin", ({ target }) => this.#makeTabStop(target.closest(".run")));
    // What is under way gets older without an event.
    setInterval(() => {
      for (const run of runs.all.values()) if (!isOver(run)) runs.changed.add(run);
      if (runs.changed.size) this.update();
    }, 500);
  }

  choose(run) {
    const former = this.chosen;
    this.chosen = run === former ? null : run;
    for (const changed of [former, this.chosen]) if (changed) this.#runs.changed.add(changed);
    this.#drawNow();
    this.#onChoose(this.chosen);
  }

  #render() {
    const { all, changed } = this.#runs;
    for (const [run, { item }] of this.#items) {
      if (all.get(run.thread) !== run) this.#forget(run, item);
    }
    for (const run of changed) if (all.get(run.thread) === run) this.#draw(run);
    changed.clear();
    find("no-runs").hidden = all.size > 0;
    if (!this.#tabStop?.isConnected) this.#makeTabStop(this.#list.firstElementChild);
  }

  #forget(run, item) {
    item.remove();
    this.#items.delete(run);
    if (run === this.chosen) this.chosen = null; // the log goes on to show it
  }

  /** One run is a tab stop; from there the arrow keys lead to the others, and Tab to the log. */
  #makeTabStop(item) {
    if (!item || item === this.#tabStop) return;
    this.#tabStop?.querySelector(".face").setAttribute("tabindex", "-1");
    item.querySelector(".face").setAttribute("tabindex", "0");
    this.#tabStop = item;
  }

  #draw(run) {
    if (!this.#items.has(run)) this.#items.set(run, this.#make(run));
    const { item, button, name, meta, time, track, more } = this.#items.get(run);
    const isChosen = run === this.chosen;
    const steps = inOrder(run.steps);
    const silence = isOver(run) ? 0 : this.#now() - run.heard;
    const isQuiet = silence >= QUIET;
    const until = run.ended ?? (isQuiet ? run.heard : this.#now());
    item.dataset.status = isQuiet ? "quiet" : run.status;
    button.title = run.status === "lost" ? "The backend, which was restarted, no longer knows this run." : "";
    button.setAttribute("aria-expanded", `${isChosen}`);
    say(name, run.name);
    say(time, duration(until - run.began));
    say(meta, describe(run, steps, isQuiet && silence));
    drawTrack(track, steps, run);
    more.hidden = !isChosen;
    if (isChosen) more.replaceChildren(stepList(steps, run, until), eventList(run));
  }

  #make(run) {
    const item = make("li.run");
    const id = `run-${this.#made++}`; // what a thread is called need not be fit for one
    const button = make("button.face", "", { type: "button", tabindex: "-1", "aria-controls": id });
    const parts = { item, button, name: make("span.name"), time: make("span.time"), meta: make("span.meta") };
    parts.track = make("span.track", "", { "aria-hidden": "true" });
    parts.more = make("div.more", "", { id });
    button.append(make("span.mark", "", { "aria-hidden": "true" }), parts.name, parts.time, parts.meta, parts.track);
    button.addEventListener("click", () => this.choose(run));
    item.append(button, parts.more);
    this.#list.prepend(item);
    return parts;
  }

  #key(event) {
    const item = event.target.closest(".run");
    const other = {
      ArrowUp: item?.previousElementSibling,
      ArrowDown: item?.nextElementSibling,
      Home: this.#list.firstElementChild,
      End: this.#list.lastElementChild,
    }[event.key];
    if (!other) return;
    event.preventDefault();
    other.querySelector(".face").focus();
  }
}

function describe(run, steps, silence) {
  const current = steps.findLast((step) => step.phase === "started");
  const step = silence ? `no news for ${Math.floor(silence / 60_000)} min` : (current?.label ?? "started");
  const state = isOver(run) ? ENDINGS[run.status] : step;
  const errors = run.errors ? `, ${run.errors} error${run.errors > 1 ? "s" : ""}` : "";
  return `${run.thread} · ${state}${run.lines ? ` · ${run.lines} lines${errors}` : ""}`;
}

function drawTrack(track, steps, run) {
  const total = Math.max(run.total ?? 0, steps.length, 1);
  const count = Math.min(total, MOST_PARTS); // of more steps, a part stands for several and shows the last of them
  while (track.children.length > count) track.lastChild.remove();
  while (track.children.length < count) track.append(make("i"));
  [...track.children].forEach((part, i) => {
    const phase = steps[Math.ceil(((i + 1) * total) / count) - 1]?.phase ?? "waiting";
    part.className = phase === "started" && isOver(run) ? "stopped" : phase;
  });
}

function stepList(steps, run, until) {
  const list = make("ol.steps", "", { "aria-label": `Steps of ${run.name}` });
  for (const step of steps) {
    const phase = step.phase === "started" && isOver(run) ? "stopped" : step.phase;
    const item = make("li", "", { class: phase });
    item.style.setProperty("--depth", Math.min(step.depth, 6));
    const spent = duration((step.ended ?? until) - step.began);
    const word = { started: "running", finished: "done" }[phase] ?? phase;
    item.append(make("span.label", step.label), make("span.kind", step.kind), make("span.spent", `${word}, ${spent}`));
    list.append(item);
  }
  return list;
}

function eventList(run) {
  const list = make("ol.events", "", { "aria-label": `Events of ${run.name}` });
  for (const { type, at, latency, note } of run.events) {
    const item = make("li");
    const late = latency === undefined ? "missed" : inMilliseconds(latency);
    const after = make("time", `+${((at - run.began) / 1000).toFixed(1)} s`, { title: timeOf(at) });
    item.append(after, make("code", type), make("span.note", note), make("span.late", late));
    list.append(item);
  }
  return list;
}
