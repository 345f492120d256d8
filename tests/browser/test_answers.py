"""What a browser makes of a backend's wrong answers, and which words the client has for it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client" / "src"
FINAL = "; it is not asked again on this connection"
CORS = "cannot be read (Failed to fetch): no network, or CORS forbids it"


class Backend(BaseHTTPRequestHandler):
    """Serves a page with the client, and answers a registration at each path in a way of its own."""

    def do_GET(self):
        if self.path.startswith("/client/"):
            self._answer(200, "text/javascript", (CLIENT / self.path.rpartition("/")[2]).read_bytes())
        else:
            self._answer(200, "text/html; charset=utf-8", b"<!doctype html><title>A page</title>")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/login-needed"):
            self._answer(303, "text/plain", Location="/login?next=secret")
        elif self.path == "/page":
            self.do_GET()
        else:
            self._answer(404 if self.path == "/nothing" else 200, "application/json", b"{}")

    def _answer(self, status, content_type, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def backend():
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(context, backend):
    page = context.new_page()
    page.goto(backend)
    yield page
    page.close()


@pytest.fixture
def first_error(page, system):
    """Connects the page with a `register` of one's own, and returns its first error."""

    def ask(register):
        return page.evaluate(
            """async ([url, register]) => {
                const { Gateway } = await import("/client/gateway.js");
                const { connection } = new Gateway(url, { register });
                return new Promise((resolve) => connection.bind("error", ({ type, error }) => {
                    connection.disconnect();
                    resolve([type, error.data.message, error.data.code ?? null]);
                }));
            }""",
            [system.websocket, register],
        )

    return ask


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/login-needed?token=secret", "redirects to {}/login; is it a login?" + FINAL, None),
        ("/page", "answered with HTML instead of JSON", None),
        ("/nothing", "answered 404" + FINAL, 404),
    ],
)
def test_each_wrong_answer_has_its_own_words(backend, first_error, path, words, status):
    place = path.split("?")[0]
    assert first_error(path) == ["RegistrationError", f"{place} {words.format(backend)}", status]


def test_a_backend_of_another_origin_that_does_not_admit_the_page_cannot_be_read(backend, first_error):
    other = backend.replace("127.0.0.1", "localhost") + "/register"
    assert first_error(other) == ["RegistrationError", f"{other} {CORS}", None]


def test_a_backend_that_is_not_there_cannot_be_read_either(first_error):
    nowhere = "http://127.0.0.1:1/register"
    assert first_error(nowhere) == ["RegistrationError", f"{nowhere} {CORS}", None]


def test_what_nobody_handles_is_in_the_console_once(page):
    texts = []
    page.on("console", lambda message: texts.append(message.text))
    page.evaluate(
        """async () => {
            Math.random = () => 0.1; // pauses between attempts
            const { Gateway } = await import("/client/gateway.js");
            const { connection } = new Gateway("ws://127.0.0.1:9/production");
            await new Promise((resolve) => connection.bind("unavailable", resolve));
            await new Promise((resolve) => setTimeout(resolve, 1000));
            connection.disconnect();
        }"""
    )
    assert sum("WebSocket connection to" in text for text in texts) > 1, "Chromium tells of each attempt"
    said = [text for text in texts if text.startswith("WebSocketError: ws://127.0.0.1:9/production cannot be reached")]
    assert len(said) == 1
