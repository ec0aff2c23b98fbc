"""Requests to providers, as the runner makes them, and what came back."""

import asyncio
import dataclasses
import io

from PIL import Image

from gesso.providers import protocol


def request(prompt: str = "Three pears in a bowl", **changes: object) -> protocol.Request:
    """Return a request for one small low picture, changed as asked."""
    plain = protocol.Request(
        attempt="attempt-1", index=0, outputs=1, model="gpt-image-2", prompt=prompt, width=1024, height=1024,
        aspect_ratio="1:1", quality="low", background="auto", format="png", references=(), end_user="somebody",
        previews=0, timeout=10.0,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def answered(provider: protocol.Provider, asked: protocol.Request) -> tuple[protocol.Raw, list[bytes]]:
    """Return the raw answer and the partial pictures that came before it."""
    partials: list[bytes] = []

    async def ask() -> protocol.Raw:
        async def preview(data: bytes) -> None:
            partials.append(data)

        try:
            return await provider.submit(asked, preview)
        finally:
            await provider.close()

    return asyncio.run(ask()), partials


def opened(data: bytes) -> Image.Image:
    """Return a picture decoded to its last pixel."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.copy()
