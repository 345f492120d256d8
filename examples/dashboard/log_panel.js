import { find, make, say } from "./elements.js";
import { inMilliseconds } from "./latency.js";
import { LEVELS } from "./log.js";
import { LogView } from "./log_view.js";
import { timeOf } from "./time.js";

/** The log with its filters and the line that is chosen. */
export function showLog(log, runs) {
  const view = new LogView(log, find("log-list"), draw);
  const levels = new Set(LEVELS);
  const select = find("thread");
  let shownDetail;

  const buttons = LEVELS.map((level) => {
    const button = make(`button.${level}`, "", { type: "button", "aria-pressed": "true" });
    const count = make("span.count");
    button.append(make("span", level), count);
    button.addEventListener("click", () => {
      if (!levels.delete(level)) levels.add(level);
      button.setAttribute("aria-pressed", `${levels.has(level)}`);
      filter({ levels });
    });
    find("levels").append(button);
    return { level, button, count };
  });

  function filter(change) {
    log.filter = change;
    view.isFollowing = true;
    view.update();
  }

  for (const type of ["pointerdown", "focus"]) select.addEventListener(type, offerThreads);
  select.addEventListener("change", () => filter({ thread: select.value }));
  find("find").addEventListener("input", ({ target }) => filter({ text: target.value }));
  find("follow").addEventListener("click", () => view.follow());
  find("close-detail").addEventListener("click", () => {
    view.choose(null);
    find("log-list").focus();
  });
  find("clear").addEventListener("click", () => {
    log.clear();
    view.choose(null);
  });

  function draw() {
    for (const { level, count } of buttons) say(count, log.counts.get(level).toLocaleString("en"));
    find("follow").hidden = view.isFollowing || !log.shown.length;
    find("no-lines").hidden = log.shown.length > 0;
    say(find("no-lines"), log.total ? "No line passes the filters." : "Nothing has been logged yet.");
    drawDetail(view.active);
  }

  /** Only when somebody is about to choose: a list that changes all the time is laid out all the time. */
  function offerThreads() {
    const offered = new Map([...runs.all.values()].reverse().map((run) => [run.thread, `${run.name} · ${run.thread}`]));
    if (select.value && !offered.has(select.value)) offered.set(select.value, select.value);
    const chosen = select.value;
    const options = [...offered].map(([thread, text]) => make("option", text, { value: thread }));
    select.replaceChildren(select.options[0], ...options);
    select.value = chosen;
  }

  function drawDetail(line) {
    const detail = find("detail");
    detail.hidden = !line;
    if (line === shownDetail) return;
    shownDetail = line;
    if (!line) return;
    const { at, level, thread, text, latency } = line;
    const parts = { Time: timeOf(at), Level: level, Thread: thread, Latency: inMilliseconds(latency), Text: text };
    find("detail-parts").replaceChildren(
      ...Object.entries(parts).map(([name, value]) => {
        const part = make(`div.${name.toLowerCase()}`);
        part.append(make("dt", name), make("dd", value));
        return part;
      }),
    );
  }

  return {
    update: () => view.update(),
    follow: () => view.follow(),
    /** Shows one run's lines alone, or everybody's. */
    choose(run) {
      offerThreads();
      select.value = run?.thread ?? "";
      filter({ thread: select.value });
    },
    /** Shows everything again. */
    reset() {
      for (const { level, button } of buttons) {
        levels.add(level);
        button.setAttribute("aria-pressed", "true");
      }
      select.value = find("find").value = "";
      view.choose(null);
      filter({ levels, thread: "", text: "" });
    },
  };
}
