"""The one place where a forked child makes anew what a fork cannot carry over.

A fork copies the locks as they are just then, held by threads that the child does not have, and the sockets, which are
the parent's still. Whatever keeps a lock, a socket or a thread says here how it begins anew.
"""

import os
import sys
from _thread import RLock
from collections.abc import Callable
from itertools import count
from weakref import ReferenceType, ref

from .cheap_typing import Any

# By number: whose method, held weakly, and the method; or None and a function.
_remakers: "dict[int, tuple[ReferenceType[Any] | None, Callable[..., None]]]" = {}
_numbers = count()
_process = os.getpid()
_TIDY_EVERY = 64
# Seconds that a fork waits for what another thread is doing; importing boto3 takes one on a slow machine.
_LONGEST_IMPORT = 5.0
_LONGEST_LOG_RECORD = 1.0


def remake_in_child(begin: Callable[[], None]) -> None:
    """Have this called in every forked child, before anything else runs there.

    Args:
        begin: a method, whose object is not kept alive by this, or a function of a module. Called in the order in
            which they were given; must not wait for anything.
    """
    number = next(_numbers)
    owner, function = getattr(begin, "__self__", None), getattr(begin, "__func__", begin)
    _remakers[number] = None if owner is None else ref(owner), function
    if number % _TIDY_EVERY == 0:
        for other, (reference, _) in list(_remakers.items()):
            if reference is not None and reference() is None:
                _remakers.pop(other, None)


def notice_fork() -> None:
    """Look whether this is a forked child after all: not every fork runs Python's hooks, uWSGI's in C may not."""
    if os.getpid() != _process:
        _remake_all()


def forbids_threads() -> bool:
    """Return whether nothing may be sent in another thread: in uWSGI's master, and while it loads the application.

    It forks its workers in C, without holding the interpreter's lock. If a thread has that lock just then, or waits for
    it, or has one of OpenSSL's because it is ending, the worker waits for ever.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if not hasattr(uwsgi, "mule_id"):  # an application's own module may have this name
        return False
    return uwsgi.worker_id() == uwsgi.mule_id() == 0 and not uwsgi.i_am_the_spooler()


def _remake_all() -> None:
    global _process
    _process = os.getpid()
    # All of them are held first: what one lets go of may be another's, and has to be closed before it vanishes.
    held = [(reference, reference and reference(), function) for reference, function in list(_remakers.values())]
    for reference, owner, function in held:
        if reference is None:
            function()
        elif owner is not None:
            function(owner)


class _HoldsUpForks:
    """Hold this while doing something during which Python holds a lock of its own: a fork in another thread waits.

    Otherwise the child would have a copy of that lock, without the thread that releases it.

    Args:
        longest: seconds that a fork waits at most.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self.begin()
        remake_in_child(self.begin)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.hold, after_in_parent=self.let_go)

    def begin(self) -> None:
        """Begin with nothing under way: at first, and in a forked child."""
        self._lock = RLock()
        self._is_held = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def hold(self) -> None:
        """Wait until no other thread holds it, before a fork."""
        self._is_held = self._lock.acquire(timeout=self._longest)

    def let_go(self) -> None:
        """Let others go on, in the parent."""
        if self._is_held:
            self._lock.release()


writing_logs = _HoldsUpForks(_LONGEST_LOG_RECORD)  # the stream is locked
importing = _HoldsUpForks(_LONGEST_IMPORT)  # the module is locked; made last, so held first: an import may want to log

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remake_all)

# For what is guarded here: held for a moment, never during I/O that others would wait for. Re-entrant, because a signal
# handler or a `__del__` may broadcast while its own thread holds it.
make_lock = RLock
