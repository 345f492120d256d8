import { find, make, say } from "./elements.js";
import { beforeNextFrame } from "./frame.js";
import { inMilliseconds } from "./latency.js";
import { timeOf } from "./log_view.js";
import { isOver } from "./runs.js";

const PAUSE = 250; // milliseconds between two pictures, while nobody touches anything

/** Shows Runs, newest first; one of them can be chosen, and then shows its steps and events. */
export class RunsView {
  chosen = null; // a run
  #runs;
  #now;
  #list = find("run-list");
  #items = new Map(); // run -> its parts
  #onChoose;
  #drawNow;

  /** @param now the time by the backend's clock, in milliseconds */
  constructor(runs, now, onChoose) {
    this.#runs = runs;
    this.#now = now;
    this.#onChoose = onChoose;
    this.#drawNow = beforeNextFrame(() => this.#render());
    this.update = beforeNextFrame(() => this.#render(), PAUSE);
    this.#list.addEventListener("keydown", (event) => this.#key(event));
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
    for (const run of this.#runs.dropped.splice(0)) {
      this.#items.get(run)?.item.remove();
      this.#items.delete(run);
      this.#runs.changed.delete(run);
    }
    for (const run of this.#runs.changed) this.#draw(run);
    this.#runs.changed.clear();
    find("no-runs").hidden = this.#runs.all.size > 0;
  }

  #draw(run) {
    if (!this.#items.has(run)) this.#items.set(run, this.#make(run));
    const { item, button, name, meta, time, track, more } = this.#items.get(run);
    const isChosen = run === this.chosen;
    const steps = inOrder(run);
    item.dataset.status = run.status;
    button.setAttribute("aria-expanded", `${isChosen}`);
    say(name, run.name);
    say(time, duration((run.endedAt ?? this.#now()) - run.startedAt));
    say(meta, describe(run, steps));
    drawTrack(track, steps, run);
    more.hidden = !isChosen;
    if (isChosen) more.replaceChildren(stepList(steps, run, this.#now()), eventList(run));
  }

  #make(run) {
    const item = make("li.run");
    const button = make("button.face", "", { type: "button", "aria-controls": `run-${run.thread}` });
    const parts = { item, button, name: make("span.name"), time: make("span.time"), meta: make("span.meta") };
    parts.track = make("span.track", "", { "aria-hidden": "true" });
    parts.more = make("div.more", "", { id: `run-${run.thread}` });
    button.append(make("span.mark", "", { "aria-hidden": "true" }), parts.name, parts.time, parts.meta, parts.track);
    button.addEventListener("click", () => this.choose(run));
    item.append(button, parts.more);
    this.#list.prepend(item);
    return parts;
  }

  #key(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    const other = step && event.target.closest(".run")?.[step];
    if (!other) return;
    event.preventDefault();
    other.querySelector(".face").focus();
  }
}

/** Each step with how deep it lies in others, parents before their children. */
function inOrder(run) {
  const within = (parent, depth) =>
    [...run.steps]
      .filter(([, step]) => (run.steps.has(step.parent) ? step.parent : null) === parent)
      .flatMap(([id, step]) => [{ ...step, depth }, ...within(id, depth + 1)]);
  return within(null, 0);
}

function describe(run, steps) {
  const current = steps.findLast((step) => step.phase === "started");
  const state = isOver(run) ? run.status : (current?.label ?? "started");
  const errors = run.errors ? `, ${run.errors} error${run.errors > 1 ? "s" : ""}` : "";
  return `${run.thread} · ${state}${run.lines ? ` · ${run.lines} lines${errors}` : ""}`;
}

function drawTrack(track, steps, run) {
  const count = Math.max(run.total ?? 0, steps.length, 1);
  while (track.children.length > count) track.lastChild.remove();
  while (track.children.length < count) track.append(make("i"));
  [...track.children].forEach((part, i) => {
    const phase = steps[i]?.phase ?? "waiting";
    part.className = phase === "started" && isOver(run) ? "stopped" : phase;
  });
}

function stepList(steps, run, now) {
  const list = make("ol.steps", "", { "aria-label": `Steps of ${run.name}` });
  for (const step of steps) {
    const phase = step.phase === "started" && isOver(run) ? "stopped" : step.phase;
    const item = make("li", "", { class: phase });
    item.style.setProperty("--depth", step.depth);
    const spent = duration((step.endedAt ?? run.endedAt ?? now) - step.startedAt);
    const word = { started: "running", finished: "done" }[phase] ?? phase;
    item.append(make("span.label", step.label), make("span.kind", step.kind), make("span.spent", `${word}, ${spent}`));
    list.append(item);
  }
  return list;
}

function eventList(run) {
  const list = make("ol.events", "", { "aria-label": `Events of ${run.name}` });
  for (const { type, at, latency, note } of run.events.toSorted((a, b) => a.at - b.at)) {
    const item = make("li");
    const late = latency === undefined ? "missed" : inMilliseconds(latency);
    const after = make("time", `+${((at - run.startedAt) / 1000).toFixed(1)} s`, { title: timeOf(at) });
    item.append(after, make("code", type), make("span.note", note), make("span.late", late));
    list.append(item);
  }
  return list;
}

function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}
