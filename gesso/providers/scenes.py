"""The sandbox's pictures: hills, arches, still lifes and flowing bands in calm colours, drawn by program.

`draw` is pure: the same chance draws the same picture. Nothing here knows about requests or providers.
"""

import itertools
import math
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Palette = tuple[Colour, Colour, Colour, Colour, Colour]  # ground, far, middle, near, accent

_PALETTES: tuple[Palette, ...] = (
    ((246, 232, 214), (236, 190, 160), (207, 126, 104), (92, 70, 92), (36, 64, 192)),
    ((226, 235, 232), (160, 196, 190), (86, 138, 138), (32, 64, 76), (232, 148, 92)),
    ((250, 240, 224), (238, 206, 150), (196, 142, 84), (98, 66, 48), (60, 104, 148)),
    ((232, 230, 242), (176, 176, 216), (112, 112, 172), (46, 44, 92), (240, 172, 120)),
    ((238, 240, 228), (190, 202, 160), (124, 146, 98), (52, 70, 50), (206, 84, 60)),
    ((248, 228, 226), (232, 172, 172), (188, 104, 116), (84, 42, 66), (44, 110, 120)),
    ((224, 232, 244), (150, 180, 216), (78, 116, 172), (24, 40, 84), (250, 204, 120)),
)
_THROWS_SPREAD = 256 / math.sqrt(12) / 2  # the standard deviation of the mean of four bytes
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hills", (
        "hill", "mountain", "landscape", "valley", "dune", "sea", "forest", "fog", "dusk", "sky", "lake", "garden",
    )),
    ("still", ("pear", "fruit", "bowl", "vase", "jug", "table", "bottle", "product", "food", "cup", "flower", "still")),
    ("arch", (
        "arch", "building", "house", "room", "interior", "plinth", "portrait", "person", "woman", "man", "poster",
    )),
    ("flow", ("abstract", "flow", "wave", "pattern", "background", "silk", "paint", "marble", "texture", "banner")),
)  # fmt: skip


def draw(
    prompt: str,
    width: int,
    height: int,
    chance: random.Random,
    *,
    detail: int = 2,
    palette: Palette | None = None,
    transparent: bool = False,
) -> Image.Image:
    """Return a picture of `width` x `height` pixels; `detail` 1 to 3 adds layers. RGB, or RGBA when transparent."""
    colours = palette or chance.choice(_PALETTES)
    over = 2 if width * height <= 2_000_000 else 1  # drawn larger, then scaled, for smooth edges
    canvas = Image.new("RGBA", (width * over, height * over), (*colours[0], 0))
    if not transparent:
        canvas.paste(_gradient(canvas.size, _mixed(colours[0], (255, 255, 255), 0.35), colours[0]))
    _SCENES[_scene(prompt, chance)](canvas, colours, chance, detail)
    picture = canvas.resize((width, height), Image.Resampling.BOX) if over > 1 else canvas
    if not transparent:
        picture = _grain(picture.convert("RGB"), chance)
    _label(picture)
    return picture


