import "./wire.js"; // before the client, whose sockets it looks at
import { Gateway } from "/client/gateway.js";
import { BackendWatch } from "./backend_watch.js";
import { ConnectionView } from "./connection_view.js";
import { find, make } from "./elements.js";
import { showFigures } from "./figures.js";
import { Latencies, sentAt } from "./latency.js";
import { lineOf, Log, remark } from "./log.js";
import { showLog } from "./log_panel.js";
import { report } from "./problems.js";
import { Runs } from "./runs.js";
import { RunsView } from "./runs_view.js";
import { config, credentialsOfAddress, request } from "./session.js";
import { listenForKeys } from "./shortcuts.js";
import { askWho } from "./sign_in.js";
import { switchTheme } from "./theme.js";
import { controlTraffic } from "./traffic.js";

const KEPT_LINES = 5_000; // by the backend
const PAUSE = 1000; // milliseconds

const runs = new Runs();
const log = new Log();
const latencies = new Latencies();
let skew = 0; // the backend's clock minus ours, in milliseconds
let gateway; // while signed in
let admin, logs; // channels, once they are subscribed to
let connectionView;
let watches = []; // what else is to be closed on signing out
let odd = 0; // events that could not be shown

const now = () => Date.now() + skew; // by the backend's clock
const count = showFigures(runs, latencies);
const logPanel = showLog(log, runs);
const runsView = new RunsView(runs, now, (run) => logPanel.choose(run));
const traffic = controlTraffic(failed);

/** What a front end needs of all this: a Gateway, subscriptions, callbacks. */
function connect({ websocket_url, options }) {
  gateway = new Gateway(websocket_url, options);
  connectionView = new ConnectionView(gateway.connection, {
    onSignedOut: () => signOut("Your session has ended; please sign in again."),
    isSubscribed: () => admin?.subscribed && logs?.subscribed,
  });
  watches.push(connectionView);
  join();
}

/** Shows the runs as the backend knows them and, from exactly there on, what happens to them. */
async function join() {
  const joining = gateway;
  const joinAgain = () => setTimeout(() => gateway === joining && join(), PAUSE); // not at once: it may fail again
  try {
    const { position, runs: known } = await request("GET", "/runs");
    if (gateway !== joining) return; // signed out meanwhile
    runs.restore(known);
    runsView.update();
    admin?.unsubscribe();
    admin = listen("admin", { since: position }, "admin_event", (data, at, latency) => {
      runs.apply(data, at, latency);
      runsView.update();
    });
    admin.bind("pusher:subscription_succeeded", ({ recovered }) => recovered || joinAgain());
    if (!gateway.channel("logs")) followLog(); // not before there are runs to count its lines for
    report("snapshot");
  } catch (error) {
    failed(error, "snapshot");
    joinAgain();
  }
}

/** Shows the log from as far back as it is kept, or from where this page was when its session ended. */
function followLog() {
  const show = (data, at, latency) => {
    const line = lineOf(data, at, latency);
    log.add(line);
    runs.count(line);
    logPanel.update();
    runsView.update();
  };
  let isKnown = !!logs;
  logs = listen("logs", { since: logs?.position, rewind: KEPT_LINES }, "log", show);
  logs.bind("pusher:subscription_succeeded", ({ recovered }) => {
    if (isKnown && !recovered) log.add(remark("Lines are missing here; they are no longer kept."));
    isKnown = true;
    logPanel.update();
  });
}

/** Has each event of a name shown, and counted and timed unless it was fetched; one that cannot be is the only one. */
function listen(name, options, event, show) {
  const channel = gateway.subscribe(name, options);
  let standsSince = 0; // what was sent before was fetched
  channel.bind(event, (data, envelope) => {
    const sent = sentAt(envelope, now());
    const latency = sent < standsSince ? undefined : Math.max(0, now() - sent);
    if (latency !== undefined) count(name === "logs");
    if (name === "admin") latencies.add(latency); // lines of the log wait, to share messages
    try {
      show(data, Number.isNaN(sent) ? now() : sent, latency);
    } catch (error) {
      report("odd", `Events that could not be shown: ${++odd}. The console has the reasons.`);
      console.error(error);
    }
  });
  channel.bind("pusher:subscription_succeeded", () => {
    standsSince = now();
    report(name);
    connectionView.show();
  });
  channel.bind("pusher:subscription_error", ({ status, message }) => {
    report(name, `Channel “${name}” was refused: ${message ?? status}`);
  });
  return channel;
}

/** After a restart the backend does not know this connection, and has events before the client finds out. */
async function registerAgain({ register }) {
  const { socket_id } = gateway.connection;
  if (register && socket_id) await request("POST", register, { connection_id: socket_id });
}

function failed(error, about) {
  if (error.status === 401) return signOut("Your session has ended; please sign in again.");
  if (error.status) report(about, error.message);
  else backendWatch?.look(); // which says it, and when it is over
  return undefined;
}

// ------------------------------------------------------------------------------------------------ signing in and out

let backendWatch;

function enter(answer) {
  skew = answer.skew;
  find("app").hidden = false;
  credentialsOfAddress(); // which nobody needs any more
  connect(answer);
  traffic.refresh();
  backendWatch = new BackendWatch(answer, {
    lost: () => report("backend", "The backend does not answer. Trying again every second."),
    answered: ({ user, skew: measured }) => {
      skew = measured;
      report("backend");
      if (user) traffic.refresh();
      else signOut("Your session has ended; please sign in again.");
    },
    back: ({ options }) => gateway && registerAgain(options).then(join, (error) => failed(error, "snapshot")),
  });
  watches.push(backendWatch);
}

function signOut(reason) {
  for (const watch of watches.splice(0)) watch.close();
  gateway?.disconnect();
  gateway = backendWatch = undefined;
  askWho(enter, reason);
}

find("sign-out").addEventListener("click", async () => {
  await request("DELETE", "/session").catch(() => {});
  location.reload();
});

// --------------------------------------------------------------------------------------------------- the page's frame

document.addEventListener("visibilitychange", () => gateway && !document.hidden && traffic.refresh());

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

listenForKeys({
  "/": () => {
    view("log");
    find("find").focus();
  },
  "?": () => find("keys").showModal(),
  f: () => logPanel.follow(),
  n: () => find("run-one").click(),
  Escape: () => {
    if (runsView.chosen) runsView.choose(runsView.chosen);
    logPanel.reset();
  },
});

try {
  const known = await config();
  if (known.user) enter(known);
  else askWho(enter);
} catch {
  const text = "The backend does not answer; reload this page when it does.";
  document.body.append(make("p.problems", text, { role: "alert" }));
}
