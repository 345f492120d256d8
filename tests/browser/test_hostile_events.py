"""What a publisher may send by mistake or on purpose: the page shows what can be shown, and goes on."""

import json

import pytest

ADMIN = [
    None,
    7,
    "text",
    [],
    {},
    {"type": "run_started"},
    {"thread_id": "x", "type": None},
    {"thread_id": "x", "type": {"a": 1}},
    {"thread_id": {"a": ["b"]}, "type": "run_started", "run_name": {"toString": 1}},
    {"thread_id": "a b\"'<i>", "type": "run_started", "run_name": "<img src=x onerror=alert(1)>"},
    {"thread_id": "__proto__", "type": "constructor", "status": "toString"},
    {"thread_id": "steps", "type": "run_started", "run_name": "many steps", "steps": 3_000_000},
    {"thread_id": "less", "type": "run_started", "run_name": "less than none", "steps": -1},
    {"thread_id": "all", "type": "run_started", "run_name": "all steps", "steps": "all"},
    {"thread_id": "x", "type": "status_updated", "status": "constructor"},
    {"thread_id": "x", "type": "status_updated", "status": ["completed"]},
    {"thread_id": "null", "type": "workflow_ui_update", "event_id": None, "parent_event_id": None, "phase": "started"},
    {"thread_id": "self", "type": "workflow_ui_update", "event_id": "a", "parent_event_id": "a", "phase": "started"},
    {"thread_id": "ring", "type": "workflow_ui_update", "event_id": "a", "parent_event_id": "b", "phase": "started"},
    {"thread_id": "ring", "type": "workflow_ui_update", "event_id": "b", "parent_event_id": "a", "phase": "no phase"},
    {"thread_id": "x", "type": "workflow_ui_update", "event_id": {"a": 1}, "label": [1], "node_kind": 0, "phase": {}},
    {"thread_id": "long", "type": "run_started", "run_name": "n" * 100_000},
    {"thread_id": "y" * 50_000, "type": "ack"},
]
LOGS = [
    None,
    7,
    "text alone",
    ["a"],
    {},
    {"thread_id": "x", "level": "info"},
    {"text": None, "level": None},
    {"text": {"a": 1}, "thread_id": ["x"], "level": {"b": 2}},
    {"text": "of an odd level", "level": "constructor"},
    {"text": "of another odd level", "level": "__proto__"},
    {"text": "no remark of the page", "level": "remark"},
    {"text": "several classes", "level": "gap error hidden"},
    {"text": "\u202egnp.exe \u0000\u001b[2J\n\nline", "level": "info"},
    {"text": "m" * 120_000, "level": "error"},
]
ENVELOPES = [
    '{"channel":"logs","event":"log","data":{"text":"id of a number"},"id":5}',
    '{"channel":"logs","event":"log","data":{"text":"id of a list"},"id":["a"]}',
    '{"channel":"logs","event":"log","data":{"text":"id of another year"},"id":"fffffffffff0"}',
    '{"channel":"logs","event":"log","data":{"text":"id of 1970"},"id":"000000000000"}',
    '{"channel":"logs","event":"log"}',
    '{"channel":"admin","event":"admin_event"}',
    '{"channel":"logs","event":"log","data":{"text":' + "[" * 20_000 + "]" * 20_000 + "}}",
]


WIDE = """document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("*")]
    .filter((it) => it.getBoundingClientRect().right > innerWidth).map((it) => it.outerHTML.slice(0, 100))"""


@pytest.fixture
def post(dashboard):
    """Sends the page a message as it is, through the gateway."""

    def post(message):
        text = message if isinstance(message, str) else json.dumps(message)
        dashboard.system.management.post_to_connection(ConnectionId=dashboard.socket_id(), Data=text.encode())

    return post


def assert_alive(dashboard, name):
    """Check that an ordinary run and an ordinary line appear, that no error was thrown, and that nothing is wide."""
    dashboard.system.start_run(name)
    dashboard.run(name).wait_for()
    assert dashboard.problems == []
    assert dashboard.page.locator("#problems").is_hidden()
    assert dashboard.page.evaluate(WIDE) == []
    assert dashboard.page.evaluate("document.querySelectorAll('*').length") < 5_000


def test_admin_events_with_anything_in_them(dashboard, post):
    for data in ADMIN:
        post({"channel": "admin", "event": "admin_event", "data": data})
    assert_alive(dashboard, "after odd admin events")
    for name in ("many steps", "<img src=x onerror=alert(1)>", "__proto__", "ring", "self", "null"):
        dashboard.run(name).click()  # its steps and events are drawn, too
        dashboard.run(name).and_(dashboard.page.locator("[aria-expanded=true]")).wait_for()
    assert dashboard.item("many steps").locator(".track i").count() == 24
    dashboard.run("ring").click()
    dashboard.item("ring").locator(".steps li").nth(1).wait_for()
    assert_alive(dashboard, "after a look at each")


