"""The log with one line a second for all posts together."""

import asyncio
import re

import pytest

from local_gateway.post_summary import PostSummary


class Lines(asyncio.Queue):
    """A stream whose lines can be waited for."""

    write = asyncio.Queue.put_nowait


@pytest.fixture
async def lines():
    return Lines()


async def test_posts_share_a_line_and_other_events_have_their_own(lines):
    log = PostSummary(lines)
    for number in range(100):
        log.event("POST", f"id{number % 3}", "410" if number % 3 == 2 else "200", seconds=0.002, billed=2)
    log.event("$connect", "id3", "200", seconds=0.01, billed=0)
    assert "$connect" in await lines.get()
    shared = await lines.get()
    assert re.fullmatch(r"\S+ POST +3 connections +200: 67, 410: 33 +2\.0 ms  200 billed\n", shared)


async def test_the_next_posts_have_a_line_of_their_own(lines):
    log = PostSummary(lines)
    for _ in range(2):
        log.event("POST", "id", "200", seconds=0.001, billed=1)
        assert re.fullmatch(r"\S+ POST +1 connection +200: 1 +1\.0 ms  1 billed\n", await lines.get())
