"""All links of one loop: opening them, watching them, keeping the free ones, throwing away the dead ones."""

import errno
import selectors
import socket
from collections.abc import Callable

from ...cheap_typing import TYPE_CHECKING
from ...log import DEBUG, listening
from .addresses import Addresses
from .dialing import SLOW_OPENING_AFTER, STUCK_AFTER, Dialing, links_to_open
from .link import CLOSED, IDLE, OPENING, READ, Link

if TYPE_CHECKING:
    import ssl

# Firewalls, NAT and load balancers forget a silent connection after a minute at the earliest.
MOST_IDLE_SECONDS = 50.0
# A link that was idle for longer may have been closed on the far side without our knowing. Before that it is not looked
# at, which costs as much as sending; should it be closed all the same, its message goes again on another.
RECENTLY = 1.0  # seconds
MOST_OF_SELECT = 500


class Links:
    """The links of one loop and the selector that watches them. Not thread-safe.

    Attributes:
        selector: each link is registered with itself as data.
        blocked: what sending and receiving raise when the socket is not ready.
        ended: what receiving raises, instead of returning b"", at an end without TLS's own goodbye.
        have_changed: whether a link was closed since the loop looked last; the loop resets it.
    """

    def __init__(
        self,
        addresses: Addresses,
        name: str,
        context: "ssl.SSLContext | None",
        *,
        attempts: int,
        when_looked_up: Callable[[], None],
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self.have_changed = False
        self.blocked: tuple[type[OSError], ...] = (BlockingIOError,)
        self.ended: tuple[type[OSError], ...] = ()
        if context is not None:
            import ssl

            self.blocked = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
            self.ended = (ssl.SSLEOFError,)
        self._addresses = addresses
        self._name = name
        self._context = context
        self._attempts = attempts
        self._when_looked_up = when_looked_up
        self._session: ssl.SSLSession | None = None
        # Windows watches 512 sockets at most; with more than that it fails for all of them.
        self._most = MOST_OF_SELECT if isinstance(self.selector, selectors.SelectSelector) else None
        self._all: set[Link] = set()
        self._idle: list[Link] = []  # the one used last comes first out
        self._dialing = Dialing(attempts)

    # Opening

    def open_more(self, waiting: int, room: int, now: float) -> None:
        """Begin to open as many links as so many messages are worth, if there are not enough that get work done.

        Args:
            room: how many requests may be in flight.
        """
        if now < self._dialing.next_at:
            return
        opening = [link for link in self._all if link.state == OPENING]
        slow_opening = sum(now - link.since > SLOW_OPENING_AFTER for link in opening)
        with_task = [link for link in self._all if link.task is not None]
        stuck = sum(now - link.since > STUCK_AFTER for link in with_task)
        if self._most is not None:
            room = min(room, self._most)
        wanted = links_to_open(
            waiting=waiting,
            busy=len(with_task) - stuck,
            moving=len(self._all) - slow_opening - stuck,
            opening=len(opening) - slow_opening,
            room=room - len(self._all) + min(slow_opening, room),  # at most twice as many, if none of them opens
        )
        for _ in range(wanted):
            if not self._dial(now):
                break

    def go_on_opening(self, link: Link, now: float) -> bool:
        """Go on connecting and shaking hands; return whether the link is open now."""
        try:
            events = link.open()
        except OSError as error:
            self.fail_to_open(link, error, now)
            return False
        self.wait_for(link, events or READ)
        if events:
            return False
        if (log := listening(DEBUG)) is not None:
            log.debug("connected to %s at %s", self._name, link.address[1])
        self._dialing.opened()
        self._addresses.works(link.address)
        return True

    def fail_to_open(self, link: Link, error: OSError, now: float) -> None:
        """Give up a link that is being opened."""
        untried = self._addresses.failed(link.address, now)
        reason, is_final = describe(error), False
        if (log := listening(DEBUG)) is not None:
            log.debug("no connection to %s at %s: %s", self._name, link.address[1], reason)
        if self._context is not None:
            from ...tls import is_untrusted

            if is_untrusted(error):
                is_final = True
                reason = f"{reason}; if it is the right host, give its authority with verify= or AWS_CA_BUNDLE"
        self._dialing.failed(reason, link.since, now, untried=untried, is_final=is_final)
        self.close(link)

    def begin(self) -> None:
        """Forget that there was no hope, for somebody new who wants to send: it may be reached now."""
        if not self._all:
            self._dialing = Dialing(self._attempts)

    @property
    def why_unreachable(self) -> str | None:
        """Why there is no hope to open a link, if there is none open either; None as long as there is hope."""
        return self._dialing.reason if self._dialing.is_hopeless and not self._all else None

    @property
    def why_not_open(self) -> str | None:
        """Why no link is open at the moment; None if one is."""
        if any(link.state != OPENING for link in self._all):
            return None
        return self._dialing.reason or "no connection could be opened in time"

    def try_on(self, now: float) -> None:
        """Try again after all, after a pause."""
        self._dialing.start_over(now)

    @property
    def retry_at(self) -> float:
        """When opening links may be tried again."""
        return self._dialing.next_at

    def _dial(self, now: float) -> bool:
        """Begin to open one link; return whether that was possible."""
        address = self._addresses.next(self._when_looked_up)
        if address is None:
            error = self._addresses.take_error()
            if error is not None:
                is_unknown = error.errno == socket.EAI_NONAME
                hint = "; check the API id and the region" if is_unknown else ""
                self._dialing.failed(f"{describe(error)}{hint}", now, now, is_final=is_unknown)
                self.have_changed = True
            return False
        try:
            link = Link(address, self._name, now, self._context, self._session)
        except OSError as error:
            self._dialing.failed(describe(error), now, now, untried=self._addresses.failed(address, now))
            self.have_changed = True
            return False
        self._all.add(link)
        self.selector.register(link.socket, link.events, link)
        return True

    # Using

    def take_idle(self) -> Link:
        """Return a free link, the one that was used last; there is one if `has_idle`."""
        return self._idle.pop()

    @property
    def has_idle(self) -> bool:
        """Whether a link is free."""
        return bool(self._idle)

    @property
    def free(self) -> int:
        """How many links are free."""
        return len(self._idle)

    def rest(self, link: Link, now: float) -> None:
        """Keep a link that has nothing to do."""
        link.state = IDLE
        link.task = None
        link.since = now
        self._idle.append(link)

    def has_answered(self, link: Link) -> None:
        """Record the first answer of a link: its TLS session is established and resumes in others."""
        link.is_kept = True
        self._session = link.session

    def wait_for(self, link: Link, events: int) -> None:
        """Tell the selector what to wait for; wrapping in TLS has given the link another socket object."""
        if link.events != events:
            link.events = events
            self.selector.modify(link.socket, events, link)

    def of_task(self, task: object) -> list[Link]:
        """Return the links on which requests of this task are under way."""
        return [link for link in self._all if link.task is task]

    def not_since(self, limit: float) -> list[Link]:
        """Return the links that have been opening, or waiting for an answer, since before `limit`."""
        return [link for link in self._all if link.since < limit and link.state != IDLE]

    # Closing

    def look_at_idle(self, link: Link) -> None:
        """Close a free link that has become readable: at its end, or for something that nobody asked for."""
        try:
            link.receive(1)
        except self.blocked:
            return  # the server's TLS session tickets
        except OSError:
            pass
        self.close(link)

    def close_aged(self, now: float) -> None:
        """Close free links that the far side has closed, or that have been idle for too long to be trusted."""
        self._close_closed()
        for link in [link for link in self._idle if now - link.since > MOST_IDLE_SECONDS]:
            self.close(link)

    def distrust_idle(self, now: float) -> None:
        """Close the free links that are closed too or were left alone for a while: another was found to be dead."""
        self._close_closed()
        for link in [link for link in self._idle if now - link.since > RECENTLY]:
            self.close(link)

    def _close_closed(self) -> None:
        for key, _ in self.selector.select(0):
            if key.data is not None and key.data.state == IDLE:
                self.look_at_idle(key.data)

    def close(self, link: Link) -> None:
        """Close one link, whatever it is doing."""
        if link.state == CLOSED:
            return
        if link.state == IDLE:
            self._idle.remove(link)
        self._all.discard(link)
        self.selector.unregister(link.socket)
        link.close()
        self.have_changed = True

    def close_all(self) -> None:
        """Close every link and the selector. In a forked child this leaves the parent's alone."""
        for link in self._all:
            link.close()
        self._all.clear()
        self._idle.clear()
        self.selector.close()


def describe(error: Exception) -> str:
    """Return an error's own words on one line, without its number."""
    untrusted = getattr(error, "verify_message", "")
    text = untrusted or getattr(error, "strerror", "") or str(error) or type(error).__name__
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        text += "; this process has no file descriptor left: raise its limit (ulimit -n)"
    return " ".join(f"{'its certificate is not trusted: ' if untrusted else ''}{text}".split())[:200]
