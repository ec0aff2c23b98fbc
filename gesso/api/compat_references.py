"""The pictures that come with an edit: kept as uploads, and taken away again if nothing comes of it.

Invariant: a refused or repeated edit leaves no upload behind.
"""

from collections.abc import Mapping, Sequence

from django.core.files.uploadedfile import UploadedFile

from gesso.api import compat_request
from gesso.api.asked import Files
from gesso.api.keys import Caller
from gesso.api.refusals import Refusal
from gesso.core import catalog, ids
from gesso.generations import submission
from gesso.generations.models import Generation
from gesso.generations.spec import ReferenceSpec
from gesso.images import uploads
from gesso.images.models import Image

_NAMES = ("image", "image[]")
FIELDS = frozenset({*_NAMES, "mask"})

Pictures = Sequence["UploadedFile[bytes]"]


def pictures(files: Files) -> Pictures:
    """Return the pictures of an edit in order. How many there may be is for the model to say."""
    if files.get("mask"):
        sentence = "A masked part can't be changed here yet: leave mask out and describe the change in the prompt."
        raise Refusal(400, "mask_unsupported", sentence, field="mask")
    sent = [file for name in _NAMES for file in files.get(name, [])]
    if not sent:
        raise Refusal(400, "image_missing", "An edit needs at least one picture as image.", field="image")
    bound = catalog.current().limits.request_bytes
    if sum(file.size or 0 for file in sent) > bound:
        raise Refusal(413, "request_too_large", f"The pictures together may have {bound:,} bytes.", field="image")
    return sent


def stand_ins(sent: Pictures) -> tuple[ReferenceSpec, ...]:
    """Return references that stand for pictures that are not stored yet, to check the rest of the request first."""
    return tuple(ReferenceSpec(ids.uuid7()) for _ in sent)


def submit(
    caller: Caller, values: Mapping[str, object], sent: Pictures, idempotency: submission.Idempotency | None
) -> Generation:
    """Keep the pictures and queue the edit; a repeat finds the first one. Raises what `uploads` and `submission` do."""
    if idempotency and (earlier := submission.repeat_of(caller.workspace, idempotency)):
        return earlier
    number = ids.uuid7()
    kept: list[Image] = []
    made: Generation | None = None
    try:
        for file in sent:
            file.seek(0)
            kept.append(uploads.store(caller.workspace, caller.user, file.read(), file.name or ""))
        references = tuple(ReferenceSpec(image.id) for image in kept)
        wanted = compat_request.read(values, references=references)
        (made,) = submission.submit(
            caller.workspace, caller.user, [wanted], generation_ids=[number], idempotency=idempotency
        )
        return made
    finally:
        if made is None or made.id != number:  # refused, or the same key was quicker elsewhere
            for image in kept:
                uploads.discard(image)
