"""However a client's bytes are cut, the same frames pass, and nothing is kept of one that is too large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_gateway.connections.frame_limit import FrameLimit
from local_gateway.limits import MAX_FRAME, MAX_MESSAGE

TEXT, CONTINUATION, CLOSE, PING = 1, 0, 8, 9
LAST = 0x80


def frame(opcode, length, *, is_masked=True):
    """One frame with a payload of zeros."""
    masked = 0x80 if is_masked else 0
    if length < 126:
        head = bytes([opcode, masked | length])
    elif length < 65536:
        head = bytes([opcode, masked | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([opcode, masked | 127]) + length.to_bytes(8, "big")
    return head + (b"mask" if is_masked else b"") + bytes(length)


def take(limit, pieces):
    before = after = b""
    for piece in pieces:
        passed = limit.take(piece)
        before, after = before + passed.before, after + passed.after
    return before, after


frames = st.lists(
    st.builds(
        frame,
        st.sampled_from([TEXT | LAST, TEXT, CONTINUATION, CONTINUATION | LAST, PING | LAST]),
        st.sampled_from([0, 1, 125]),
        is_masked=st.booleans(),
    )
)


@given(frames=frames, data=st.data())
def test_what_is_small_passes_unchanged_in_any_pieces(frames, data):
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=8)))
    limit = FrameLimit()
    assert take(limit, [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]) == (whole, b"")
    assert not limit.is_over


@given(before=frames, length=st.sampled_from([MAX_FRAME + 1, 70_000]), data=st.data())
def test_a_frame_that_is_too_large_is_dropped_and_close_frames_alone_follow(before, length, data):
    small = b"".join(before)
    close = frame(CLOSE | LAST, 2)
    whole = small + frame(TEXT | LAST, length) + frame(TEXT | LAST, 5) + close + frame(PING | LAST, 0)
    near = st.integers(0, len(small) + 14) | st.integers(len(whole) - len(close) - 30, len(whole))
    cuts = sorted(data.draw(st.sets(near, max_size=8)))
    limit = FrameLimit()
    assert take(limit, [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]) == (small, close)
    assert limit.is_over


@pytest.mark.parametrize(("frames", "is_over"), [(4, False), (5, True)])
def test_a_message_is_bounded_over_its_frames_with_control_frames_between(frames, is_over):
    limit = FrameLimit()
    for number in range(frames):
        limit.take(frame(CONTINUATION if number else TEXT, MAX_MESSAGE // 4))
        limit.take(frame(PING | LAST, 125))
    assert limit.is_over == is_over


def test_each_message_has_the_whole_limit():
    limit = FrameLimit()
    for _ in range(10):
        limit.take(frame(TEXT | LAST, MAX_FRAME))
    assert not limit.is_over


@pytest.mark.parametrize("length", [MAX_FRAME + 1, 15_000_000, 2**62])
async def test_a_frame_that_is_too_large_is_refused_before_it_has_come(serve, recorded, length):
    socket = await (await serve()).connect()
    socket._writer.transport.write(frame(TEXT | LAST, 0)[:1] + b"\xff" + length.to_bytes(8, "big") + b"mask")
    await socket.receive(timeout=60)
    assert socket.close_code == 1009
