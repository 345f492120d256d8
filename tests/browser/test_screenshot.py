"""The pictures of the README. They are taken each time, and put into the repository when asked:

SCREENSHOTS=1 python3 dev.py test tests/browser/test_screenshot.py
"""

import os
import struct
import zlib
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture
def folder(tmp_path):
    if not os.environ.get("SCREENSHOTS"):
        return tmp_path
    IMAGES.mkdir(parents=True, exist_ok=True)
    return IMAGES


@pytest.fixture
def busy(dashboard, folder):
    """A page on which runs of every age are to be seen."""
    page = dashboard.page
    dashboard.system.ask("PUT", "/simulation", {"speed": 25})
    page.wait_for_function("() => document.querySelectorAll('[data-status=completed]').length >= 12")
    page.get_by_role("slider", name="Simulated traffic").fill("3")  # 2x, which leaves time to look at it
    page.wait_for_function("() => document.querySelectorAll('#run-list [data-status=running]').length >= 2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-status=running] .track')].some(it => it.querySelector('.finished'))"
    )
    page.wait_for_timeout(12_000 if folder == IMAGES else 500)  # the latencies of the quick beginning go out of sight
    yield dashboard
    dashboard.system.ask("PUT", "/simulation", {"speed": 0})


def colours(png):
    """Return how many different colours a PNG has, as Chromium writes it: 8 bits, RGB or RGBA, not interlaced."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        chunk = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", chunk)
            assert depth == 8
            size = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            data += chunk
        at += 12 + length
    # Unfiltered lines differ wherever the picture does, which is all that is asked here.
    raw, stride = zlib.decompress(data), 1 + width * size
    return len({raw[at : at + size] for y in range(height) for at in range(y * stride + 1, (y + 1) * stride, size)})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dashboard_in_the_readme(busy, folder, scheme):
    page = busy.page
    page.emulate_media(color_scheme=scheme)
    run = page.locator(".run[data-status=running]", has=page.locator(".track .finished")).first
    run.locator(".face").click()
    page.get_by_role("combobox", name="Thread").select_option("")
    page.mouse.move(700, 20)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)
    file = folder / f"dashboard{'-dark' if scheme == 'dark' else ''}.png"
    assert colours(page.screenshot(path=file, animations="disabled")) > 100
    assert file.stat().st_size < 400_000


def test_the_dashboard_on_a_phone(busy, folder):
    page = busy.page
    page.set_viewport_size({"width": 390, "height": 780})
    page.locator(".run[data-status=running] .face").first.click()
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)
    assert colours(page.screenshot(path=folder / "dashboard-phone.png", animations="disabled")) > 100
