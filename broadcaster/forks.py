"""The one place where a forked child makes anew what a fork cannot carry over.

A fork copies the locks as they are just then, held by threads that the child does not have, and the sockets, which are
the parent's still. Whatever keeps a lock, a socket or a thread says here how it begins anew.
"""

import os
from _thread import RLock
from collections.abc import Callable
from itertools import count
from weakref import ReferenceType, WeakMethod, ref

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from typing import Any

_remakers: "dict[int, ReferenceType[Any]]" = {}
_numbers = count()
_process = os.getpid()


def remake_in_child(begin: Callable[[], None]) -> None:
    """Have this called in every forked child, before anything else runs there.

    Args:
        begin: a method, whose object is not kept alive by this, or a function of a module. Called in the order in
            which they were given; must not wait for anything.
    """
    number = next(_numbers)

    def forget(_: object) -> None:
        _remakers.pop(number, None)

    _remakers[number] = WeakMethod(begin, forget) if hasattr(begin, "__self__") else ref(begin, forget)


def notice_fork() -> None:
    """Look whether this is a forked child after all: not every fork runs Python's hooks, uWSGI's in C may not."""
    if os.getpid() != _process:
        _remake_all()


def _remake_all() -> None:
    global _process
    _process = os.getpid()
    # All of them are held first: what one lets go of may be another's, and has to be closed before it vanishes.
    for begin in [reference() for reference in list(_remakers.values())]:
        if begin is not None:
            begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remake_all)

# For what is guarded here: held for a moment, never during I/O that others would wait for. Re-entrant, because a signal
# handler or a `__del__` may broadcast while its own thread holds it.
make_lock = RLock
