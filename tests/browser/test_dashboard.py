"""What somebody sees and does on the dashboard."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def busy(dashboard):
    """The dashboard with one simulated run on its way, so fast that it ends in seconds."""
    before = [run["thread"] for run in dashboard.system.ask("GET", "/runs")["runs"]]
    dashboard.system.ask("PUT", "/simulation", {"speed": 20})
    dashboard.page.wait_for_function(
        """before => [...document.querySelectorAll("#run-list [data-status=completed] .meta")]
            .some((it) => !before.includes(it.textContent.split(" · ")[0]))""",
        arg=before,
    )
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})
    # Its log comes after its status, which shares messages for less long.
    dashboard.page.wait_for_function("() => document.getElementById('lines').textContent.length >= 3")
    return dashboard


def test_an_event_appears_on_the_page(dashboard):
    assert dashboard.system.start_run("My Workflow") == {"sent": 1, "failed": 0, "stale": 0}
    run = dashboard.run("My Workflow")
    run.wait_for()
    run.click()
    late = dashboard.page.locator(".events .late").first.text_content()
    assert re.fullmatch(r"\d+ ms", late), "the latency of the event is shown"
    assert dashboard.problems == []


def test_a_wrong_password_is_said_and_the_right_one_then_works(context, system, new_dashboard):
    page = new_dashboard(system).page
    page.goto(system.url)
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("the user name or the password is wrong").wait_for()
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    page.locator("#connection[data-state=connected]").wait_for()


def test_the_link_that_is_printed_fills_in_the_form_and_leaves_no_password_in_the_address(context, system):
    page = context.new_page()
    page.goto(system.link)
    page.get_by_label("Password").wait_for()
    assert page.get_by_label("Password").input_value() == "correct horse"
    assert page.url == system.url + "/"


def test_a_session_that_ends_leads_to_the_form_and_a_new_one_to_events(dashboard, context):
    context.clear_cookies()
    # Not by the mouse: the page may find out earlier, by a request of its own.
    dashboard.page.evaluate("document.getElementById('run-one').click()")
    dashboard.page.get_by_text("Your session has ended").wait_for()
    dashboard.page.get_by_label("Password").fill("correct horse")
    dashboard.page.get_by_role("button", name="Sign in").click()
    dashboard.wait_until_live()
    dashboard.system.start_run("after signing in again")
    dashboard.run("after signing in again").wait_for()


def test_who_signs_out_sees_the_form_and_receives_nothing_more(dashboard):
    former = dashboard.socket_id()
    dashboard.page.get_by_role("button", name="Sign out").click()
    dashboard.page.get_by_label("Password").wait_for()
    dashboard.system.wait_until_gone(former)
    assert dashboard.system.start_run("for nobody")["sent"] == 0


def test_a_page_that_comes_late_sees_the_runs_before(dashboard, open_dashboard):
    dashboard.system.start_run("before the second page")
    open_dashboard().run("before the second page").wait_for()


def test_a_page_opened_in_the_middle_of_a_run_shows_its_steps_and_its_whole_log(dashboard, open_dashboard):
    dashboard.system.ask("PUT", "/simulation", {"speed": 20})
    under_way = dashboard.page.wait_for_function(
        """() => [...document.querySelectorAll("#run-list [data-status=running] .meta")]
            .map((it) => it.textContent).find((text) => text.match(/ (\\d+) lines/)?.[1] >= 50)"""
    )
    thread = under_way.json_value().split(" · ")[0]
    tabs = [dashboard, open_dashboard()]
    runs = [tab.page.locator("#run-list .run", has=tab.page.get_by_text(thread)) for tab in tabs]
    for run in runs:
        run.and_(run.page.locator("[data-status=completed], [data-status=failed], [data-status=cancelled]")).wait_for()
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})

    def seen(run):
        """What is known of it after its first step, and how many lines there are."""
        text = run.locator(".meta").text_content()
        return text, run.locator(".track i").evaluate_all("parts => parts.map((it) => it.className)")

    while seen(runs[0]) != seen(runs[1]):
        dashboard.page.wait_for_timeout(50)
    assert " lines" in seen(runs[1])[0]


def test_a_run_shows_its_steps_and_its_log_alone(busy):
    page = busy.page
    ended = page.locator("#run-list .run[data-status=completed] .meta").first.text_content()
    thread = ended.split(" · ")[0]
    run = page.locator("#run-list .run", has=page.locator(".meta", has_text=thread))
    run.locator(".face").click()
    run.locator(".steps li.finished").nth(1).wait_for()
    assert run.locator(".steps li.finished").count() in (2, 3)
    assert run.locator(".events li").count() >= 5
    assert page.get_by_role("combobox", name="Thread").input_value() == thread
    page.wait_for_function(
        """thread => [...document.querySelectorAll(".line:not([hidden]) .thread")]
            .every((it) => it.textContent === thread)""",
        arg=thread,
    )
    # The last lines come up to a second after the run's end: they share a message.
    expect(run.locator(".meta")).to_have_text(re.compile(r"\b(19\d|2\d\d) lines"))
    page.keyboard.press("Escape")
    assert page.get_by_role("combobox", name="Thread").input_value() == ""


def test_the_log_is_filtered_by_level_and_text(busy):
    page = busy.page
    for level in ("Debug", "Info", "Warning"):
        page.get_by_role("button", name=re.compile(f"^{level}", re.IGNORECASE)).click()
    page.wait_for_function(
        """() => {
            const levels = [...document.querySelectorAll(".line:not([hidden]) .level")].map((it) => it.textContent);
            return levels.length && levels.every((level) => level === "error");
        }"""
    )
    page.get_by_role("searchbox").fill("no line says this")
    page.get_by_text("No line passes the filters.").wait_for()


def test_the_log_is_walked_through_with_the_keyboard(busy):
    page = busy.page
    log = page.get_by_role("listbox", name="Log")
    log.focus()
    for key in ("ArrowUp", "ArrowUp", "Home"):
        page.keyboard.press(key)
    page.wait_for_function(
        """() => {
            const chosen = document.querySelector(".line[aria-selected=true]");
            const list = document.getElementById("log-list");
            return chosen?.index === 0 && list.getAttribute("aria-activedescendant") === chosen.id;
        }"""
    )
    chosen = page.locator(".line[aria-selected=true]")
    assert page.locator("#detail .text dd").text_content() == chosen.locator(".text").text_content()
    page.get_by_role("button", name="Follow").wait_for()  # whoever reads further up is not carried away
    page.keyboard.press("f")
    page.get_by_role("button", name="Follow").wait_for(state="hidden")


def test_traffic_is_turned_with_the_keyboard(dashboard):
    slider = dashboard.page.get_by_role("slider", name="Simulated traffic")
    slider.focus()
    dashboard.page.keyboard.press("ArrowRight")
    dashboard.page.wait_for_function("() => document.getElementById('speed-text').textContent === '3 runs a minute'")
    dashboard.page.locator("#run-list .run").first.wait_for()
    assert dashboard.system.ask("GET", "/simulation") == {"speed": 0.5}
    dashboard.page.keyboard.press("ArrowLeft")
    dashboard.page.wait_for_function("() => document.getElementById('speed-text').textContent === 'Off'")


def test_traffic_that_somebody_else_has_turned_is_shown(dashboard):
    dashboard.system.ask("PUT", "/simulation", {"speed": 40})
    dashboard.page.get_by_text("240 runs a minute").wait_for()
    assert slider_value(dashboard) == "7"
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})
    dashboard.page.locator("#speed-text").get_by_text("Off").wait_for()


def slider_value(dashboard):
    return dashboard.page.get_by_role("slider", name="Simulated traffic").input_value()


def test_every_control_has_a_name(busy):
    snapshot = busy.page.locator("body").aria_snapshot()
    nameless = re.findall(
        r"^\s*- (?:button|textbox|searchbox|combobox|slider|listbox|group|region|img)(?::|$).*", snapshot, re.M
    )
    assert nameless == []
    for name in ("Start a run", "Sign out", "Theme: System", "Keyboard"):
        assert f'button "{name}"' in snapshot


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_told_from_their_background(busy, scheme):
    """At least 4.5 to 1, which is what WCAG asks for at level AA."""
    busy.page.emulate_media(color_scheme=scheme)
    poor = busy.page.evaluate(CONTRAST)
    assert poor == []


@pytest.mark.parametrize("view", ["Runs", "Log"])
def test_a_phone_shows_everything_without_scrolling_sideways(busy, view):
    page = busy.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name=view, exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    shown = page.locator("#run-list .run" if view == "Runs" else ".line:not([hidden])").first
    shown.wait_for()
    too_small = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
            .filter(it => it.checkVisibility() && it.getBoundingClientRect().height < 24).map(it => it.outerHTML)"""
    )
    assert too_small == []


