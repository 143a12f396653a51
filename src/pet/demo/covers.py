"""Album covers, painted by Pillow: the same picture for the same name, on every machine."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import cos, pi, sin

from PIL import Image, ImageColor, ImageDraw, ImageFilter

SIDE = 600
"""Pixels of a finished cover's side."""

_DRAWN = 2 * SIDE
"""Everything is drawn twice as large and reduced, which smooths the edges."""

_QUALITY = 86

Colour = tuple[int, int, int]


@cache
def cover(painting: str) -> bytes:
    """Return the JPEG of a painting, by its name."""
    return jpeg(PAINTINGS[painting](), SIDE)


def jpeg(image: Image.Image, side: int) -> bytes:
    """Return an image reduced to a side in pixels, as JPEG."""
    buffer = io.BytesIO()
    image.resize((side, side), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def gradient(side: int, *colours: str) -> Image.Image:
    """Return a square that goes from the first colour at the top through the others to the last at the bottom."""
    stops = [rgb(colour) for colour in colours]
    column = Image.new("RGB", (1, side))
    for y in range(side):
        place = y / side * (len(stops) - 1)
        index = int(place)
        column.putpixel((0, y), _mixed(stops[index], stops[index + 1], place - index))
    return column.resize((side, side))


def rgb(colour: str) -> Colour:
    """Return the parts of a colour like `#f2c14e`."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def _mixed(first: Colour, second: Colour, part: float) -> Colour:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: str) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _glowing(image: Image.Image, x: float, y: float, radius: float, colour: str) -> None:
    """Lay a soft light around a point; blurred small, since a blur of this width costs by its radius."""
    mask = Image.new("L", (150, 150))
    scale = 150 / image.width
    ImageDraw.Draw(mask).ellipse(tuple((c + s * radius) * scale for s in (-1, 1) for c in (x, y)), fill=150)
    mask = mask.filter(ImageFilter.GaussianBlur(radius * scale * 0.45)).resize(image.size, Image.Resampling.BICUBIC)
    image.paste(Image.new("RGB", image.size, colour), mask=mask)


def _hills(draw: ImageDraw.ImageDraw, height: float, swell: float, shift: float, colour: str) -> None:
    outline = [
        (x, height - swell * (sin(x / 190 + shift) + 0.5 * sin(x / 83 + 2 * shift))) for x in range(0, _DRAWN + 8, 8)
    ]
    draw.polygon([(0, _DRAWN), *outline, (_DRAWN, _DRAWN)], fill=colour)


def _harbour() -> Image.Image:
    """Paint a moon over water."""
    image = gradient(_DRAWN, "#0d1b3e", "#27477a", "#6d8fb3", "#12284c", "#0a1730")
    _glowing(image, 780, 380, 330, "#ffe9b8")
    draw, dice = ImageDraw.Draw(image), random.Random(7)  # noqa: S311 - a picture, not a secret
    _disc(draw, 780, 380, 120, "#fff3d6")
    for x in range(0, _DRAWN, 48):
        top = 640 - dice.randint(18, 120) * (0.4 + 0.6 * abs(cos(x / 300)))
        draw.rectangle((x, top, x + 44, 662), fill="#0e1f40")
        if dice.random() < 0.75:
            draw.rectangle((x + 14, top + 14, x + 24, top + 26), fill="#ffd27a")
    for _ in range(130):
        y = dice.uniform(690, _DRAWN)
        width = dice.uniform(20, 70) * (1 + (y - 690) / 260)
        middle = dice.gauss(780, 40 + (y - 690) / 5)
        light = dice.choice(("#f7dfae", "#8ba6c6", "#3f5f8c"))
        draw.rounded_rectangle((middle - width, y, middle + width, y + 5), 3, fill=light)
    return image


def _snow() -> Image.Image:
    """Paint hills under falling snow."""
    image = gradient(_DRAWN, "#6f86a8", "#b9c7da", "#f3e6e4")
    draw, dice = ImageDraw.Draw(image), random.Random(11)  # noqa: S311 - a picture, not a secret
    for height, swell, shift, colour in (
        (690, 60, 0.3, "#9fb2ca"),
        (800, 55, 2.1, "#c4d1e1"),
        (930, 48, 4.0, "#e2e9f1"),
        (1_060, 36, 5.6, "#fafcff"),
    ):
        _hills(draw, height, swell, shift, colour)
    for x, y, size in ((190, 960, 130), (300, 985, 90), (930, 900, 150), (1_040, 930, 105)):
        for tier in range(3):
            top, half = y - size + tier * size * 0.28, size * (0.2 + 0.1 * tier)
            draw.polygon(((x, top), (x - half, top + size * 0.46), (x + half, top + size * 0.46)), fill="#3f5570")
    for _ in range(260):
        _disc(draw, dice.uniform(0, _DRAWN), dice.uniform(0, _DRAWN), dice.choice((3, 4, 6, 8)), "#ffffff")
    return image


def _rooftops() -> Image.Image:
    """Paint roofs that step down a hill at evening."""
    image = gradient(_DRAWN, "#f7b267", "#f79d65", "#f4845f", "#f25c54")
    _glowing(image, 350, 330, 300, "#fff1c1")
    draw, dice = ImageDraw.Draw(image), random.Random(5)  # noqa: S311 - a picture, not a secret
    _disc(draw, 350, 330, 130, "#fff6dc")
    for row, (wall, roof) in enumerate((("#d9a58b", "#b8574a"), ("#e8c3a0", "#c8553d"), ("#f6e3cf", "#9d3a32"))):
        x = -90 + 45 * row
        while x < _DRAWN:
            width = dice.randint(130, 220)
            top = 560 + 190 * row + (_DRAWN - x) * 0.12 * (1 if row % 2 else -0.4) + dice.randint(-30, 30)
            draw.rectangle((x, top, x + width - 8, _DRAWN), fill=wall)
            draw.polygon(((x - 12, top), (x + width / 2, top - 74), (x + width + 4, top)), fill=roof)
            for window in range(int(width / 70)):
                left = x + 26 + 66 * window
                draw.rounded_rectangle((left, top + 38, left + 30, top + 92), 14, fill="#4a3b52")
            x += width
    return image


def _retro() -> Image.Image:
    """Paint a striped sun over a grid, with snow."""
    image = gradient(_DRAWN, "#12053a", "#3b1173", "#a0206f", "#ff7a59")
    _glowing(image, 600, 560, 420, "#ff5fa2")
    sun, mask = gradient(_DRAWN, "#ffe26a", "#ffb04f", "#ff4f8b", "#c2258f"), Image.new("L", (_DRAWN, _DRAWN))
    shape = ImageDraw.Draw(mask)
    shape.ellipse((290, 250, 910, 870), fill=255)
    for stripe in range(7):
        shape.rectangle((0, 560 + stripe * 46, _DRAWN, 566 + stripe * 50), fill=0)
    image.paste(sun, mask=mask)
    image.paste(gradient(_DRAWN, "#1a0640", "#0b0224").crop((0, 0, _DRAWN, 400)), (0, 800))
    draw, dice = ImageDraw.Draw(image), random.Random(3)  # noqa: S311 - a picture, not a secret
    for step in range(-14, 15):
        draw.line((600 + step * 44, 800, 600 + step * 240, _DRAWN), fill="#35d0e6", width=4)
    for row in range(9):
        y = 800 + 400 * (row / 8) ** 2
        draw.line((0, y, _DRAWN, y), fill="#35d0e6", width=4)
    for _ in range(120):
        _disc(draw, dice.uniform(0, _DRAWN), dice.uniform(0, 780), dice.choice((2, 3, 5)), "#fdf4ff")
    return image


def _rays() -> Image.Image:
    """Paint rays and rings around a low sun, and a palm."""
    image = gradient(_DRAWN, "#f9c74f", "#f8961e")
    draw = ImageDraw.Draw(image)
    edges = [pi + pi * index / 24 for index in range(25)]
    for index, (begin, end) in enumerate(pairwise(edges)):
        if index % 2 == 0:
            points = [(600 + 1_500 * cos(angle), 860 + 1_500 * sin(angle)) for angle in (begin, end)]
            draw.polygon([(600, 860), *points], fill="#f3722c")
    for radius, colour in ((420, "#d1495b"), (330, "#edae49"), (240, "#fff1d0"), (150, "#d1495b")):
        _disc(draw, 600, 860, radius, colour)
    draw.rectangle((0, 860, _DRAWN, _DRAWN), fill="#00798c")
    for index in range(6):
        y = 890 + 52 * index
        draw.line([(x, y + 10 * sin(x / 46 + index)) for x in range(0, _DRAWN + 1, 6)], fill="#30aab7", width=9)
    draw.line([(210 + 0.00035 * (1_120 - y) ** 2, y) for y in range(460, 1_121, 10)], fill="#1d2d35", width=30)
    for angle in (-2.9, -2.4, -1.8, -1.1, -0.5, 0.1):
        leaf = [(362, 462), (362 + 130 * cos(angle - 0.22), 462 + 130 * sin(angle - 0.22))]
        tip = (362 + 250 * cos(angle), 492 + 190 * sin(angle))
        draw.polygon([*leaf, tip, (362 + 110 * cos(angle + 0.3), 474 + 110 * sin(angle + 0.3))], fill="#1d2d35")
    return image


def _window() -> Image.Image:
    """Paint a lamp before a window with rain and the lights of a town."""
    image = gradient(_DRAWN, "#1f2a44", "#3b4a6b", "#6c6f93")
    draw, dice = ImageDraw.Draw(image), random.Random(9)  # noqa: S311 - a picture, not a secret
    for _ in range(46):
        x, y = dice.uniform(0, _DRAWN), dice.uniform(380, 900)
        _disc(draw, x, y, dice.uniform(14, 44), dice.choice(("#e7a977", "#b77f9b", "#7f8fc0", "#e3c58e")))
    image = image.filter(ImageFilter.GaussianBlur(9))
    draw = ImageDraw.Draw(image)
    for _ in range(150):
        x, y, length = dice.uniform(0, _DRAWN), dice.uniform(-40, 940), dice.uniform(20, 90)
        draw.line((x, y, x - length * 0.16, y + length), fill="#aab6d6", width=3)
    for box in ((585, 0, 615, 960), (0, 440, _DRAWN, 466)):
        draw.rectangle(box, fill="#2a2236")
    draw.rectangle((0, 950, _DRAWN, _DRAWN), fill="#3a2a2f")
    draw.rectangle((0, 950, _DRAWN, 966), fill="#5b4148")
    _glowing(image, 330, 830, 320, "#ffd58a")
    draw = ImageDraw.Draw(image)
    draw.line((250, 1_030, 250, 760, 330, 690), fill="#191521", width=18, joint="curve")
    draw.polygon(((265, 640), (395, 640), (455, 770), (205, 770)), fill="#e76f51")
    draw.ellipse((160, 1_010, 340, 1_060), fill="#191521")
    draw.rounded_rectangle((760, 900, 900, 1_040), 22, fill="#f0ead6")
    draw.ellipse((870, 925, 950, 1_005), outline="#f0ead6", width=18)
    return image


PAINTINGS: dict[str, Callable[[], Image.Image]] = {
    "harbour": _harbour,
    "snow": _snow,
    "rooftops": _rooftops,
    "retro": _retro,
    "rays": _rays,
    "window": _window,
}
