"""What a person asks for: a checked, complete request, ready to be priced. Doors hand in plain values.

Invariant: a GenerationSpec that exists is one that its model can do. Whether the references are the workspace's own
is checked at submission, where the rows are.
"""

import dataclasses
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from typing import get_args

from gesso.core import catalog, ids

COUNT_WORDS = {(1, 2, 4): "1, 2 or 4", (1, 2, 3, 4): "from 1 to 4"}
_FIELDS = frozenset({"prompt", "aspect_ratio", "quality", "count", "model", "references", "background", "format"})


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One thing wrong with one field: a stable code and a sentence to show beside it."""

    field: str
    code: str
    message: str


class BadSpec(Exception):
    """The request can't be made as asked; `mistakes` has at least one."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(" ".join(mistake.message for mistake in mistakes))
        self.mistakes = list(mistakes)


@dataclasses.dataclass(frozen=True)
class ReferenceSpec:
    """An image to use as input; `role` is subject, style, layout, product or empty."""

    image_id: uuid.UUID
    role: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """A complete request. `width` and `height` in pixels follow from model and ratio."""

    prompt: str
    aspect_ratio: str
    quality: catalog.Quality
    count: int
    model: str
    provider: str
    background: str
    format: str
    width: int
    height: int
    references: tuple[ReferenceSpec, ...] = ()


def default_model() -> catalog.Model:
    """Return the model that a request without one means."""
    models = catalog.usable_models()
    if not models:
        raise BadSpec([Mistake("model", "no_model", "No image model is configured on this install.")])
    return models[0]


def defaults() -> GenerationSpec:
    """Return what a fresh composer asks for: one image, medium, 1:1, the default model, no prompt yet."""
    model = default_model()
    ratio = "1:1" if "1:1" in model.sizes else next(iter(model.sizes))
    quality: catalog.Quality = "medium" if "medium" in model.qualities else model.qualities[0]
    width, height = model.sizes[ratio]
    return GenerationSpec(
        prompt="", aspect_ratio=ratio, quality=quality, count=1, model=model.id, provider=model.provider,
        background=model.backgrounds[0], format=model.formats[0], width=width, height=height,
    )  # fmt: skip


def parse(values: Mapping[str, object], *, counts: tuple[int, ...] = catalog.COUNTS) -> GenerationSpec:
    """Return the request that plain `values` describe; what is missing (or None) takes the default.

    Raises BadSpec with every mistake at once. A name that is no setting is a mistake too, so that nobody believes
    that a sent price or state did something.
    """
    mistakes = [
        Mistake(name[:60], "unknown_field", f"{name[:60]} is not a setting of a generation.")
        for name in sorted(values.keys() - _FIELDS)
    ]
    model = _model(values.get("model"), mistakes)
    fallback = defaults()
    ratio = _choice(values, "aspect_ratio", tuple(model.sizes), fallback.aspect_ratio, mistakes)
    quality = _choice(values, "quality", model.qualities, fallback.quality, mistakes)
    background = _choice(values, "background", model.backgrounds, model.backgrounds[0], mistakes)
    format_ = _choice(values, "format", model.formats, model.formats[0], mistakes)
    prompt = _prompt(values.get("prompt"), mistakes)
    count = _count(values.get("count"), counts, mistakes)
    references = _references(values.get("references"), model, mistakes)
    if background == "transparent" and format_ == "jpeg":
        mistakes.append(Mistake("format", "format_not_transparent", "JPEG can't be transparent. Choose PNG or WebP."))
    if mistakes:
        raise BadSpec(mistakes)
    width, height = model.sizes[ratio]
    return GenerationSpec(
        prompt=prompt, aspect_ratio=ratio, quality=quality, count=count, model=model.id, provider=model.provider,  # type: ignore[arg-type]
        background=background, format=format_, width=width, height=height, references=references,
    )  # fmt: skip


def _model(value: object, mistakes: list[Mistake]) -> catalog.Model:
    default = default_model()
    if value is None or value == "":
        return default
    for model in catalog.usable_models():
        if model.id == value:
            return model
    names = ", ".join(model.id for model in catalog.usable_models())
    mistakes.append(Mistake("model", "unknown_model", f"There is no such model here. Usable are: {names}."))
    return default


def _choice(
    values: Mapping[str, object], name: str, choices: Sequence[str], default: str, mistakes: list[Mistake]
) -> str:
    value = values.get(name)
    if value is None or value == "":
        return default if default in choices else choices[0]
    if isinstance(value, str) and value in choices:
        return value
    words = name.replace("_", " ")
    mistakes.append(Mistake(name, f"bad_{name}", f"The {words} must be one of {', '.join(choices)}."))
    return default


def _prompt(value: object, mistakes: list[Mistake]) -> str:
    limit = catalog.current().limits.prompt_characters
    if value is not None and not isinstance(value, str):
        mistakes.append(Mistake("prompt", "bad_prompt", "The prompt must be text."))
        return ""
    # Browsers send CRLF; control characters have no meaning for a model, and Postgres refuses NUL and lone surrogates.
    text = (value or "").replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        mistakes.append(Mistake("prompt", "prompt_missing", "Describe a picture first."))
    elif len(text) > limit:
        mistakes.append(
            Mistake(
                "prompt",
                "prompt_too_long",
                f"The prompt has {len(text):,} characters; the most is {limit:,}.",
            )
        )
    elif any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in text):
        mistakes.append(
            Mistake("prompt", "bad_prompt", "The prompt contains a control character. Remove it and try again.")
        )
    return text


def _count(value: object, counts: tuple[int, ...], mistakes: list[Mistake]) -> int:
    if value is None:
        return 1
    if isinstance(value, int) and not isinstance(value, bool) and value in counts:
        return value
    words = COUNT_WORDS.get(counts, ", ".join(map(str, counts)))
    mistakes.append(Mistake("count", "bad_count", f"The number of images must be {words}."))
    return 1


def _references(value: object, model: catalog.Model, mistakes: list[Mistake]) -> tuple[ReferenceSpec, ...]:
    if value is None:
        return ()
    most = min(model.references, catalog.current().limits.references)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        mistakes.append(Mistake("references", "bad_references", "References must be a list."))
        return ()
    if len(value) > most:
        mistakes.append(
            Mistake(
                "references",
                "too_many_references",
                f"There are {len(value)} references; {model.name} takes {most}.",
            )
        )
        return ()
    found = []
    for place, row in enumerate(value, start=1):
        reference = _reference(row)
        if reference is None:
            mistakes.append(
                Mistake(
                    "references",
                    "bad_reference",
                    f"Reference {place} must name an image and, if any, a role.",
                )
            )
        else:
            found.append(reference)
    if len({reference.image_id for reference in found}) < len(found):
        mistakes.append(
            Mistake(
                "references",
                "reference_twice",
                "The same image is there twice. Each reference must be another image.",
            )
        )
    return tuple(found)


def _reference(row: object) -> ReferenceSpec | None:
    if not isinstance(row, Mapping) or row.keys() - {"image_id", "role"}:
        return None
    image_id = row.get("image_id")
    image_id = (
        image_id if isinstance(image_id, uuid.UUID) else ids.parse(image_id) if isinstance(image_id, str) else None
    )
    role = row.get("role") or ""
    if image_id is None or not isinstance(role, str) or role not in {"", *get_args(catalog.Role)}:
        return None
    return ReferenceSpec(image_id, role)
