import { Cost, inDollars } from "./cost.js";
import { find, say } from "./elements.js";
import { beforeNextFrame } from "./frame.js";
import { inMilliseconds } from "./latency.js";
import { timeOf } from "./time.js";
import { wire } from "./wire.js";

const PAUSE = 200; // milliseconds between two pictures
const inFull = (number) => number.toLocaleString("en");

/** Shows the figures at the top; returns a function that counts an event, which may be a line of the log. */
export function showFigures(runs, latencies) {
  const cost = new Cost();
  let events = 0;
  let lines = 0;
  let counted = { lines: 0, at: performance.now() };
  say(find("opened"), `Since this page was opened at ${timeOf(Date.now()).slice(0, 5)}`);

  const draw = beforeNextFrame(() => {
    latencies.draw(find("spark")); // first, because it reads the page's layout
    const { running, completed, failed, ...others } = runs.counts;
    const figures = { running, completed, failed, events, lines, messages: wire.messages };
    for (const [id, figure] of Object.entries(figures)) say(find(id), inFull(figure));
    const rest = Object.entries(others).filter(([, count]) => count);
    say(find("others"), rest.length ? `+ ${rest.reduce((sum, [, count]) => sum + count, 0)} stopped` : "");
    find("others").title = rest.map(([status, count]) => `${count} ${status}`).join(", ");
    drawRate();
    say(find("median"), inMilliseconds(latencies.quantile(0.5)));
    say(find("p95"), inMilliseconds(latencies.quantile(0.95)));
    drawCost();
  }, PAUSE);

  function drawRate() {
    const now = performance.now();
    if (now - counted.at < 1000) return;
    const rate = Math.round(((lines - counted.lines) * 1000) / (now - counted.at));
    counted = { lines, at: now };
    say(find("rate"), rate ? `${inFull(rate)}/s` : "");
  }

  function drawCost() {
    say(find("sharing"), events ? `${(wire.messages / events).toFixed(2)} an event` : "");
    const month = cost.at(performance.now(), events);
    say(find("month"), month ? inDollars(month.dollars) : "–");
    say(find("per"), month ? "a month" : "");
    const saved = month && month.each > 0 ? Math.round(100 * (1 - month.dollars / month.each)) : 0;
    say(find("saving"), saved > 0 ? `${saved} % saved` : "");
    find("saving").title = month ? `${inDollars(month.each)} if each event were a message of its own` : "";
  }

  setInterval(() => document.hidden || find("app").hidden || draw(), 250);
  return (isLine) => {
    events++;
    lines += isLine;
  };
}
