"""The gateway hangs, the backend is killed, hangs or comes back: the page says so, and is right again after."""

import json
import os
import re
import time

import pytest

needs_stop = pytest.mark.skipif(os.name == "nt", reason="Windows cannot stop a process")


def test_a_killed_backend_is_said_and_so_is_its_return(dashboard):
    page = dashboard.page
    dashboard.system.kill_backend()
    page.get_by_role("button", name="Start a run").click()
    page.get_by_role("alert").get_by_text("The backend does not answer. Trying again every second.").wait_for()
    dashboard.system.start_backend()
    page.locator("#problems").wait_for(state="hidden")
    # The new process had an empty list of connections; nobody has to wait until the client notices.
    page.wait_for_function("() => document.getElementById('connection').dataset.state === 'connected'")
    page.get_by_role("button", name="Start a run").click()
    page.locator("#run-list [data-status=running]").first.wait_for()


def test_a_restart_between_two_looks_is_noticed_and_runs_that_it_cut_off_are_no_longer_under_way(dashboard):
    page = dashboard.page
    dashboard.system.start_run("cut off")
    dashboard.run("cut off").wait_for()
    page.wait_for_function("() => document.getElementById('running').textContent !== '0'")
    dashboard.system.kill_backend()
    dashboard.system.start_backend()
    run = dashboard.item("cut off")
    run.get_by_text("interrupted").wait_for()
    assert "restarted" in run.locator(".face").get_attribute("title")
    page.wait_for_function("() => document.getElementById('running').textContent === '0'")
    lasted = run.locator(".time").text_content()
    page.wait_for_timeout(1200)
    assert run.locator(".time").text_content() == lasted
    dashboard.system.start_run("after the restart")
    dashboard.run("after the restart").wait_for()
    # Its log begins anew, and what was logged before the page was registered again is not known to be here.
    page.get_by_role("searchbox").fill("no line says this")  # or what many runs log would carry the remark out of sight
    dashboard.system.ask("PUT", "/simulation", {"speed": 20})  # one run alone may be rejected, and logs nothing then
    page.get_by_text("Lines are missing here; they are no longer kept.").wait_for()
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})


def test_a_run_without_news_says_so_and_counts_no_further(dashboard):
    sent = int((time.time() - 150) * 1000)  # the id says when
    data = {"type": "run_started", "thread_id": "abc123", "run_name": "silent"}
    message = {"channel": "admin", "event": "admin_event", "data": data, "id": f"{sent:011x}{0:010x}"}
    dashboard.system.management.post_to_connection(
        ConnectionId=dashboard.socket_id(), Data=json.dumps(message).encode()
    )
    run = dashboard.item("silent")
    run.get_by_text(re.compile("no news for [23] min")).wait_for()
    assert run.locator(".time").text_content() == "0.0 s"


@needs_stop
def test_a_backend_that_hangs_does_not_answer_either(dashboard):
    page = dashboard.page
    with dashboard.system.frozen_backend():
        page.get_by_role("button", name="Start a run").click()
        page.get_by_role("alert").get_by_text("The backend does not answer").wait_for()
    page.locator("#problems").wait_for(state="hidden")


@needs_stop
def test_a_gateway_that_hangs_is_not_live_and_is_again_when_it_answers(dashboard):
    page = dashboard.page
    with dashboard.system.frozen_gateway():
        page.locator("#connection[data-state=silent]").get_by_text("No answer").wait_for(timeout=60_000)
        page.get_by_role("alert").get_by_text("Nothing has come from the gateway since").wait_for()
    dashboard.wait_until_live()
    page.locator("#problems").wait_for(state="hidden")
    dashboard.system.start_run("thawed")
    dashboard.run("thawed").wait_for()
