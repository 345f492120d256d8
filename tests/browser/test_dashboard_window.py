"""The dashboard in windows of every size, with a mouse, a finger and a keyboard."""

import json
import re
from uuid import uuid4

import pytest

SIZES = [(1440, 900), (1280, 720), (1100, 700), (1024, 768), (900, 600), (844, 390), (667, 375), (390, 844), (320, 568)]
WIDE, PHONE = {"width": 1360, "height": 860}, {"width": 390, "height": 780}

# The text of the lines that somebody sees in the log's window.
SEEN = """() => {
    const window = document.getElementById("log-list").getBoundingClientRect();
    return [...document.querySelectorAll(".line:not([hidden])")].filter((line) => {
        const { top, bottom } = line.getBoundingClientRect();
        return window.height && bottom > window.top + 1 && top < window.bottom - 1;
    }).sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
        .map((line) => line.querySelector(".text").textContent);
}"""

# What of the controls and figures lies outside the window, or outside the part of the page that it belongs to.
OUTSIDE = """() => [...document.querySelectorAll("button, input, select, h1, .connection")].filter((it) => {
    if (!it.checkVisibility()) return false;
    const { left, right, top, bottom } = it.getBoundingClientRect();
    const scrolls = it.closest(".run-list, .log-list");
    return left < 0 || right > innerWidth || top < 0 || (bottom > innerHeight && !scrolls);
}).map((it) => it.outerHTML.slice(0, 80))"""


@pytest.fixture
def full(dashboard, post_lines):
    """The dashboard with 100 log lines, `line 0` to `line 99`, and at least one run."""
    name = uuid4().hex
    dashboard.system.start_run(name)
    dashboard.run(name).wait_for()
    post_lines(dashboard, 100)
    return dashboard


@pytest.fixture
def post_lines():
    """Sends so many log lines through the gateway, and waits until the page has the last one."""

    def post(dashboard, count, start=0):
        socket = dashboard.socket_id()
        for i in range(start, start + count):
            data = f'{{"channel":"logs","event":"log","data":{{"text":"line {i}","level":"info","thread_id":"a1"}}}}'
            dashboard.system.management.post_to_connection(ConnectionId=socket, Data=data.encode())
        dashboard.page.wait_for_function(
            "n => Number(document.getElementById('lines').textContent.replace(',', '')) >= n", arg=start + count
        )

    return post


def wait_until_seen(page, text):
    page.wait_for_function(f"text => ({SEEN})().includes(text)", arg=text)


def test_the_log_is_there_after_the_window_was_made_narrow_and_wide_again(full):
    page = full.page
    wait_until_seen(page, "line 99")
    for size in (PHONE, WIDE, {"width": 700, "height": 500}, WIDE, {"width": 1360, "height": 400}, WIDE):
        page.set_viewport_size(size)
    wait_until_seen(page, "line 99")
    page.wait_for_function(f"() => ({SEEN})().length > 15")
    assert page.locator("#follow").is_hidden()


def test_who_reads_further_up_stays_there_when_the_window_changes(full):
    page = full.page
    page.get_by_role("listbox", name="Log").focus()
    page.keyboard.press("Home")
    wait_until_seen(page, "line 0")
    for size in (PHONE, WIDE):
        page.set_viewport_size(size)
        page.get_by_role("button", name="Log", exact=True).click(force=True) if size is PHONE else None
        wait_until_seen(page, "line 0")


def test_a_line_that_is_clicked_stays_in_sight_while_others_come(full, post_lines):
    page = full.page
    wait_until_seen(page, "line 99")
    page.locator(".line:not([hidden])", has_text="line 95").click()
    page.locator("#detail").get_by_text("line 95").wait_for()
    page.set_viewport_size({"width": 1360, "height": 400})
    wait_until_seen(page, "line 95")  # beside its detail, which takes a part of the window
    post_lines(full, 100, start=100)
    page.get_by_role("button", name="Follow").wait_for()
    assert "line 95" in page.evaluate(SEEN)
    page.get_by_role("button", name="Follow").click()
    wait_until_seen(page, "line 199")


@pytest.mark.parametrize("how", ["the button", "a second click"])
def test_an_opened_line_can_be_closed_on_a_phone(full, how):
    page = full.page
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Log", exact=True).click()
    line = page.locator(".line:not([hidden])", has_text="line 95")
    line.click()
    page.locator("#detail").wait_for()
    if how == "the button":
        page.get_by_role("button", name="Close").click()
    else:
        line.click()
    page.locator("#detail").wait_for(state="hidden")


