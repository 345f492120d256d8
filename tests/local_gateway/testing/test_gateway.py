"""The gateway in a thread, and its clients."""

import threading

import pytest

from local_gateway.testing import ClientClosedError, Faults, HandshakeRefusedError, LocalGateway


def echo(event, context):
    context_of_event = event["requestContext"]
    if context_of_event["eventType"] == "CONNECT":
        offered = event["headers"].get("Sec-WebSocket-Protocol")
        wanted = event.get("queryStringParameters", {}).get("status", "200")
        return {"statusCode": int(wanted), "headers": {"Sec-WebSocket-Protocol": offered} if offered else {}}
    return {"statusCode": 200, "body": event.get("body")}


@pytest.fixture(scope="module")
def gateway(local_gateway_factory):
    return local_gateway_factory(handler=echo)


def test_received_holds_all_that_came_and_receive_takes_one_after_the_other(gateway):
    with gateway.connect() as client:
        for text in ("one", '{"two": 2}'):
            client.send(text)
            assert client.receive() == text
        assert client.received() == ["one", '{"two": 2}']
        assert client.received()[1].json() == {"two": 2}


def test_a_wait_in_vain_says_what_came_before(gateway):
    with gateway.connect() as client:
        client.send("one")
        client.receive()
        with pytest.raises(TimeoutError, match=r"no message within 0\.01 s; 1 came before, last 'one'"):
            client.receive(timeout=0.01)
        with pytest.raises(TimeoutError, match=r"still open after 0\.01 s; 1 came before"):
            client.wait_closed(timeout=0.01)


def test_a_closed_client_says_how_it_was_closed(gateway):
    client = gateway.connect()
    client.send(b"binary")
    assert client.wait_closed().code == 1003
    with pytest.raises(ClientClosedError, match="closed with 1003") as closed:
        client.receive()
    assert closed.value.code == 1003
    client.close()


def test_what_came_before_the_end_can_still_be_received(gateway):
    client = gateway.connect()
    client.send("one")
    client.receive()
    client.send("two")
    while len(client.received()) < 2:
        threading.Event().wait(0.01)
    client.close()
    assert client.receive() == "two"


def test_a_handshake_can_be_refused_or_agree_on_a_subprotocol(gateway):
    with pytest.raises(HandshakeRefusedError, match="answered with 403") as refused:
        gateway.connect("status=403")
    assert refused.value.status == 403
    with gateway.connect(subprotocols=["chat"]) as client:
        assert client.subprotocol == "chat"


def test_ten_idle_minutes_end_a_connection_and_nine_do_not(gateway):
    with gateway.connect() as idle:
        gateway.advance(minutes=9)
        idle.send("still here")
        assert idle.receive() == "still here"
        gateway.advance(minutes=9, seconds=59)
        idle.send("still here")
        assert idle.receive() == "still here"
        gateway.advance(minutes=10)
        assert idle.wait_closed() == (1001, "Going away")


def test_faults_hold_from_the_start_and_can_be_changed():
    with LocalGateway(handler=echo, faults=Faults(half_open=1.0)) as gateway:
        vanished = gateway.connect()
        gateway.faults.half_open = 0.0
        with gateway.connect() as there:
            for client in (vanished, there):
                client.send("hello")
            assert there.receive() == "hello"
        assert vanished.received() == []


def test_clients_may_be_used_from_many_threads(gateway):
    with gateway.connect() as client:
        threads = [threading.Thread(target=client.send, args=(str(number),)) for number in range(20)]
        for thread in threads:
            thread.start()
        assert {client.receive() for _ in threads} == {str(number) for number in range(20)}
        for thread in threads:
            thread.join()


def test_a_stopped_gateway_closes_its_clients_ends_its_thread_and_says_so():
    gateway = LocalGateway(handler=echo).start()
    client = gateway.connect()
    gateway.stop()
    gateway.stop()
    assert client.wait_closed().code == 1001
    assert "local-gateway" not in {thread.name for thread in threading.enumerate() if thread is gateway._thread}
    with pytest.raises(RuntimeError, match="the gateway is not running"):
        gateway.connect()


def test_a_handler_in_a_file_is_its_folder_and_an_edit_takes_effect(tmp_path):
    (tmp_path / "src").mkdir()
    module = tmp_path / "src" / "app.py"
    module.write_text("import reply\ndef handler(event, context): return {'statusCode': 200, 'body': reply.TEXT}\n")
    (tmp_path / "src" / "reply.py").write_text("TEXT = 'first'\n")
    with LocalGateway(handler="src/app.handler", root=tmp_path) as gateway, gateway.connect() as client:
        client.send("?")
        assert client.receive() == "first"
        (tmp_path / "src" / "reply.py").write_text("TEXT = 'second'\n")
        client.send("?")
        assert client.receive() == "second"


def test_the_log_has_a_line_for_each_event_and_what_the_function_printed():
    source = """
        def handler(event, context):
            print("heard", event["requestContext"]["routeKey"])
            return {"statusCode": 200}
    """
    with LocalGateway(source=source, environment={"NAME": "value"}) as gateway, gateway.connect():
        pass
    assert "handler | heard $connect" in gateway.log
    assert " 101 " in gateway.log
