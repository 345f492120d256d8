"""Every cut that API Gateway makes: nothing is lost, nothing comes twice."""

import pytest

CUTS = 50

# The page's clock and its long timers, as fast as the gateway's. What waits for a network's answer stays as it is.
FAST_CLOCK = """{
    const speed = SPEED;
    const began = Date.now();
    const now = Date.now;
    const later = window.setTimeout;
    Date.now = () => began + (now() - began) * speed;
    window.setTimeout = (callback, delay, ...rest) =>
        later(callback, delay >= 20_000 ? delay / speed : delay, ...rest);
}"""


@pytest.fixture
def at_speed(start_system, context, new_dashboard):
    """Opens the dashboard on a gateway, in a page, whose hours are `speed` times as short."""
    systems = []

    def open_at(speed):
        manager = start_system("--speed", speed)
        systems.append(manager)
        context.add_init_script(FAST_CLOCK.replace("SPEED", str(speed)))
        dashboard = new_dashboard(manager.__enter__()).open()
        dashboard.listen()
        return dashboard

    yield open_at
    for manager in systems:
        manager.__exit__(None, None, None)


def test_two_hours_are_over_twice_and_the_page_notices_nothing(at_speed):
    dashboard = at_speed(600)  # two hours in 12 seconds
    ids = [dashboard.socket_id()]
    sent = []
    while len(ids) < 3:
        result = dashboard.system.start_run(len(sent))
        # During a handover both connections are registered, and the event goes to each of them.
        assert result["sent"] in (1, 2)
        sent.append(str(len(sent)))
        if (current := dashboard.socket_id()) != ids[-1]:
            ids.append(current)
    dashboard.wait_until_heard(sent[-1])
    assert dashboard.heard() == sent
    assert dashboard.page.evaluate("states") == [], "handed over, not reconnected"


def test_ten_idle_minutes_pass_several_times_and_the_connection_stays(at_speed):
    dashboard = at_speed(100)  # ten minutes in 6 seconds
    former = dashboard.socket_id()
    # What the page sends is seen from inside: its socket was open before anybody could listen from outside.
    dashboard.page.evaluate(
        """() => {
            window.pings = 0;
            const { send } = WebSocket.prototype;
            WebSocket.prototype.send = function (text) {
                pings += text.includes('"ping"');
                return send.call(this, text);
            };
        }"""
    )
    dashboard.page.wait_for_function("() => pings >= 3", timeout=60_000)
    assert dashboard.system.start_run("after half an hour of silence")["sent"] == 1
    dashboard.wait_until_heard("after half an hour of silence")
    assert dashboard.socket_id() == former
    assert dashboard.page.evaluate("states") == []


def test_fifty_forced_cuts_lose_nothing_and_double_nothing(dashboard):
    dashboard.listen()
    # Pauses between attempts are random up to a second; here nobody has to be spared.
    dashboard.page.evaluate("Math.random = () => 0")
    number = 0
    for _ in range(CUTS):
        dashboard.page.wait_for_function("() => claim.subscribed")
        former = dashboard.socket_id()
        # From the first moment that the page says so, every event arrives, up to the cut itself.
        for _ in range(5):
            number += 1
            assert dashboard.system.start_run(number)["sent"] == 1
        dashboard.system.management.delete_connection(ConnectionId=former)
        number += 1
        dashboard.system.start_run(number)  # while the page is away
        dashboard.page.wait_for_function("former => gateway.connection.socket_id !== former", arg=former)
    dashboard.page.wait_for_function("() => claim.subscribed")
    dashboard.system.start_run("the end")
    dashboard.wait_until_heard("the end")
    heard = dashboard.heard()
    lost, doubled = number + 1 - len(set(heard)), len(heard) - len(set(heard))
    print(f"\n{CUTS} cuts, {number + 1} events: {lost} lost, {doubled} doubled")
    assert heard == [*map(str, range(1, number + 1)), "the end"]
    dashboard.run("the end").wait_for()
    names = [str(name) for name in range(number - 98, number + 1)] + ["the end"]
    assert dashboard.page.locator("#run-list .name").all_text_contents() == names[::-1], "the page shows the last 100"
