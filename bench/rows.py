"""The promised figures: what each must be, what it aims at, what it is."""

from typing import NamedTuple


class Row(NamedTuple):
    """One promised figure."""

    what: str
    value: float
    unit: str
    must: float
    aim: float
    is_floor: bool = False  # whether more is better
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether what must be is so, and what was aimed at."""
        for bound, word in ((self.aim, "as aimed"), (self.must, "as it must")):
            if self.value >= bound if self.is_floor else self.value <= bound:
                return word
        return "MISSED"


def show(rows: list[Row]) -> None:
    """Print the rows as a table."""
    print(f"\n{'':56}{'value':>12}{'must':>9}{'aim':>9}")
    for row in rows:
        value = f"{row.value:,.0f}" if row.value >= 1_000 else f"{row.value:.3g}"
        value = f"{value} {row.unit}".rstrip()
        print(f"{row.what:56}{value:>12}{row.must:>9,g}{row.aim:>9,g}  {row.verdict:11} {row.note}")