@pytest.mark.parametrize("view", ["Runs", "Log"])
def test_every_control_lies_within_the_window(full, view):
    page = full.page
    # As long as the counts can become.
    page.evaluate("for (const it of document.querySelectorAll('.count')) it.textContent = '122,000'")
    page.evaluate(
        "for (const id of ['events', 'lines', 'messages']) document.getElementById(id).textContent = '123,456'"
    )
    lists = page.locator("#run-list, #log-list")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        switch = page.get_by_role("button", name=view, exact=True)
        if switch.is_visible():
            switch.click()
        assert page.evaluate(OUTSIDE) == [], (width, height)
        page_size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert page_size == [width, height]
        heights = [list_.bounding_box()["height"] for list_ in lists.all() if list_.is_visible()]
        assert heights
        assert min(heights) > height / 4, (width, height)


def test_tab_leads_past_the_runs_to_the_log_and_arrows_through_the_runs(full):
    page = full.page
    for name in ("second", "third"):
        full.system.start_run(name)
        full.run(name).wait_for()
    page.get_by_role("slider", name="Simulated traffic").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.querySelector('.name')?.textContent"
    assert page.evaluate(focused) is not None, "one run is a tab stop"
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "third"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "second"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "speed"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "second", "where somebody left the list is where he comes back to it"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.parentElement.id") == "levels"


def test_each_figure_says_what_it_is_of(full):
    page = full.page
    assert page.get_by_role("group", name="Runs in the list").is_visible()
    assert page.get_by_role("group", name=re.compile(r"Since this page was opened at \d\d:\d\d")).is_visible()
    texts = page.locator(".figures .latency").inner_text()
    assert re.search(r"backend to page\s+\d+ ms median \d+ ms 95th percentile", texts.replace("\n", " ")), texts
    page.wait_for_function(
        """() => ["running", "completed", "failed"]
            .reduce((sum, id) => sum + Number(document.getElementById(id).textContent), 0)
            === document.querySelectorAll("#run-list .run").length"""
    )
    assert page.get_by_role("button", name="Info 100").is_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Info 0").wait_for()
    assert full.figure("lines") == 100, "what has come, which the caption says; what is in the log is on its buttons"


def test_a_long_message_is_counted_as_often_as_it_is_billed(full):
    messages, socket = full.figure("messages"), full.socket_id()
    assert messages == full.figure("events")
    for size in (10, 33_000, 70_000):
        data = f'{{"channel":"logs","event":"log","data":{{"text":"{"x" * size}","level":"info","thread_id":"a1"}}}}'
        full.system.management.post_to_connection(ConnectionId=socket, Data=data.encode())
    full.page.wait_for_function("n => Number(document.getElementById('messages').textContent) >= n", arg=messages + 6)
    assert full.figure("messages") == messages + 1 + 2 + 3
    full.page.wait_for_function("() => document.getElementById('month').textContent.startsWith('$')")


def test_several_events_in_one_message_are_one_billed_message(full):
    messages, lines = full.figure("messages"), full.figure("lines")
    events = [{"event": "log", "data": {"text": f"shared {i}", "level": "info", "thread_id": "a1"}} for i in range(5)]
    text = json.dumps({"channel": "logs", "events": events})
    full.system.management.post_to_connection(ConnectionId=full.socket_id(), Data=text.encode())
    wait_until_seen(full.page, "shared 4")
    full.page.wait_for_function("n => Number(document.getElementById('lines').textContent) === n", arg=lines + 5)
    assert full.figure("messages") == messages + 1
    share = full.page.locator("#sharing").text_content()
    assert share == f"{(messages + 1) / full.figure('events'):.2f} an event"


def test_the_saving_of_shared_messages_is_what_the_events_alone_would_cost_more(dashboard):
    month = dashboard.page.evaluate(
        """async () => {
            const { Cost, inDollars } = await import("/cost.js");
            const { wire } = await import("/wire.js");
            const cost = new Cost();
            const before = wire.messages;
            const first = cost.at(0, 0);
            let last;
            for (let second = 1; second <= 90; second++) {
                wire.messages = before + second; // one a second, with four events in each
                last = cost.at(second * 1000, second * 4);
            }
            wire.messages = before;
            return [first === undefined, inDollars(last.dollars), inDollars(last.each)];
        }"""
    )
    assert month == [True, "$2.59", "$10.37"]  # 30 days have 2,592,000 seconds
