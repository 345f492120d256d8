"""The one line about each event."""

import io
import json
import sys

import pytest

import log_line


def test_the_fields_are_one_line_of_json_without_those_that_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log_line.write({"route": "$default", "close_code": None, "connection_id": "a\nb"})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"route": "$default", "connection_id": "a\nb"}


def test_halves_of_surrogate_pairs_do_not_keep_a_line_from_being_encoded(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    log_line.write({"connection_id": "\ud800"})
    assert json.loads(capfdbinary.readouterr().out.decode("utf-8")) == {"connection_id": "\ud800"}


def test_the_line_goes_out_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lines(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    lines = Lines()
    monkeypatch.setattr(sys, "stdout", lines)
    log_line.write({"route": "$connect"})
    assert lines.writes == 1


def test_a_line_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for output in (closed, None):
        monkeypatch.setattr(sys, "stdout", output)
        log_line.write({"route": "$connect"})
    log_line.write({"route": object()})
