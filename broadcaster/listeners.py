"""The listeners of one broadcast, read from a registry page by page while it is sent."""

from collections.abc import Iterable, Iterator

from .errors import BroadcasterError, RegistryError

# Each names another path than that of a connection, so none is posted to. Nothing here registers them, but whoever
# can write where the entries live could put one there, and one such entry must not end the broadcast for everybody.
_PATHS = frozenset(("", ".", ".."))
_TEXT = frozenset((str,))


class Listeners:
    """Reads the pages of a registry; the first at once, so that nothing is sent if the registry cannot be reached.

    When a later page cannot be read, for whatever reason, the pages end there: whoever was read before is still sent
    to, for leaving them out would lose the event for them too. The error is kept for whoever is told the result.

    Attributes:
        error: why the pages ended too early, if they did.

    Raises:
        BroadcasterError: the first page cannot be read: a `RegistryError`, unless the registry raises another of ours.
    """

    def __init__(self, pages: Iterator[list[str]]) -> None:
        self.error: RegistryError | None = None
        self._pages = connections_in(pages)
        try:
            self._first = next(self._pages, None)
        except BroadcasterError:
            raise
        except Exception as error:
            raise _broken_off(error) from error

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens; to be asked before the pages are read."""
        return self._first is None

    def __iter__(self) -> Iterator[list[str]]:
        page, self._first = self._first, None
        while page is not None:
            yield page
            try:
                page = next(self._pages, None)
            except RegistryError as error:
                self.error = error
                return
            except Exception as error:  # of a registry that is somebody's own, or of credentials that are gone
                self.error = _broken_off(error)
                self.error.__cause__ = error
                return


def _broken_off(error: Exception) -> RegistryError:
    return RegistryError(f"the list of connections broke off: {type(error).__name__}: {error}")


def connections_in(pages: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the pages of a registry without what no connection can be posted to by.

    Raises:
        RegistryError: something in them is no text.
    """
    for page in pages:
        if not _TEXT.issuperset(map(type, page)):
            _check_text(page)
        if _PATHS.isdisjoint(page):
            yield page
        elif kept := [connection_id for connection_id in page if connection_id not in _PATHS]:
            yield kept


def _check_text(page: list[str]) -> None:
    """Refuse what would end the sending in the middle, such as the bytes of a Redis client that does not decode."""
    for connection_id in page:
        if not isinstance(connection_id, str):
            raise RegistryError(f"the registry lists {connection_id!r:.80}, which is no text; connection ids are str")
