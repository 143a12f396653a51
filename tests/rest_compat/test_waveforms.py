"""The drawing of a waveform: bars around the middle, for any page's size and colour."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from pet.rest_compat.waveforms import drawn

SVG = "{http://www.w3.org/2000/svg}"


def bars(levels: list[float]) -> list[tuple[float, float, float]]:
    """Return of each bar where it begins, from the left and from above, and how high it is."""
    root = ET.fromstring(drawn(levels))  # noqa: S314 - our own text
    (path,) = root
    assert (root.tag, path.tag) == (f"{SVG}svg", f"{SVG}path")
    assert (root.get("viewBox"), root.get("preserveAspectRatio")) == (f"0 0 {len(levels)} 100", "none")
    assert path.get("fill") == "currentColor"
    found = re.findall(r"M(\d+) ([\d.]+)h\.7v([\d.]+)h-\.7z", path.get("d") or "")
    return [(float(left), float(top), float(height)) for left, top, height in found]


def test_bars_stand_around_the_middle() -> None:
    assert bars([1.0, 0.5, 0.004]) == [(0, 0, 100), (1, 25, 50), (2, 49.5, 1)]


@pytest.mark.parametrize("count", [1, 200, 1000])
def test_silence_is_a_line(count: int) -> None:
    assert bars([0.0] * count) == [(number, 49.5, 1) for number in range(count)]
