"""How many links are worth opening: for a handful of messages, for many, beside slow ones, and never too many."""

import pytest

from broadcaster.sending.engine.dialing import links_to_open

NOTHING = {"waiting": 0, "busy": 0, "moving": 0, "opening": 0, "room": 64}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, 0),
        ({"waiting": 1}, 1),
        ({"waiting": 5}, 5),
        ({"waiting": 30}, 8),
        ({"waiting": 320}, 8),
        ({"waiting": 321}, 9),
        ({"waiting": 22, "busy": 8, "moving": 8}, 0),
        ({"waiting": 1, "busy": 4, "moving": 4}, 1),  # each of a few gets one
        ({"waiting": 22, "busy": 5, "moving": 5}, 3),  # three are slow
        ({"waiting": 30, "moving": 8, "opening": 8}, 0),
        ({"waiting": 2000}, 32),
        ({"waiting": 2000, "moving": 20, "opening": 20}, 12),
        ({"waiting": 2000, "moving": 50}, 0),
        ({"waiting": 30, "room": 3}, 3),
        ({"waiting": 30, "room": -2}, 0),
    ],
)
def test_so_many_links_are_opened(state, expected):
    assert links_to_open(**{**NOTHING, **state}) == expected
