"""The addresses of the service's name: looked up without holding up the loop, the ones that work first."""

import socket
import time
from _thread import start_new_thread  # importing threading costs more than a message
from collections.abc import Callable
from math import inf

from ...forks import forbids_threads, make_lock
from ...transfers import plain_name

# API Gateway's names have several addresses that change by the minute.
_FRESH_SECONDS = 60.0

Address = tuple[int, tuple[object, ...]]  # family, and what `socket.connect` takes


class Addresses:
    """The addresses of one name. Thread-safe; shared by all loops of an engine.

    `getaddrinfo` blocks and cannot be told to hurry, so it runs in a short-lived thread, unless none may be
    started; those who wait are called.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lock = make_lock()
        self._known: list[Address] = []
        self._known_at = -inf
        self._failed_at: dict[Address, float] = {}
        self._is_looking = False
        self._waiting: list[Callable[[], None]] = []
        self.error: OSError | None = None  # why there are none

    def next(self, when_known: Callable[[], None]) -> Address | None:
        """Return the address to try next; None if it has to be looked up first, or there is none (see `error`).

        Args:
            when_known: called, in another thread, when a look-up that this call has to wait for is over.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._known_at > _FRESH_SECONDS and not self._is_looking and self.error is None:
                self._look_up()
            if not self._known:
                if self._is_looking:
                    self._waiting.append(when_known)
                return None
            address = min(self._known, key=lambda each: self._failed_at.get(each, -inf))
            # The next one gets another address: the load spreads, and one that does not answer holds up only a few.
            self._known.remove(address)
            self._known.append(address)
            return address

    def take_error(self) -> OSError | None:
        """Return why there is no address, once; the next call of `next` looks again."""
        with self._lock:
            error, self.error = self.error, None
            return error

    def failed(self, address: Address, now: float) -> int:
        """Record that an address could not be connected to; return how many others have not failed for a while."""
        with self._lock:
            self._failed_at[address] = now
            return sum(now - self._failed_at.get(each, -inf) > _FRESH_SECONDS for each in self._known)

    def works(self, address: Address) -> None:
        """Record that an address could be connected to."""
        self._failed_at.pop(address, None)

    def _look_up(self) -> None:
        # No name server is asked for these, so it does not block.
        is_known = self._host == "localhost" or ":" in self._host or self._host.replace(".", "").isdigit()
        if is_known or forbids_threads():
            self._resolve()
            return
        try:
            start_new_thread(self._resolve_aside, ())
        except RuntimeError:  # no thread left on this machine, or none any more in this interpreter
            self._resolve()
        else:
            self._is_looking = True

    def _resolve(self) -> None:
        try:
            found = socket.getaddrinfo(plain_name(self._host), self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as reason:  # UnicodeError: a name that cannot be one, such as "a..b"
            error = reason if isinstance(reason, OSError) else OSError(socket.EAI_NONAME, str(reason))
            self.error = None if self._known else error
            self._known_at = time.monotonic() if self._known else -inf
        else:
            self._known = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
            self._known_at = time.monotonic()
            self._failed_at = {each: at for each, at in self._failed_at.items() if each in self._known}

    def _resolve_aside(self) -> None:
        other = Addresses(self._host, self._port)
        other._resolve()
        with self._lock:
            self._is_looking = False
            if other._known:
                self._known, self._known_at = other._known, other._known_at
            else:
                self.error = None if self._known else other.error
                self._known_at = time.monotonic() if self._known else -inf
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