def test_the_page_can_talk_to_its_own_backend_and_gateway_alone(dashboard):
    refused = dashboard.page.evaluate(
        """() => new Promise((resolve) => {
            addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
            fetch("http://127.0.0.1:9/").catch(() => {});
        })"""
    )
    assert refused == "connect-src"


CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const behind = (element) => {
        for (let it = element; it; it = it.parentElement) {
            const color = rgb(getComputedStyle(it).backgroundColor);
            if (color[3] === 255) return color;
        }
        return [255, 255, 255];
    };
    const luminance = (color) => {
        const [r, g, b] = color.slice(0, 3).map((it) => it / 255)
            .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility({ visibilityProperty: true })) continue;
        const pair = [rgb(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
        const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
        if (ratio < 4.5) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
    }
    return [...new Set(poor)];
}"""


def test_what_the_engine_publishes_shares_messages_and_the_page_shows_what_that_saves(busy):
    busy.page.wait_for_function("() => /^\\d+ % saved$/.test(document.getElementById('saving').textContent)")
    events, messages = busy.figure("events"), busy.figure("messages")
    assert events > 2 * messages > 0
    assert busy.page.locator("#month").text_content().startswith("$")
    assert busy.page.locator("#saving").get_attribute("title").endswith("if each event were a message of its own")
