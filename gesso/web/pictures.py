"""What a stored image says on the wall, in a filmstrip, in a tree of papers: plain strings made from its row."""

import dataclasses
import math

from gesso.images.models import Image
from gesso.web import wording

THUMB_SIDE, PREVIEW_SIDE = 480, 1280  # longest sides of the renditions, in pixels
UNKNOWN = "#888888"  # the colour of an image that nobody has looked at yet
ROW_REM = 13  # the wall's row height at its middle density, as in library.css
# The shapes that frame.css knows: no inline style may say an exact one.
SHAPES = {
    "1:3": 1 / 3, "1:2": 1 / 2, "9:16": 9 / 16, "2:3": 2 / 3, "3:4": 3 / 4, "4:5": 4 / 5, "1:1": 1.0, "5:4": 5 / 4,
    "4:3": 4 / 3, "3:2": 3 / 2, "16:9": 16 / 9, "2:1": 2.0, "21:9": 21 / 9, "3:1": 3.0,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image; `src` is its thumbnail, `colour` fills its place until that has come."""

    id: str
    page: str
    src: str
    srcset: str
    sizes: str
    width: str
    height: str
    shape: str
    colour: str
    alt: str
    favourite: bool
    download: str


def of(image: Image) -> Picture:
    """Return what the pages say about an image."""
    page = f"/images/{image.id}"
    thumb, preview = f"{page}/file?variant=thumb", f"{page}/file?variant=preview"
    larger = max(image.width, image.height) > THUMB_SIDE
    return Picture(
        id=str(image.id),
        page=page,
        src=thumb,
        srcset=f"{thumb} {_width(image, THUMB_SIDE)}w, {preview} {_width(image, PREVIEW_SIDE)}w" if larger else "",
        sizes=f"{max(1, round(ROW_REM * image.width / image.height))}rem" if larger else "",
        width=str(image.width),
        height=str(image.height),
        shape=shape(image.width, image.height),
        colour="" if image.placeholder == UNKNOWN else image.placeholder,
        alt=described(image),
        favourite=image.favourite_at is not None,
        download=f"{page}/file?download=1",
    )


def described(image: Image) -> str:
    """Return the words that stand for an image: the prompt's or the file's first ones."""
    return wording.first_words(image.label) or ("Uploaded image" if image.origin == Image.Origin.UPLOAD else "Image")


def shape(width: int, height: int) -> str:
    """Return the known shape that comes nearest."""
    wanted = math.log(width / height)
    return min(SHAPES, key=lambda name: abs(math.log(SHAPES[name]) - wanted))


def _width(image: Image, side: int) -> int:
    return max(1, round(image.width * min(1, side / max(image.width, image.height))))
