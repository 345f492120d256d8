"""Whatever comes from outside is one line of text in the log, coloured or not."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_gateway.event_log import EventLog
from local_gateway.lambdas.process import Outcome


def written(is_coloured, write):
    stream = io.StringIO()
    write(EventLog(stream, is_coloured=is_coloured))
    return stream.getvalue()


@given(text=st.text(st.characters(codec=None), min_size=1))
def test_names_outputs_and_errors_are_one_printable_line_each(text):
    shown = written(
        False,
        lambda log: (
            log.event("POST", text, text, seconds=0.1, billed=1, outcome=Outcome(error=text)),
            log.output("function", text),
            log.warn(text),
            log.note(text),
        ),
    )
    assert len(shown.splitlines()) == 4
    assert "\x1b" not in shown
    shown.encode()


@pytest.mark.parametrize("text", ["plain", "tab\there", "日本語 é 🎉", "a\u00a0b"])
def test_text_stays_as_it_is(text):
    assert written(False, lambda log: log.output("function", text)).endswith(f"function | {text}\n")


def test_colours_are_our_own():
    shown = written(True, lambda log: log.event("POST", "\x1b[31m", "200", seconds=0.0, billed=0))
    assert shown.count("\x1b") == 2
    assert "\\x1b[31m" in shown


def test_a_long_error_is_cut():
    shown = written(
        False, lambda log: log.event("chat", "id", "500", seconds=0.0, billed=0, outcome=Outcome(error="x" * 99_999))
    )
    assert len(shown) < 2_000
