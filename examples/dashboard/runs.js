/**
 * The runs: as the backend knew them at one time, changed by the admin events that follow, in order. The first of these
 * may be in what the backend knew already, and change nothing.
 */
import { asCount, asText } from "./values.js";

const KEPT = 100;
const KEPT_EVENTS = 100; // of one run, which has 5 to 10
const KEPT_STEPS = 60;
const MOST_STEPS = 1000; // that a run may announce

const ENDINGS = new Map([
  ["run_cancelled", "cancelled"],
  ["run_rejected", "rejected"],
]);
const FINAL = new Set(["completed", "failed", "cancelled", "rejected"]);
const PHASES = new Set(["started", "failed", "finished"]);

export class Runs {
  all = new Map(); // thread id -> run, oldest first
  counts = { running: 0, completed: 0, failed: 0, cancelled: 0, rejected: 0, lost: 0 }; // of those in `all`
  changed = new Set(); // since the view last looked

  /** Applies an admin event that was sent at a time, in milliseconds since 1970; whatever is not one is left out. */
  apply(data, at, latency) {
    const { thread_id, type } = data ?? {};
    if (!thread_id || typeof type !== "string") return;
    const run = this.#run(asText(thread_id, 64), at);
    run.events.push({ type: asText(type, 40), at, latency, note: asText(note(data)) });
    if (run.events.length > KEPT_EVENTS) run.events.splice(1, 1); // the first says what run it is
    if (type === "run_started") {
      run.name = asText(data.run_name, 100) || run.thread;
      Object.assign(run, { total: asCount(data.steps, MOST_STEPS), began: at });
    }
    if (type === "workflow_ui_update") this.#step(run, data, at);
    this.#hear(run, at);
    this.#enter(run, ENDINGS.get(type) ?? (type === "status_updated" ? data.status : undefined), at);
  }

  /** Counts a log line for its run. */
  count(line) {
    const run = this.all.get(line.thread);
    if (!run) return;
    run.lines++;
    if (line.level === "error") run.errors++;
    this.#hear(run, line.at);
  }

  /** Takes the runs as the backend knows them, and takes as lost what is under way here and unknown there. */
  restore(known) {
    for (const { status, ended, steps, ...others } of known) {
      const run = this.#run(others.thread, others.began);
      Object.assign(run, others, { steps: new Map(steps), events: [] });
      this.#become(run, status, ended);
    }
    const threads = new Set(known.map(({ thread }) => thread));
    for (const run of this.all.values()) {
      if (run.status === "running" && !threads.has(run.thread)) this.#become(run, "lost", run.heard);
    }
  }

  #run(thread, at) {
    let run = this.all.get(thread);
    if (run) return run;
    run = { thread, name: thread, status: "running", began: at, heard: at, lines: 0, errors: 0 };
    Object.assign(run, { steps: new Map(), events: [] });
    this.all.set(thread, run);
    this.counts.running++;
    if (this.all.size > KEPT) {
      const [oldest] = this.all.values();
      this.counts[oldest.status]--;
      this.all.delete(oldest.thread);
      this.changed.delete(oldest);
    }
    return run;
  }

  #hear(run, at) {
    run.heard = Math.max(run.heard, at);
    if (run.status === "lost") this.#become(run, "running", undefined);
    this.changed.add(run);
  }

  #enter(run, status, at) {
    if (FINAL.has(status) && !FINAL.has(run.status)) this.#become(run, status, at);
  }

  #become(run, status, ended) {
    this.counts[run.status]--;
    this.counts[status]++;
    Object.assign(run, { status, ended });
    this.changed.add(run);
  }

  #step(run, { event_id, parent_event_id, phase, node_kind, label }, at) {
    const id = asText(event_id, 64);
    if (!run.steps.has(id) && run.steps.size >= KEPT_STEPS) return;
    const step = run.steps.get(id) ?? { phase: "started", began: at };
    const parent = asText(parent_event_id, 64) || null;
    Object.assign(step, { label: asText(label, 100) || id || "step", kind: asText(node_kind, 20), parent });
    if (PHASES.has(phase)) step.phase = phase;
    if (phase === "started") step.began = at;
    else step.ended = at;
    run.steps.set(id, step);
  }
}

export const isOver = (run) => run.status !== "running";

/** A run's steps with how deep each lies in others, parents before their children. */
export function inOrder(steps) {
  const within = new Map(); // parent -> its steps' ids
  for (const [id, { parent }] of steps) {
    const known = steps.has(parent) ? parent : null;
    within.set(known, [...(within.get(known) ?? []), id]);
  }
  const ordered = new Map();
  // After the steps that lie in none: those that are their own parents, or each other's, begin anywhere.
  for (const first of [...(within.get(null) ?? []), ...steps.keys()]) {
    const waiting = [[first, 0]];
    while (waiting.length) {
      const [id, depth] = waiting.pop();
      if (ordered.has(id)) continue;
      ordered.set(id, { ...steps.get(id), depth });
      for (const child of (within.get(id) ?? []).toReversed()) waiting.push([child, depth + 1]);
    }
  }
  return [...ordered.values()];
}

function note({ type, phase, label, status, run_name, reason, message, by }) {
  if (type === "workflow_ui_update") return `${asText(label, 100)}: ${asText(phase, 20)}`;
  return run_name ?? reason ?? message ?? status ?? (by && `by ${asText(by, 100)}`);
}
