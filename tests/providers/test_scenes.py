"""The scenes: any prompt and any size gives a picture, and the same chance the same one."""

import random

import pytest
from PIL import Image

from gesso.providers import scenes

ODD = {
    "empty": "", "blank": " \n\t ", "emoji": "🍐🏔️👩‍🎨", "right to left": "صحراء عند الغروب", "combining": "a" + "\u0301" * 5000,
    "very long": "pears and mountains " * 1600, "surrogate": "half a pear \ud83c", "nul": "a\x00b", "markup": "<script>{{7*7}}%s",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_any_prompt_gives_a_picture(name):
    picture = scenes.draw(ODD[name], 160, 96, random.Random(name))
    assert (picture.size, picture.mode) == ((160, 96), "RGB")
    assert len(picture.getcolors(160 * 96) or range(99)) > 20


@pytest.mark.parametrize("word", ["hills", "still", "arch", "abstract"])
@pytest.mark.parametrize("size", [(16, 16), (16, 48), (300, 100), (840, 360)])
def test_every_scene_fits_every_shape(word, size):
    for detail in (1, 3):
        assert scenes.draw(word, *size, random.Random(detail), detail=detail).size == size


def test_the_same_chance_draws_the_same_picture():
    one, other = (scenes.draw("dunes", 400, 300, random.Random(5)).tobytes() for _ in range(2))
    assert one == other
    assert scenes.draw("dunes", 400, 300, random.Random(6)).tobytes() != one


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_any_picture_has_a_palette(mode):
    palette = scenes.palette_of(Image.linear_gradient("L").convert(mode))
    assert len(palette) == 5
    assert sum(palette[0]) >= sum(palette[3])
    assert all(0 <= value <= 255 for colour in palette for value in colour)
