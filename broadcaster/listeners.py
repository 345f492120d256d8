"""The listeners of one broadcast, read from a registry page by page while it is sent."""

from collections.abc import Iterable, Iterator

from .errors import BroadcasterError, RegistryError

# Nobody can be posted to by these, for each names another path than that of a connection, nor by what has no UTF-8.
# Nothing here registers them, but whoever can write where the entries live could put one there, and one such entry must
# not end the broadcast for everybody.
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
        self._has_read_two = False
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

    def has_one_page(self, *, size: int) -> bool:
        """Return whether a first page that is not full is the only one; to be asked before the pages are read.

        Reads the second page: of the registries of this package that is nearly never a request.

        Args:
            size: of a full page.
        """
        if self._first is None or len(self._first) >= size:
            return False
        self._second, self._has_read_two = self._read(), True
        return self._second is None

    def __iter__(self) -> Iterator[list[str]]:
        page, self._first = self._first, None
        if page is not None:
            yield page
            page = self._second if self._has_read_two else self._read()
        while page is not None:
            yield page
            page = self._read()

    def _read(self) -> list[str] | None:
        try:
            return next(self._pages, None)
        except RegistryError as error:
            self.error = error
        except Exception as error:  # of a registry that is somebody's own, or of credentials that are gone
            self.error = _broken_off(error)
            self.error.__cause__ = error
        return None


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
        if _PATHS.isdisjoint(page) and "".join(page).isascii():
            yield page
        elif kept := [connection_id for connection_id in page if _can_be_posted_to(connection_id)]:
            yield kept


def _can_be_posted_to(connection_id: str) -> bool:
    try:
        return connection_id.encode() != b"" and connection_id not in _PATHS
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _check_text(page: list[str]) -> None:
    """Refuse what would end the sending in the middle, such as the bytes of a Redis client that does not decode."""
    for connection_id in page:
        if not isinstance(connection_id, str):
            raise RegistryError(f"the registry lists {connection_id!r:.80}, which is no text; connection ids are str")
