"""The listeners of one broadcast, read from a registry page by page while it is sent."""

from collections.abc import Iterator

from .errors import RegistryError

# Each names another path than that of a connection, so neither is posted to. Nothing here registers them, but whoever
# can write where the entries live could put one there, and one such entry must not end the broadcast for everybody.
_PATHS = frozenset((".", ".."))


class Listeners:
    """Reads the pages of a registry; the first at once, so that nothing is sent if the registry cannot be reached.

    When a later page cannot be read, for whatever reason, the pages end there: whoever was read before is still sent
    to, for leaving them out would lose the event for them too. The error is kept for whoever is told the result.

    Attributes:
        error: why the pages ended too early, if they did.

    Raises:
        RegistryError: the first page cannot be read.
    """

    def __init__(self, pages: Iterator[list[str]]) -> None:
        self.error: RegistryError | None = None
        self._pages = _without_paths(pages)
        self._first = next(self._pages, None)

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
                self.error = RegistryError(f"the list of connections broke off: {type(error).__name__}: {error}")
                self.error.__cause__ = error
                return


def _without_paths(pages: Iterator[list[str]]) -> Iterator[list[str]]:
    for page in pages:
        if _PATHS.isdisjoint(page):
            yield page
        elif kept := [connection_id for connection_id in page if connection_id not in _PATHS]:
            yield kept
