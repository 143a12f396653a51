"""Avatars: a head and shoulders in four colours."""

from __future__ import annotations

from PIL import ImageDraw

from pet.demo.covers import gradient, jpeg

SIDE = 320
_DRAWN = 960


def avatar(colours: tuple[str, str, str, str], *, has_long_hair: bool) -> bytes:
    """Return a JPEG; the colours are those of the background, hair, skin and clothes."""
    background, hair, skin, clothes = colours
    image = gradient(_DRAWN, background, background, clothes)
    draw = ImageDraw.Draw(image)
    if has_long_hair:
        draw.rounded_rectangle((268, 190, 692, 720), 200, fill=hair)
    draw.ellipse((130, 640, 830, 1_300), fill=clothes)
    draw.rounded_rectangle((410, 540, 550, 730), 66, fill=skin)
    draw.ellipse((310, 230, 650, 640), fill=skin)
    draw.pieslice((292, 190, 668, 590), 180, 360, fill=hair)
    draw.ellipse((292, 330, 420, 450) if has_long_hair else (300, 250, 470, 420), fill=hair)
    for x in (400, 560):
        draw.ellipse((x - 17, 442, x + 17, 480), fill="#231f20")
    draw.arc((418, 480, 542, 572), 25, 155, fill="#7a3b3b", width=12)
    return jpeg(image, SIDE)
