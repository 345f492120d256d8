/**
 * The runs, made from their admin events. The same event may be applied twice, and an old one after a newer: a page
 * that comes back asks for what it missed while new events already arrive.
 */
import { asCount, asText, trim } from "./values.js";

const KEPT = 100;
const KEPT_EVENTS = 100; // of one run, which has 5 to 10
const KEPT_STEPS = 60;
const KEPT_KEYS = 500;
const MOST_STEPS = 1000; // that a run may announce

const ENDINGS = new Map([
  ["run_cancelled", "cancelled"],
  ["run_rejected", "rejected"],
]);
const FINAL = new Set(["completed", "failed", "cancelled", "rejected"]);
const PHASES = ["started", "failed", "finished"]; // a later one is never undone by an earlier

export class Runs {
  all = new Map(); // thread id -> run, oldest first
  counts = { running: 0, completed: 0, failed: 0, cancelled: 0, rejected: 0, lost: 0 }; // of those in `all`
  changed = new Set(); // since the view last looked

  /** Applies an admin event that was sent at a time, in milliseconds since 1970; whatever is not one is left out. */
  apply(data, at, latency) {
    const { thread_id, type } = data ?? {};
    if (!thread_id || typeof type !== "string") return;
    const run = this.#run(asText(thread_id, 64), at);
    const parts = [type, data.event_id ?? data.ack_key, data.phase ?? data.status];
    const key = parts.map((part) => asText(part, 100)).join();
    if (run.keys.has(key)) return;
    run.keys.add(key);
    trim(run.keys, KEPT_KEYS);
    run.events.push({ type: asText(type, 40), at, latency, note: asText(note(data)) });
    if (run.events.length > KEPT_EVENTS) run.events.splice(1, 1); // the first says what run it is
    if (type === "run_started") {
      run.name = asText(data.run_name, 100) || run.thread;
      Object.assign(run, { total: asCount(data.steps, MOST_STEPS), startedAt: at });
    }
    if (type === "workflow_ui_update") this.#step(run, data, at);
    if (type === "checkpoint_flush_error") run.warning = asText(data.message);
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

  /** Takes the backend's list of admin events, and takes as lost what is under way here and unknown there. */
  catchUp(entries, askedAt) {
    const known = new Set();
    for (const entry of entries) {
      const { at, data } = entry ?? {};
      if (!Number.isFinite(at)) continue;
      this.apply(data, at * 1000);
      known.add(asText(data?.thread_id, 64));
    }
    for (const run of this.all.values()) {
      const isUnknown = run.heardAt < askedAt && !known.has(run.thread);
      if (run.status === "running" && isUnknown) this.#become(run, "lost", run.heardAt);
    }
  }

  #run(thread, at) {
    let run = this.all.get(thread);
    if (run) return run;
    run = { thread, name: thread, status: "running", startedAt: at, heardAt: at, lines: 0, errors: 0 };
    Object.assign(run, { steps: new Map(), events: [], keys: new Set() });
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
    run.heardAt = Math.max(run.heardAt, at);
    if (run.status === "lost") this.#become(run, "running", undefined);
    this.changed.add(run);
  }

  #enter(run, status, at) {
    if (FINAL.has(status) && !FINAL.has(run.status)) this.#become(run, status, at);
  }

  #become(run, status, endedAt) {
    this.counts[run.status]--;
    this.counts[status]++;
    Object.assign(run, { status, endedAt });
    this.changed.add(run);
  }

  #step(run, { event_id, parent_event_id, phase, node_kind, label }, at) {
    const id = asText(event_id, 64);
    if (!run.steps.has(id) && run.steps.size >= KEPT_STEPS) return;
    const step = run.steps.get(id) ?? { phase: "started", startedAt: at };
    const parent = asText(parent_event_id, 64) || null;
    Object.assign(step, { label: asText(label, 100) || id || "step", kind: asText(node_kind, 20), parent });
    if (PHASES.indexOf(phase) >= PHASES.indexOf(step.phase)) step.phase = phase;
    if (phase === "started") step.startedAt = at;
    else step.endedAt = at;
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
