"""What a browser makes of a backend's wrong answers, and which words the client has for it."""

import pytest

FINAL = "; not asked again"
CORS = "cannot be read: Failed to fetch, no network or CORS"
ANSWERS = {
    "/login-needed": lambda body: (303, {"Location": "/login?next=secret"}, b""),
    "/page": lambda body: (200, {"Content-Type": "text/html; charset=utf-8"}, b"<!doctype html>"),
    "/nothing": lambda body: (404, {"Content-Type": "application/json"}, b"{}"),
    "/register": lambda body: (200, {"Content-Type": "application/json"}, b"{}"),
}


@pytest.fixture
def backend(serve_page):
    return serve_page(ANSWERS)


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
        ("/login-needed?token=secret", "redirects to {}/login" + FINAL, None),
        ("/page", "answered HTML, not JSON", None),
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
