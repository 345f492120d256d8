"""The names of epochs."""

import time
from itertools import pairwise

from broadcaster.history.epochs import new_epoch


def test_names_sort_by_when_they_were_made_and_none_comes_twice(monkeypatch):
    names = []
    for second in (9, 10, 0xFFFF, 1_800_000_000, 0xFFFF_FFFF):
        monkeypatch.setattr(time, "time", lambda second=second: second + 0.9)
        names.append([new_epoch() for _ in range(100)])
    assert {len(name) for made in names for name in made} == {14}
    assert all(max(before) < min(after) for before, after in pairwise(names))
    assert len({name for made in names for name in made}) > 495  # 24 bits at random
