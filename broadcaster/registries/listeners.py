"""The listeners of one broadcast, read from a registry page by page while it is sent."""

from collections.abc import Iterator

from ..errors import RegistryError


class Listeners:
    """The pages of a registry, of which the first is read at once, so that a registry that is away ends it all.

    When a later page cannot be read the pages end there: whoever was read before is still sent to, for leaving them out
    would lose the event for them too. The error is kept for whoever is told the result.

    Attributes:
        error: why the pages ended too early, if they did.

    Raises:
        RegistryError: the first page cannot be read.
    """

    def __init__(self, pages: Iterator[list[str]]) -> None:
        self.error: RegistryError | None = None
        self._pages = pages
        self._first = next(pages, None)

    def __iter__(self) -> Iterator[list[str]]:
        page, self._first = self._first, None
        while page is not None:
            yield page
            try:
                page = next(self._pages, None)
            except RegistryError as error:
                self.error = error
                return
