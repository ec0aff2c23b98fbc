"""The composer: what a person typed, the checked requests it stands for, and the prepared form that shows it again.

Invariant: whatever was typed is shown again as it was, with a sentence beside what is wrong. What a model can do comes
from the catalogue; whether a request is right is decided by `generations.spec`, never here.
"""

import dataclasses
import json
import uuid
from collections.abc import Mapping, Sequence

from django.http import QueryDict

from gesso.core import catalog, ids
from gesso.generations import spec
from gesso.generations.models import Generation
from gesso.web import cards, references, wording

BACKGROUNDS = {"auto": "Model decides", "opaque": "Opaque", "transparent": "Transparent"}
FORMATS = {"png": "PNG", "webp": "WebP", "jpeg": "JPEG"}
FIELDS = ("prompt", "references", "aspect_ratio", "quality", "count", "model", "background", "format")
EXAMPLES = (
    ("A product on stone", "A cobalt glass bottle on a low slab of travertine, late sun, long soft shadows, no text"),
    ("A portrait in clay", "Faceless bust of a woman in a rollneck, smooth clay forms, strong single colour behind"),
    ("Mountains in fog", "Blue mountains folding into fog at dusk, low sun, quiet panorama"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The form as it was sent, or as it is to be filled: text, untrusted. `references` are (image id, role)."""

    prompt: str = ""
    ratios: tuple[str, ...] = ()
    quality: str = ""
    count: str = ""
    model: str = ""
    background: str = ""
    format: str = ""
    references: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One choice of the form. `able` says whether the chosen model offers it; `extra` is its price or size."""

    value: str
    label: str
    chosen: bool
    able: bool = True
    extra: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Everything `_composer.html` places. `mistakes` has a sentence for each field, empty where all is well."""

    prompt: str
    prompt_limit: str
    ratios: tuple[Choice, ...]
    qualities: tuple[Choice, ...]
    counts: tuple[Choice, ...]
    models: tuple[Choice, ...]
    backgrounds: tuple[Choice, ...]
    formats: tuple[Choice, ...]
    chips: tuple[references.Chip, ...]
    most_references: str
    reference_bytes: str
    reference_megabytes: str
    size_words: str
    summary: str
    more: str
    cost: str
    unit: str
    left: str
    shortfall: str
    models_json: str
    new_ids: tuple[str, ...]
    mistakes: Mapping[str, str]
    refusal: str
    filled: bool
    add: str


def fresh() -> Entered:
    """Return what a fresh composer asks for. Raises spec.BadSpec when no model is usable."""
    return _of_spec(spec.defaults())


def _of_spec(known: spec.GenerationSpec) -> Entered:
    return Entered(
        ratios=(known.aspect_ratio,), quality=known.quality, count=str(known.count), model=known.model,
        background=known.background, format=known.format,
    )  # fmt: skip


def of_generation(generation: Generation) -> Entered:
    """Return what an earlier generation asked for; what its model no longer offers takes the default."""
    usual = spec.defaults()
    model = next((model for model in catalog.usable_models() if model.id == generation.model), None)
    model = model or spec.default_model()
    rows = sorted(generation.references.all(), key=lambda row: row.position)
    return Entered(
        prompt=generation.prompt,
        ratios=(generation.aspect_ratio if generation.aspect_ratio in model.sizes else usual.aspect_ratio,),
        quality=generation.quality if generation.quality in model.qualities else model.qualities[0],
        count=str(generation.count if generation.count in catalog.COUNTS else 4),
        model=model.id,
        background=generation.background if generation.background in model.backgrounds else model.backgrounds[0],
        format=generation.format if generation.format in model.formats else model.formats[0],
        references=tuple((str(row.image_id), row.role) for row in rows),
    )


def read(form: QueryDict) -> Entered:
    """Return what the form holds, unchecked."""
    return Entered(
        prompt=form.get("prompt", ""),
        ratios=tuple(form.getlist("aspect_ratio")),
        quality=form.get("quality", ""),
        count=form.get("count", ""),
        model=form.get("model", ""),
        background=form.get("background", ""),
        format=form.get("format", ""),
        references=tuple(references.read(text) for text in form.getlist("reference")),
    )


def specs(entered: Entered) -> list[spec.GenerationSpec]:
    """Return one checked request for each chosen shape. Raises spec.BadSpec."""
    if not entered.ratios:
        raise spec.BadSpec([spec.Mistake("aspect_ratio", "aspect_ratio_missing", "Choose at least one shape.")])
    values: dict[str, object] = {
        "prompt": entered.prompt,
        "quality": entered.quality,
        "count": int(entered.count) if entered.count in {"1", "2", "4"} else entered.count or None,
        "model": entered.model,
        "background": entered.background,
        "format": entered.format,
        "references": [{"image_id": image_id, "role": role} for image_id, role in entered.references],
    }
    return [spec.parse({**values, "aspect_ratio": ratio}) for ratio in dict.fromkeys(entered.ratios)]


def new_ids(form: QueryDict, wanted: int) -> list[uuid.UUID]:
    """Return the ids that the page made, one for each request; none when the page sent fewer or other text."""
    sent = [ids.parse(text) for text in form.getlist("id")[:wanted]]
    known = [number for number in sent if number is not None]
    return known if len(known) == wanted and len(set(known)) == wanted else []


def prepare(
    entered: Entered,
    workspace_id: uuid.UUID,
    available: int,
    *,
    mistakes: Sequence[spec.Mistake] = (),
    refusal: str = "",
    filled: bool = False,
    add: str = "",
) -> Composer:
    """Return the form that shows `entered`. `filled`: the server put something in, so a stored draft must not win.

    `add` is the id of an image that the page is to add to its draft's references.
    """
    usable = catalog.usable_models()
    model = next((model for model in usable if model.id == entered.model), usable[0])
    rules = catalog.current()
    prices = {quality: model.price(quality, rules.prices) for quality in model.qualities}
    count = int(entered.count) if entered.count in {"1", "2", "4"} else 1
    each = sum(price for quality, price in prices.items() if quality == entered.quality)
    total = each * count * len(entered.ratios)
    short = shortfall(total, available) if total > available else ""
    chips = references.chips(workspace_id, entered.references)
    most = min(model.references, rules.limits.references)
    return Composer(
        prompt=entered.prompt,
        prompt_limit=str(rules.limits.prompt_characters),
        ratios=_ratios(usable, model, entered.ratios),
        qualities=tuple(
            Choice(
                value=value,
                label=label,
                chosen=value == entered.quality,
                able=value in prices,
                extra=str(model.price(value, rules.prices) if value in prices else ""),
            )
            for value, label in cards.QUALITIES.items()
        ),
        counts=tuple(Choice(value=str(n), label=str(n), chosen=n == count) for n in catalog.COUNTS),
        models=tuple(Choice(value=each.id, label=each.name, chosen=each is model) for each in usable),
        backgrounds=_named(BACKGROUNDS, model.backgrounds, entered.background),
        formats=_named(FORMATS, model.formats, entered.format),
        chips=chips,
        most_references=str(most),
        reference_bytes=str(rules.limits.reference_bytes),
        reference_megabytes=str(rules.limits.reference_bytes // 1_000_000),
        size_words=_size_words(model, entered.ratios),
        summary=_summary(entered, count, len(chips)),
        more=f"{FORMATS.get(entered.format, '')}, {BACKGROUNDS.get(entered.background, '').lower()}",
        cost=f"{total:,}",
        unit="credit" if total == 1 else "credits",
        left=f"{available - total:,}",
        shortfall=short,
        models_json=_json(usable, rules),
        new_ids=tuple(str(ids.uuid7()) for _ in model.sizes),
        mistakes=sentences(mistakes),
        refusal="" if short and refusal == short else refusal_words(mistakes, refusal),
        filled=filled,
        add=add,
    )


def sentences(mistakes: Sequence[spec.Mistake]) -> dict[str, str]:
    """Return the sentence to show beside each field, empty where all is well."""
    return {field: " ".join(each.message for each in mistakes if each.field == field) for field in FIELDS}


def refusal_words(mistakes: Sequence[spec.Mistake], sentence: str = "") -> str:
    """Return what to say about the whole: `sentence`, or mistakes that belong to no field of the form."""
    return sentence or " ".join(each.message for each in mistakes if each.field not in FIELDS)


def shortfall(needed: int, available: int) -> str:
    """Return the sentence for too few credits."""
    return f"This needs {wording.plural(needed, 'credit')}. You have {available:,}."


def _ratios(usable: Sequence[catalog.Model], model: catalog.Model, chosen: Sequence[str]) -> tuple[Choice, ...]:
    """Every shape that some usable model offers, tall to wide."""
    every = {ratio: size for each in usable for ratio, size in each.sizes.items()}
    return tuple(
        Choice(
            value=ratio, label=ratio, chosen=ratio in chosen, able=ratio in model.sizes,
            extra=_pixels(model.sizes.get(ratio, every[ratio])),
        )
        for ratio in sorted(every, key=lambda ratio: every[ratio][0] / every[ratio][1])
    )  # fmt: skip


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} {wording.TIMES} {size[1]}"


def _size_words(model: catalog.Model, ratios: Sequence[str]) -> str:
    if len(ratios) == 1:
        return f"{_pixels(model.sizes[ratios[0]])} px" if ratios[0] in model.sizes else ""
    return f"{len(ratios)} shapes, one generation each"


def _named(names: Mapping[str, str], able: Sequence[str], chosen: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(value=value, label=label, chosen=value == chosen, able=value in able) for value, label in names.items()
    )


def _summary(entered: Entered, count: int, pictures: int) -> str:
    parts = [" ".join(entered.ratios), cards.QUALITIES.get(entered.quality, ""), wording.plural(count, "image")]
    return ", ".join([part for part in parts if part] + ([wording.plural(pictures, "reference")] if pictures else []))


def _json(usable: Sequence[catalog.Model], rules: catalog.Catalog) -> str:
    """What `composer.js` needs of each model."""
    return json.dumps({
        model.id: {
            "ratios": {ratio: _pixels(size) for ratio, size in model.sizes.items()},
            "qualities": {quality: model.price(quality, rules.prices) for quality in model.qualities},
            "backgrounds": model.backgrounds,
            "formats": model.formats,
            "references": min(model.references, rules.limits.references),
        }
        for model in usable
    })  # fmt: skip
