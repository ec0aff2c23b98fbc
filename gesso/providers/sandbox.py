"""The built-in provider: draws a picture by program, offline, so that a fresh install can be tried without a key.

The scene and its colours follow from the prompt's words and the output's index, the shape from the ratio, the detail
from the quality, the palette from the first reference. Every picture says "Sandbox" in its corner. A generation takes 1
to 3 seconds. For drills, words in the prompt make it fail on purpose:

    sandbox: fail         the provider is unavailable            sandbox: moderation   refused by policy
    sandbox: partial      the last output fails                  sandbox: slow         takes 20 seconds
    sandbox: broken       answers half a picture                 sandbox: busy         rate limited, every attempt
"""

import asyncio
import hashlib
import io
import random

from PIL import Image

from gesso.providers import protocol, scenes

SECONDS = 1.0, 3.0  # a generation takes between these
SLOW_SECONDS = 20.0
PREVIEW_SIDE = 256


class Sandbox:
    """Draws in a thread; keeps nothing between calls."""

    name = "sandbox"

    async def submit(self, request: protocol.Request, preview: protocol.Preview) -> protocol.Raw:
        """Draw one picture in 1 to 3 seconds, with partial pictures on the way. Raises ProviderFailure for drills."""
        _drill(request)
        chance = _chance(request)
        seconds = SLOW_SECONDS if "sandbox: slow" in request.prompt.lower() else chance.uniform(*SECONDS)
        drawn = asyncio.create_task(asyncio.to_thread(_draw, request))
        pause = seconds / (request.previews + 1)
        try:
            for number in range(1, request.previews + 1):
                await asyncio.sleep(pause)
                share = number / (request.previews + 1)
                await preview(await asyncio.to_thread(_partial, await asyncio.shield(drawn), share))
            await asyncio.sleep(pause)
            picture = await drawn
        finally:
            drawn.cancel()  # when the call is given up; nothing happens to a picture that is done
        body = await asyncio.to_thread(_encoded, picture, request)
        if "sandbox: broken" in request.prompt.lower():
            body = body[: len(body) // 2]
        return protocol.Raw(kind="sandbox", body=body, request_id=f"sandbox-{request.attempt}")

    def read(self, raw: protocol.Raw) -> protocol.Picture:
        """The body is the picture."""
        return protocol.Picture(data=raw.body, usage={"sandbox": True})

    async def close(self) -> None:
        """Nothing is held."""


def _drill(request: protocol.Request) -> None:
    words = request.prompt.lower()
    if "sandbox: fail" in words:
        raise protocol.ProviderFailure("operator", "drill", raw="The prompt asked the sandbox to fail.")
    if "sandbox: moderation" in words:
        raise protocol.ProviderFailure("moderation", "drill", raw="The prompt asked the sandbox to refuse.")
    if "sandbox: partial" in words and request.index == request.outputs - 1:
        raise protocol.ProviderFailure("user_input", "drill", raw="The prompt asked for one output to fail.")
    if "sandbox: busy" in words:
        raise protocol.ProviderFailure(
            "rate_limited", "drill", raw="The prompt asked for a busy provider.", retry_after=1
        )


def _chance(request: protocol.Request) -> random.Random:
    """Return chance that is the same for the same prompt, index and attempt, so that a repeat makes another picture."""
    seed = hashlib.sha256(f"{request.prompt}|{request.index}|{request.attempt}".encode(errors="replace")).digest()
    return random.Random(seed)  # noqa: S311 (for a picture)


def _draw(request: protocol.Request) -> Image.Image:
    palette = None
    if request.references:
        with Image.open(io.BytesIO(request.references[0].data)) as first:  # our own clean re-encode
            palette = scenes.palette_of(first)
    return scenes.draw(
        request.prompt, request.width, request.height, _chance(request),
        detail={"low": 1, "medium": 2}.get(request.quality, 3), palette=palette,
        transparent=request.background == "transparent",
    )  # fmt: skip


def _partial(picture: Image.Image, share: float) -> bytes:
    """Return a rough picture that gets clearer as `share` nears 1."""
    small = picture.convert("RGB")
    small.thumbnail((round(12 + 48 * share), round(12 + 48 * share)))
    scale = PREVIEW_SIDE / max(picture.size)
    size = max(16, round(picture.width * scale)), max(16, round(picture.height * scale))
    file = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def _encoded(picture: Image.Image, request: protocol.Request) -> bytes:
    file = io.BytesIO()
    if request.format == "jpeg":
        picture.convert("RGB").save(file, "JPEG", quality=92)
    elif request.format == "webp":
        picture.save(file, "WEBP", quality=92, method=2)
    else:
        picture.save(file, "PNG", compress_level=3)
    return file.getvalue()