def palette_of(image: Image.Image) -> Palette:
    """Return a palette in the colours of a picture, lightest first, its most vivid colour last."""
    small = image.convert("RGB").resize((48, 48)).quantize(6)
    table = small.getpalette() or []
    found = [(table[i], table[i + 1], table[i + 2]) for i in range(0, min(len(table), 18), 3)]
    found.sort(key=sum, reverse=True)
    found += [_PALETTES[0][3]] * (5 - len(found))
    vivid = max(found, key=lambda colour: max(colour) - min(colour))
    return found[0], found[1], found[len(found) // 2], found[-1], vivid


def _scene(prompt: str, chance: random.Random) -> str:
    words = prompt.lower()
    fitting = [name for name, known in _WORDS if any(word in words for word in known)]
    return chance.choice(fitting or [name for name, _ in _WORDS])


def _hills(canvas: Image.Image, colours: Palette, chance: random.Random, detail: int) -> None:
    width, height = canvas.size
    radius = min(width, height) * chance.uniform(0.07, 0.13)
    _disc(canvas, width * chance.uniform(0.2, 0.8), height * chance.uniform(0.2, 0.38), radius, colours[4])
    layers = 3 + detail
    for layer in range(layers):
        share = layer / (layers - 1)
        base = height * (0.42 + 0.46 * share)
        waves = [
            (chance.uniform(0.6, 2.6) * (1 + share), chance.uniform(0, math.tau), height * chance.uniform(0.02, 0.07))
            for _ in range(3)
        ]
        step = max(1, width // 160)
        ridge = [
            (x, base + sum(size * math.sin(math.tau * speed * x / width + phase) for speed, phase, size in waves))
            for x in range(0, width + step, step)
        ]
        colour = _mixed(_mixed(colours[0], colours[2], 0.45), colours[3], share)
        _shape(canvas, [*ridge, (width, height), (0, height)], colour, _mixed(colour, colours[0], 0.35))


def _still(canvas: Image.Image, colours: Palette, chance: random.Random, detail: int) -> None:
    width, height = canvas.size
    table = height * chance.uniform(0.62, 0.7)
    _shape(
        canvas,
        [(0, table), (width, table), (width, height), (0, height)],
        _mixed(colours[1], colours[0], 0.3),
        colours[1],
    )
    unit = min(width, height)
    _disc(
        canvas,
        width * chance.uniform(0.3, 0.7),
        table - unit * 0.3,
        unit * chance.uniform(0.18, 0.26),
        _mixed(colours[1], colours[0], 0.4),
    )
    count = 2 + detail
    for place in sorted(range(count), key=lambda _: chance.random()):
        x = width * 0.5 + (place - (count - 1) / 2) * unit * 0.17
        size = unit * chance.uniform(0.09, 0.15)
        colour = chance.choice((colours[2], colours[3], colours[4], _mixed(colours[2], colours[4], 0.4)))
        foot = table + unit * chance.uniform(0.01, 0.09)
        _shadow(canvas, x, foot, size)
        if chance.random() < 0.45:
            _vase(canvas, x, foot, size, colour, colours[0])
        else:
            _fruit(canvas, x, foot, size * 0.8, colour, colours[0])


def _arch(canvas: Image.Image, colours: Palette, chance: random.Random, detail: int) -> None:
    width, height = canvas.size
    unit = min(width, height)
    floor = height * 0.8
    _shape(
        canvas,
        [(0, floor), (width, floor), (width, height), (0, height)],
        _mixed(colours[1], colours[2], 0.25),
        colours[1],
    )
    middle = width * chance.uniform(0.38, 0.62)
    for layer in range(1 + detail):
        half = unit * (0.34 - 0.075 * layer)
        top = floor - unit * (0.62 - 0.1 * layer)
        colour = _mixed(colours[1], colours[3], layer / (1 + detail))
        outline = [
            (middle + half * math.cos(math.pi - math.pi * i / 48), top + half - half * math.sin(math.pi * i / 48))
            for i in range(49)
        ]
        _shape(
            canvas, [(middle - half, floor), *outline, (middle + half, floor)], colour, _mixed(colour, colours[0], 0.3)
        )
    _disc(
        canvas,
        middle + unit * chance.uniform(-0.3, 0.3),
        floor - unit * chance.uniform(0.3, 0.5),
        unit * 0.1,
        colours[4],
    )
    for side in (-1, 1):
        if chance.random() < 0.75:
            x = middle + side * unit * chance.uniform(0.24, 0.38)
            _shadow(canvas, x, floor + unit * 0.05, unit * 0.1)
            _vase(
                canvas,
                x,
                floor + unit * 0.05,
                unit * chance.uniform(0.09, 0.14),
                chance.choice(colours[2:]),
                colours[0],
            )


def _flow(canvas: Image.Image, colours: Palette, chance: random.Random, detail: int) -> None:
    width, height = canvas.size
    bands = 5 + 3 * detail
    lean = chance.uniform(-0.35, 0.35)
    turns = [(chance.uniform(0.5, 1.6), chance.uniform(0, math.tau), chance.uniform(0.04, 0.11)) for _ in range(3)]
    step = max(1, width // 140)
    for band in range(bands):
        share = band / (bands - 1)
        edge = [
            (
                x,
                height * (
                    -0.12 + 1.1 * share + lean * (x / width - 0.5)
                    + sum(s * math.sin(math.tau * f * x / width + p + 2.2 * share) for f, p, s in turns)
                ),
            )
            for x in range(0, width + step, step)
        ]  # fmt: skip
        tone = _along(colours, share)
        if band == bands * 2 // 3:
            tone = colours[4]
        _shape(canvas, [*edge, (width, height * 2), (0, height * 2)], tone, _mixed(tone, colours[0], 0.25))


_SCENES: dict[str, Callable[[Image.Image, Palette, random.Random, int], None]] = {
    "hills": _hills, "still": _still, "arch": _arch, "flow": _flow,
}  # fmt: skip


def _shape(canvas: Image.Image, points: list[tuple[float, float]], colour: Colour, below: Colour) -> None:
    """Fill a polygon with a vertical gradient from `colour` to `below`."""
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    box = mask.getbbox()
    if box:
        fill = _gradient((box[2] - box[0], box[3] - box[1]), colour, below)
        canvas.paste(fill, box[:2], mask.crop(box))


def _disc(canvas: Image.Image, x: float, y: float, radius: float, colour: Colour) -> None:
    turn = [(x + radius * math.cos(math.tau * i / 96), y + radius * math.sin(math.tau * i / 96)) for i in range(96)]
    _shape(canvas, turn, _mixed(colour, (255, 255, 255), 0.18), colour)


def _fruit(canvas: Image.Image, x: float, foot: float, size: float, colour: Colour, light: Colour) -> None:
    outline = []
    for i in range(96):
        angle = math.tau * i / 96
        neck = 1 - 0.34 * max(0.0, -math.sin(angle)) ** 2
        outline.append((x + size * neck * math.cos(angle), foot - size + size * 1.15 * math.sin(angle)))
    _shape(canvas, outline, _mixed(colour, light, 0.3), _mixed(colour, (0, 0, 0), 0.12))
    pen = ImageDraw.Draw(canvas)
    pen.line(
        [(x, foot - size * 2.1), (x + size * 0.14, foot - size * 2.5)],
        fill=_mixed(colour, (40, 30, 20), 0.7),
        width=max(2, int(size * 0.09)),
    )


def _vase(canvas: Image.Image, x: float, foot: float, size: float, colour: Colour, light: Colour) -> None:
    profile = ((0.0, 0.55), (0.1, 0.7), (0.4, 1.0), (0.65, 0.82), (0.82, 0.36), (0.95, 0.34), (1.0, 0.44))
    right = [(x + size * wide, foot - size * 2.5 * high) for high, wide in _smooth(profile)]
    left = [(2 * x - px, py) for px, py in reversed(right)]
    _shape(canvas, [*right, *left], _mixed(colour, light, 0.28), _mixed(colour, (0, 0, 0), 0.15))


def _smooth(profile: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    points = []
    for (low, a), (high, b) in itertools.pairwise(profile):
        for i in range(12):
            ease = (1 - math.cos(math.pi * i / 12)) / 2
            points.append((low + (high - low) * i / 12, a + (b - a) * ease))
    return [*points, profile[-1]]


def _shadow(canvas: Image.Image, x: float, foot: float, size: float) -> None:
    box = int(x - size * 1.6), int(foot - size * 0.35), int(x + size * 2.6), int(foot + size * 0.4)
    soft = Image.new("L", (max(1, box[2] - box[0]), max(1, box[3] - box[1])))
    wide, high = soft.size
    ImageDraw.Draw(soft).ellipse((wide * 0.12, high * 0.25, wide * 0.9, high * 0.8), fill=90)
    canvas.paste((30, 26, 24, 255), box[:2], soft.filter(ImageFilter.GaussianBlur(high * 0.14)))


def _gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    column = Image.new("RGBA", (1, 64))
    column.putdata([(*_mixed(top, bottom, y / 63), 255) for y in range(64)])
    return column.resize(size, Image.Resampling.BILINEAR)


def _along(colours: Palette, share: float) -> Colour:
    stops = colours[:4]
    place = min(share * 3, 2.999)
    return _mixed(stops[int(place)], stops[int(place) + 1], place % 1)


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def _grain(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Lay a fine paper grain over the picture."""
    # The mean of four fair throws is nearly a bell curve; Pillow's own noise can't be seeded.
    throws = [Image.frombytes("L", (256, 256), chance.randbytes(256 * 256)) for _ in range(4)]
    half, rest = Image.blend(throws[0], throws[1], 0.5), Image.blend(throws[2], throws[3], 0.5)
    strength = chance.uniform(9, 13) / _THROWS_SPREAD
    noise = Image.blend(half, rest, 0.5).point([round(128 + (value - 127.5) * strength) for value in range(256)])
    tile = Image.new("L", picture.size)
    for x in range(0, picture.width, 256):
        for y in range(0, picture.height, 256):
            tile.paste(noise, (x, y))
    return ImageChops.overlay(picture, Image.merge("RGB", (tile, tile, tile)))


def _label(picture: Image.Image) -> None:
    size = max(12, min(picture.size) // 44)
    font = ImageFont.load_default(size)
    pen = ImageDraw.Draw(picture, "RGBA")
    place = picture.width - size, picture.height - size * 0.8
    pen.text((place[0] + 1, place[1] + 1), "Sandbox", font=font, fill=(0, 0, 0, 90), anchor="rs")
    pen.text(place, "Sandbox", font=font, fill=(255, 255, 255, 220), anchor="rs")
