"""Clients that others have written connect, talk and are closed."""

import shutil
import subprocess

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

FRAME = '{"action":"ping"}'


@pytest.fixture
def wscat(node_modules):
    """Starts wscat; it goes on for as long as its standard input is open."""

    def start(*arguments):
        command = ["node", node_modules / "wscat" / "bin" / "wscat", *arguments]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def test_wscat(gateway, wscat):
    with wscat("--connect", gateway.websocket_url, "--execute", FRAME, "--wait", "-1") as process:
        assert process.stdout.readline() == FRAME + "\n"
        process.communicate()
    assert process.returncode == 0


def test_wscat_reports_the_status_of_a_refused_handshake(gateway, wscat):
    with wscat("--connect", gateway.websocket_url + "-gone") as process:
        assert process.stderr.readline() == "error: Unexpected server response: 403\n"
        process.communicate()


def test_websockets(gateway):
    with connect(gateway.websocket_url) as client:
        client.send(FRAME)
        assert client.recv(timeout=60) == FRAME
        client.send(["a message ", "in three ", "frames"])
        assert client.recv(timeout=60) == "a message in three frames"
        client.send(b"binary")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=60)
    assert closed.value.rcvd.code == 1003


async def test_websockets_with_asyncio_pings_and_is_answered(gateway):
    async with connect_async(gateway.websocket_url, max_size=None) as client:
        assert await (await client.ping()) > 0
        await client.send("x" * 32_768)
        assert len(await client.recv()) == 32_768
        await client.send("x" * 32_769)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd.code == 1009


PAGE = """
([url, frame]) => new Promise((resolve) => {
    const socket = new WebSocket(url)
    const seen = []
    socket.onopen = () => socket.send(frame)
    socket.onmessage = (message) => { seen.push(message.data); socket.send(new Uint8Array([1])) }
    socket.onclose = (event) => resolve([...seen, event.code])
})
"""


def test_a_browser(gateway):
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        except Error as error:
            pytest.skip(f"no browser: {error.message.splitlines()[0]}; run `playwright install chromium`")
        page = browser.new_page()
        assert page.evaluate(PAGE, [gateway.websocket_url, FRAME]) == [FRAME, 1003]
        # A browser hides the status of a refused handshake, as it does with the real service.
        assert page.evaluate(PAGE, [gateway.websocket_url + "-gone", FRAME]) == [1006]
        browser.close()
