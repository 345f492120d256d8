import { Gateway } from "/client/gateway.js";
import { ConnectionView } from "./connection_view.js";
import { find, make, say } from "./elements.js";
import { beforeNextFrame } from "./frame.js";
import { inMilliseconds, Latencies, sentAt } from "./latency.js";
import { Log } from "./log.js";
import { showLog } from "./log_panel.js";
import { Runs } from "./runs.js";
import { RunsView } from "./runs_view.js";
import { config, credentialsOfAddress, request } from "./session.js";
import { switchTheme } from "./theme.js";
import { controlTraffic } from "./traffic.js";

const runs = new Runs();
const log = new Log();
const latencies = new Latencies();
let skew = 0; // the backend's clock minus ours, in milliseconds
let gateway; // while signed in
let connectionView;
let hasBeenSubscribed = false;
let events = 0;
let isSnapshotDue = false;

const logPanel = showLog(log, runs);
const runsView = new RunsView(runs, () => Date.now() + skew, (run) => logPanel.choose(run));
const traffic = controlTraffic(failed);

/** What a front end needs of all this: a Gateway, subscriptions, callbacks. */
function connect(url, options) {
  gateway = new Gateway(url, options);
  const admin = gateway.subscribe("admin");
  const logs = gateway.subscribe("logs");
  const channels = [admin, logs];
  const view = new ConnectionView(gateway.connection, {
    onSignedOut: () => signOut("Your session has ended; please sign in again."),
    isSubscribed: () => channels.every((channel) => channel.subscribed),
  });
  connectionView = view;
  admin.bind("admin_event", (data, envelope) => {
    runs.apply(data, arrived(envelope), latencies.values.at(-1));
    runsView.update();
  });
  logs.bind("log", ({ text, thread_id: thread, level }, envelope) => {
    const line = { text, thread, level, at: arrived(envelope), latency: latencies.values.at(-1) };
    log.add(line);
    runs.count(line);
    logPanel.update();
    runsView.update();
  });
  logs.bind("pusher:subscription_succeeded", () => {
    const gap = { level: "gap", text: "Reconnected. What was logged in between is not here.", at: Date.now() };
    if (hasBeenSubscribed) log.add(gap);
    hasBeenSubscribed = true;
    logPanel.update();
  });
  // Comes after every gap: the moment to ask for what was missed.
  admin.bind("pusher:subscription_succeeded", catchUp);
  for (const channel of channels) {
    channel.bind("pusher:subscription_succeeded", () => queueMicrotask(() => view.show()));
    channel.bind("pusher:subscription_error", ({ status, message }) => {
      failed(new Error(`Channel “${channel.name}” was refused: ${message ?? status}`));
    });
  }
}

/** Counts an event and its latency; returns when it was sent, by the backend's clock. */
function arrived(envelope) {
  events++;
  const sent = sentAt(envelope);
  const now = Date.now() + skew;
  latencies.add(Math.max(0, now - sent));
  return Number.isNaN(sent) ? now : sent;
}

document.addEventListener("visibilitychange", () => gateway && !document.hidden && traffic.refresh());

async function catchUp() {
  if (isSnapshotDue) return;
  isSnapshotDue = true;
  try {
    for (const { at, data } of await request("GET", "/runs")) runs.apply(data, at * 1000);
    runsView.update();
    await traffic.refresh();
  } catch (error) {
    failed(error);
  } finally {
    isSnapshotDue = false;
  }
}

function failed(error) {
  if (error.status === 401) return signOut("Your session has ended; please sign in again.");
  say(find("problem"), error.message);
  find("problem").hidden = false;
  return undefined;
}

// ------------------------------------------------------------------------------------------------------------ sign-in

const form = find("sign-in");

function enter({ websocket_url, options, skew: measured }) {
  skew = measured;
  form.hidden = true;
  find("app").hidden = false;
  find("problem").hidden = true;
  connect(websocket_url, options);
}

function askWho(reason = "") {
  find("app").hidden = true;
  form.hidden = false;
  say(form.querySelector(".error"), reason);
  const known = credentialsOfAddress();
  if (known) Object.assign(form.user, { value: known.user }) && Object.assign(form.password, { value: known.password });
  (form.password.value ? form.querySelector("button") : form.password).focus();
}

function signOut(reason) {
  connectionView?.close();
  gateway?.disconnect();
  connectionView = gateway = undefined;
  askWho(reason);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await request("POST", "/session", { user: form.user.value, password: form.password.value });
    enter(await config());
    form.password.value = "";
  } catch (error) {
    say(form.querySelector(".error"), error.message);
  }
});

find("sign-out").addEventListener("click", async () => {
  await request("DELETE", "/session").catch(() => {});
  location.reload();
});

// ------------------------------------------------------------------------------------------------------------ figures

let counted = { lines: 0, at: performance.now() };

const drawFigures = beforeNextFrame(() => {
  latencies.draw(find("spark")); // first, because it reads the page's layout
  const { running, completed, failed, cancelled, rejected } = runs.counts;
  const figures = { running, completed, failed, events, lines: log.total };
  for (const [id, figure] of Object.entries(figures)) say(find(id), figure.toLocaleString("en"));
  const others = cancelled + rejected;
  find("failed").title = others ? `${others} more cancelled or rejected` : "";
  const now = performance.now();
  if (now - counted.at >= 1000) {
    const rate = Math.round(((log.total - counted.lines) * 1000) / (now - counted.at));
    counted = { lines: log.total, at: now };
    say(find("rate"), rate ? `${rate}/s` : "");
  }
  say(find("median"), inMilliseconds(latencies.quantile(0.5)));
  say(find("p95"), latencies.values.length ? inMilliseconds(latencies.quantile(0.95)) : "");
}, 200);

setInterval(() => document.hidden || find("app").hidden || drawFigures(), 250);

// --------------------------------------------------------------------------------------------------- the page's frame

function view(name) {
  document.querySelector("main").dataset.view = name;
  for (const button of document.querySelectorAll(".switch button")) {
    button.setAttribute("aria-pressed", `${button.dataset.view === name}`);
  }
}

for (const button of document.querySelectorAll(".switch button")) {
  button.addEventListener("click", () => view(button.dataset.view));
}
find("help").addEventListener("click", () => find("keys").showModal());
switchTheme(find("theme"));

const KEYS = {
  "/": () => {
    view("log");
    find("find").focus();
  },
  f: () => logPanel.follow(),
  n: () => find("run-one").click(),
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=range]), select, dialog, form");
  if (find("app").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !find("keys").open) {
    if (runsView.chosen) runsView.choose(runsView.chosen);
    logPanel.reset();
  } else if (!isTyping && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

try {
  const known = await config();
  if (known.user) {
    credentialsOfAddress();
    enter(known);
  } else {
    askWho();
  }
} catch {
  document.body.append(make("p.problem", "The backend does not answer; reload this page when it does.", { role: "alert" }));
}