def test_log_lines_with_anything_in_them(dashboard, post):
    for data in LOGS:
        post({"channel": "logs", "event": "log", "data": data})
    for message in ENVELOPES:
        post(message)
    page = dashboard.page
    page.wait_for_function("n => Number(document.getElementById('lines').textContent) >= n", arg=len(LOGS) + 6)
    page.get_by_role("searchbox").fill("odd level")  # looks into the text of every line
    page.wait_for_function("() => document.querySelectorAll('.line:not([hidden])').length === 2")
    page.get_by_role("searchbox").fill("no remark")
    line = page.locator(".line:not([hidden])")
    line.get_by_text("no remark of the page").wait_for()
    assert "remark" not in line.get_attribute("class"), "nobody speaks for the page"
    page.get_by_role("searchbox").fill("mmmm")
    line.click()
    assert len(page.locator("#detail .text dd").text_content()) <= 8_000
    page.keyboard.press("Escape")
    assert_alive(dashboard, "after odd lines")


def test_three_thousand_steps_within_each_other(dashboard):
    dashboard.page.evaluate(
        """async () => {
            const { inOrder, Runs } = await import("/runs.js");
            const runs = new Runs();
            for (let i = 0; i < 3000; i++) {
                runs.apply({ thread_id: "deep", type: "workflow_ui_update", event_id: `${i}`,
                             parent_event_id: i ? `${i - 1}` : null, phase: "started" }, i);
            }
            const { steps } = runs.all.get("deep");
            const order = inOrder(steps).map(({ depth }) => depth);
            if (steps.size > 100 || order.some((depth, i) => depth !== i)) throw new Error(`${steps.size}: ${order}`);
            // The order itself has no limit either.
            const many = new Map();
            for (let i = 0; i < 3000; i++) many.set(`${i}`, { parent: `${i - 1}` });
            if (inOrder(many).length !== 3000) throw new Error("steps are missing");
        }"""
    )


def test_steps_of_any_parents_are_each_shown_once_and_parents_first(dashboard):
    """A law, tried on 500 random graphs: rings, missing parents and steps that are their own among them."""
    dashboard.page.evaluate(
        """async () => {
            const { inOrder } = await import("/runs.js");
            for (let round = 0; round < 500; round++) {
                const count = Math.ceil(Math.random() * 12);
                const id = () => `${Math.floor(Math.random() * (count + 2))}`;
                const steps = new Map();
                for (let i = 0; i < count; i++) {
                    steps.set(`${i}`, { id: `${i}`, parent: Math.random() < 0.3 ? null : id() });
                }
                const order = inOrder(steps);
                const ids = order.map((step) => step.id);
                const isTree = (step) => {
                    const above = new Set();
                    for (let it = step; it; it = steps.get(it.parent)) {
                        if (above.has(it)) return false;
                        above.add(it);
                    }
                    return true;
                };
                const isRight = order.every((step, i) =>
                    !isTree(step) || !steps.has(step.parent) || ids.indexOf(step.parent) < i);
                if (new Set(ids).size !== count || ids.length !== count || !isRight) {
                    throw new Error(JSON.stringify([...steps]));
                }
            }
        }"""
    )


def test_a_thread_that_never_ends_and_a_log_that_never_ends_are_bounded(dashboard):
    sizes = dashboard.page.evaluate(
        """async () => {
            const { Runs } = await import("/runs.js");
            const { lineOf, Log } = await import("/log.js");
            const runs = new Runs();
            for (let i = 0; i < 20000; i++) {
                runs.apply({ thread_id: "one", type: "workflow_ui_update", event_id: `${i}`, phase: "started" }, i);
                runs.apply({ thread_id: "one", type: `type ${i}`, message: "x".repeat(1000) }, i);
                runs.apply({ thread_id: `other ${i}`, type: "run_started" }, i);
                runs.apply({ thread_id: "one", type: "ack" }, i);
            }
            const log = new Log();
            for (let i = 0; i < 30000; i++) log.add(lineOf({ text: `${i}${"x".repeat(7000)}`, level: "info" }, i, 1));
            const { events, steps } = runs.all.get("one");
            const running = runs.counts.running;
            const kept = [...log.counts.values()].reduce((sum, count) => sum + count);
            return { runs: runs.all.size, changed: runs.changed.size, running, kept, total: log.total,
                     events: events.length, text: JSON.stringify(events).length, steps: steps.size,
                     lines: log.shown.length };
        }"""
    )
    assert sizes["runs"] == sizes["running"] == 100
    assert sizes["changed"] <= 100
    assert sizes["events"] <= 100
    assert sizes["text"] < 50_000
    assert sizes["steps"] <= 60
    assert 0 < sizes["lines"] < 3_000, "of lines of 7,000 characters, fewer are kept"
    assert sizes["kept"] == sizes["lines"]
    assert sizes["total"] == 30_000


def test_an_event_that_cannot_be_shown_is_the_only_one_and_is_said(dashboard, post):
    """Whatever it is that nobody has thought of; here an extension has broken what the page takes from its browser."""
    dashboard.page.evaluate("() => { Number.isInteger = () => { throw new Error('broken'); }; }")
    post({"channel": "admin", "event": "admin_event", "data": {"thread_id": "x", "type": "run_started"}})
    dashboard.page.get_by_role("alert").get_by_text("Events that could not be shown: 1.").wait_for()
    dashboard.page.evaluate("() => { Number.isInteger = (value) => Number.isSafeInteger(value); }")
    dashboard.system.start_run("after the broken one")
    dashboard.run("after the broken one").wait_for()
