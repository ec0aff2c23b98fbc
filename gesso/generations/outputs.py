"""From a raw answer to a picture ready to be delivered: parse, prove, store. Synchronous and heavy; no database.

The provider's bytes are stored untouched under a final key that holds their hash, so that doing it twice is harmless.
"""

import dataclasses

from gesso.generations.models import Generation
from gesso.images import intake, storage
from gesso.images.models import Image
from gesso.providers import protocol

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
LABEL_CHARACTERS = 120


@dataclasses.dataclass(frozen=True)
class Proved:
    """A whole picture: the provider's bytes, what was proved about them, and the provider's id of its answer."""

    picture: protocol.Picture
    proof: intake.Proof
    request_id: str


def prove(provider: protocol.Provider, raw: protocol.Raw) -> Proved:
    """Parse a raw answer and prove bounds and structure of its picture. Raises protocol.ProviderFailure."""
    picture = provider.read(raw)
    try:
        return Proved(picture, intake.prove(picture.data), raw.request_id)
    except intake.Refused as refused:
        raise protocol.ProviderFailure(
            "malformed", refused.code, raw=str(refused), request_id=raw.request_id
        ) from refused


def store(generation: Generation, index: int, proved: Proved) -> Image:
    """Make the picture durable and return its row, not yet saved."""
    proof = proved.proof
    key = f"g/{generation.id}/{index}-{proof.sha256.hex()}.{EXTENSIONS[proof.media_type]}"
    storage.current().put(key, proved.picture.data)
    return Image(
        workspace_id=generation.workspace_id, member_id=generation.member_id,
        origin=Image.Origin.OUTPUT, width=proof.width, height=proof.height, media_type=proof.media_type,
        bytes=len(proved.picture.data), sha256=proof.sha256, storage_key=key, verdict=Image.Verdict.ALLOWED,
        label=" ".join(generation.prompt.split())[:LABEL_CHARACTERS],
    )  # fmt: skip
