"""The names of epochs."""

import time
from itertools import pairwise

from broadcaster.history.epochs import new_epoch


def test_names_sort_by_when_they_were_made_and_none_comes_twice(monkeypatch):
    names = []
    for milliseconds in (9, 10, 0xFFFF, 1_800_000_000_000, 1_800_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda milliseconds=milliseconds: milliseconds * 1_000_000 + 999_999)
        names.append([new_epoch() for _ in range(100)])
    assert {len(name) for made in names for name in made} == {16}
    assert all(max(before) < min(after) for before, after in pairwise(names))
    assert len({name for made in names for name in made}) > 490  # 20 bits at random
