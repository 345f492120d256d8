"""A text stream whose reader cannot hold up the gateway."""

import queue
import threading
from typing import TextIO

_LONGEST_QUEUE = 10_000  # writes; a reader that is further behind misses some
_CLOSE_WAIT = 2.0  # seconds


class BackgroundStream:
    """Writes to another stream in a thread of its own.

    A log that goes to a pipe which nobody reads blocks whoever writes to it; here that is the thread, and what does
    not fit into the queue is dropped. A reader that has gone is no error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(_LONGEST_QUEUE)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Queue `text`; never blocks."""
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            return

    def close(self) -> None:
        """Wait, not for long, until what is queued has been written. The other stream stays open."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(_CLOSE_WAIT)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            try:
                self._stream.write(text)
                if self._queue.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                continue
