"""What happens to a connection in a day, and what the page makes of it, by itself."""

import pytest

STATE = "state => document.getElementById('connection').dataset.state === state"


def wait_for_state(dashboard, state):
    dashboard.page.wait_for_function(STATE, arg=state)


def test_the_gateway_is_killed_and_comes_back_and_so_does_the_page(dashboard):
    dashboard.listen()
    dashboard.system.start_run("before")
    dashboard.wait_until_heard("before")
    dashboard.system.kill_gateway()
    wait_for_state(dashboard, "unavailable")
    dashboard.page.get_by_text("Reconnecting").wait_for()
    dashboard.system.start_gateway()
    dashboard.wait_until_live()
    assert dashboard.system.start_run("after")["sent"] == 1
    dashboard.run("after").wait_for()
    assert dashboard.heard() == ["before", "after"]
    dashboard.page.get_by_text("1 reconnection", exact=True).wait_for()


def test_a_run_that_began_while_the_page_was_cut_off_is_there_when_it_is_back(dashboard):
    dashboard.system.kill_gateway()
    wait_for_state(dashboard, "unavailable")
    with pytest.raises(OSError, match="503"):  # the backend reaches nobody, and says so
        dashboard.system.start_run("while it was away")
    dashboard.system.start_gateway()
    dashboard.run("while it was away").click()
    dashboard.item("while it was away").locator(".events").get_by_text("missed").wait_for()


def test_a_page_that_slept_for_longer_than_events_are_kept_fetches_the_runs_that_there_are(dashboard):
    dashboard.listen()
    # No socket opens, while the backend itself stays in reach: otherwise its return would have the page fetch.
    dashboard.page.evaluate("() => { window.Awake = WebSocket; window.WebSocket = class { close() {} }; }")
    dashboard.system.management.delete_connection(ConnectionId=dashboard.socket_id())
    wait_for_state(dashboard, "unavailable")
    for number in range(210):  # of which 200 are kept
        assert dashboard.system.start_run(f"asleep {number}")["sent"] == 0
    dashboard.page.evaluate("() => { window.WebSocket = Awake; dispatchEvent(new Event('online')); }")
    dashboard.run("asleep 209").wait_for()
    names = [run["name"] for run in dashboard.system.ask("GET", "/runs")["runs"]]
    assert names == [f"asleep {number}" for number in range(110, 210)]
    assert dashboard.page.locator("#run-list .name").all_text_contents() == names[::-1]
    dashboard.wait_until_live()
    dashboard.system.start_run("awake")
    dashboard.run("awake").wait_for()
    assert dashboard.heard() == ["awake"], "history had nothing to hand on"


def test_a_page_whose_network_dies_finds_out_and_is_back_with_the_network(dashboard, context):
    dashboard.listen()
    former = dashboard.socket_id()
    context.set_offline(True)  # which swallows what goes through open sockets, and closes none
    wait_for_state(dashboard, "unavailable")
    # The gateway knows nothing of it: to the backend this event is sent.
    assert dashboard.system.start_run("into the void")["sent"] == 1
    context.set_offline(False)
    dashboard.wait_until_live()
    assert dashboard.socket_id() != former
    dashboard.system.start_run("online again")
    dashboard.wait_until_heard("online again")
    dashboard.run("into the void").wait_for()  # fetched


def test_two_tabs_see_the_same_and_the_one_that_stays_goes_on(dashboard, open_dashboard):
    other = open_dashboard()
    for tab in (dashboard, other):
        tab.listen()
    assert dashboard.system.start_run("for both")["sent"] == 2
    for tab in (dashboard, other):
        tab.wait_until_heard("for both")
    closed = dashboard.socket_id()
    dashboard.page.close()
    dashboard.system.wait_until_gone(closed)
    assert other.system.start_run("for one") == {"sent": 1, "failed": 0, "stale": 1}
    other.wait_until_heard("for one")
    assert other.heard() == ["for both", "for one"]


def test_components_that_come_and_go_share_one_socket(dashboard):
    sockets = []
    dashboard.page.on("websocket", lambda socket: sockets.append(socket.url))
    dashboard.listen()
    former = dashboard.socket_id()
    dashboard.page.evaluate(
        """async () => {
            const { Gateway } = await import("/client/gateway.js");
            for (let i = 0; i < 20; i++) {
                const again = new Gateway(gateway.connection._url, gateway.connection._options);
                again.subscribe("admin").unsubscribe();
                again.disconnect();
            }
        }"""
    )
    dashboard.system.start_run("still here")
    dashboard.wait_until_heard("still here")
    assert sockets == []
    assert dashboard.socket_id() == former


def test_a_refused_subscription_is_shown_with_its_reason(dashboard):
    refusal = b'{"channel":"logs","event":"pusher:subscription_error","data":{"status":403,"message":"not for you"}}'
    dashboard.system.management.post_to_connection(ConnectionId=dashboard.socket_id(), Data=refusal)
    dashboard.page.get_by_role("alert").get_by_text("Channel “logs” was refused: not for you").wait_for()
    dashboard.system.start_run("on the other channel")
    dashboard.run("on the other channel").wait_for()


def test_a_backend_that_answers_500_to_registration_is_asked_until_it_registers(new_dashboard, system):
    dashboard = new_dashboard(system)
    asked = []

    def answer(route):
        asked.append(route.request.url)
        if len(asked) > 3:
            route.continue_()
        else:
            route.fulfill(status=500, body="Internal Server Error")

    dashboard.page.route("**/websocket/register", answer)
    dashboard.page.goto(system.link)
    dashboard.page.get_by_role("button", name="Sign in").click()
    dashboard.page.get_by_text("Connected, not yet subscribed").wait_for()
    dashboard.page.get_by_text("/websocket/register answered 500. Trying again.").wait_for()
    dashboard.wait_until_live()
    assert len(asked) == 4
    assert not dashboard.page.locator("#problem").is_visible()
    system.start_run("registered in the end")
    dashboard.run("registered in the end").wait_for()
