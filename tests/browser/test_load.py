"""Many log lines at once: the page stays responsive."""

import os

LINES = 5_000

# Waiting must not itself have the page draw each picture that the screen could show, as Playwright's default does.
LOOK_EVERY = 250  # milliseconds

SHOWN = "Number(document.getElementById('lines').textContent.replaceAll(',', ''))"

OBSERVE = """() => {
    window.tasks = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) tasks.push(Math.round(entry.duration));
    }).observe({ type: "longtask" });
}"""


def traced(cdp, page, wait):
    """Return the CPU milliseconds of each task that the page's main thread had while `wait` waited."""
    events, ends = [], []
    cdp.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    cdp.on("Tracing.tracingComplete", lambda _: ends.append(True))
    cdp.send("Tracing.start", {"traceConfig": {"includedCategories": ["toplevel"]}, "transferMode": "ReportEvents"})
    wait()
    cdp.send("Tracing.end")
    while not ends:
        page.wait_for_timeout(50)
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [event for event in events if (event["pid"], event["tid"]) in main and event["name"].endswith("RunTask")]
    return [task.get("tdur", 0) / 1000 for task in tasks]


def test_five_thousand_log_lines_in_ten_seconds_leave_the_page_responsive(dashboard):
    page = dashboard.page
    page.evaluate(OBSERVE)
    dashboard.system.ask("PUT", "/simulation", {"speed": 25})  # some 540 lines a second
    page.wait_for_function(f"() => {SHOWN} >= 1500", polling=LOOK_EVERY)  # as many runs are under way as there will be
    seen = {}

    def wait():
        """Note what the clock says while the trace is on: to start it and to collect it has the page wait, too."""
        began, before = page.evaluate(f"(tasks.length = 0, [performance.now(), {SHOWN}])")
        page.wait_for_function(f"end => {SHOWN} >= end", arg=before + LINES, polling=LOOK_EVERY, timeout=60_000)
        ended, seen["lines"], seen["tasks"] = page.evaluate(f"[performance.now(), {SHOWN} - {before}, tasks]")
        seen["seconds"] = (ended - began) / 1000

    costs = traced(page.context.new_cdp_session(page), page, wait)
    by_the_clock = seen["tasks"]
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})
    load = f", load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(
        f"\n{seen['lines']:,} log lines in {seen['seconds']:.1f} s: the longest of {len(costs):,} tasks took"
        f" {max(costs):.0f} ms of CPU time; by the clock {max(by_the_clock, default=0)} ms,"
        f" {len(by_the_clock)} over 50 ms{load}"
    )
    assert len(costs) > 500, "the trace shows the page at work"
    # Of CPU time, because by the clock a task is also as long as other programs make it.
    assert max(costs) < 100
    # The newest line is in sight, and the page holds few elements for the thousands of lines.
    assert page.locator(".line").count() < 100
    assert page.locator("#follow").is_hidden()


def test_what_is_due_together_is_drawn_one_with_each_picture_and_what_a_hand_asked_for_first(dashboard):
    drawn = dashboard.page.evaluate(
        """async () => {
            const { beforeNextFrame } = await import("/frame.js");
            const drawn = [];
            let frame = 0;
            const counting = () => requestAnimationFrame(counting, frame++);
            const finished = new Promise((resolve) => {
                const view = (name, pause) => beforeNextFrame(() => {
                    if (drawn.push([name, frame]) === 3) resolve(drawn);
                }, pause);
                const views = [view("log", 1), view("runs", 1), view("key", 0)];
                for (const update of [...views, ...views]) update(); // asked for twice, drawn once
            });
            counting();
            return finished;
        }"""
    )
    assert [name for name, _ in drawn] == ["key", "log", "runs"]
    assert len({frame for _, frame in drawn}) == 3
