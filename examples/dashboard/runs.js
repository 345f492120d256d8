/**
 * The runs, made from their admin events. The same event may be applied twice, and an old one after a newer: a page
 * that comes back asks for what it missed while new events already arrive.
 */
const KEPT = 100;

const ENDINGS = { run_cancelled: "cancelled", run_rejected: "rejected" };
const FINAL = new Set(["completed", "failed", "cancelled", "rejected"]);
const PHASES = ["started", "failed", "finished"]; // a later one is never undone by an earlier

export class Runs {
  all = new Map(); // thread id -> run, oldest first
  counts = { running: 0, completed: 0, failed: 0, cancelled: 0, rejected: 0 };
  changed = new Set(); // since the view last looked
  dropped = [];

  apply(data, at, latency) {
    const { thread_id: thread, type } = data ?? {};
    if (!thread || !type) return;
    const run = this.#run(thread, at);
    const key = [type, data.event_id ?? data.ack_key, data.phase ?? data.status].join();
    if (run.keys.has(key)) return;
    run.keys.add(key);
    run.events.push({ type, at, latency, note: note(data) });
    if (type === "run_started") Object.assign(run, { name: data.run_name, total: data.steps, startedAt: at });
    if (type === "workflow_ui_update") this.#step(run, data, at);
    if (type === "checkpoint_flush_error") run.warning = data.message;
    this.#enter(run, ENDINGS[type] ?? (type === "status_updated" ? data.status : undefined), at);
    this.changed.add(run);
  }

  /** Counts a log line for its run. */
  count(line) {
    const run = this.all.get(line.thread);
    if (!run) return;
    run.lines++;
    if (line.level === "error") run.errors++;
    this.changed.add(run);
  }

  #run(thread, at) {
    let run = this.all.get(thread);
    if (run) return run;
    run = { thread, name: thread, status: "running", startedAt: at, steps: new Map(), lines: 0, errors: 0 };
    Object.assign(run, { events: [], keys: new Set() });
    this.all.set(thread, run);
    this.counts.running++;
    if (this.all.size > KEPT) {
      const [oldest] = this.all.values();
      if (!FINAL.has(oldest.status)) this.counts.running--; // its end was missed, or is no longer shown
      this.all.delete(oldest.thread);
      this.dropped.push(oldest);
    }
    return run;
  }

  #enter(run, status, at) {
    if (!FINAL.has(status) || FINAL.has(run.status)) return;
    this.counts[run.status]--;
    this.counts[status]++;
    Object.assign(run, { status, endedAt: at });
  }

  #step(run, { event_id, parent_event_id, phase, node_kind, label }, at) {
    const step = run.steps.get(event_id) ?? { phase: "started", startedAt: at };
    Object.assign(step, { label: label ?? event_id, kind: node_kind, parent: parent_event_id });
    if (PHASES.indexOf(phase) >= PHASES.indexOf(step.phase)) step.phase = phase;
    if (phase === "started") step.startedAt = at;
    else step.endedAt = at;
    run.steps.set(event_id, step);
  }
}

export const isOver = (run) => FINAL.has(run.status);

function note({ type, phase, label, status, run_name, reason, message, by }) {
  if (type === "workflow_ui_update") return `${label}: ${phase}`;
  return run_name ?? reason ?? message ?? status ?? (by && `by ${by}`) ?? "";
}
