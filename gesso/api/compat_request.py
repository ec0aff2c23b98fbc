"""What clients of OpenAI's images API send, turned into what `generations.spec` reads. Nothing is silently ignored.

A parameter that would change the picture and that we can't honour is refused with a sentence; one that changes nothing
(`user`) is taken.
"""

from collections.abc import Mapping

from gesso.api.refusals import Refusal
from gesso.core import catalog
from gesso.generations import spec
from gesso.generations.spec import GenerationSpec

COUNTS = (1, 2, 3, 4)
_QUALITIES = {"auto": None, "standard": "medium", "hd": "high"}
_SAME = {"prompt", "model", "background"}
_READ = _SAME | {"n", "size", "quality", "output_format"}
# Values that mean what we do anyway; every other value of these is refused.
_ONLY = {
    "response_format": ("b64_json", "Images come as base64 here: send b64_json or leave response_format out."),
    "moderation": ("auto", "Moderation can't be loosened: send auto or leave moderation out."),
    "stream": (False, "Streaming is not offered here yet: leave stream out, and the images come with the answer."),
    "partial_images": (0, "Partial images come with streaming, which is not offered here yet: leave it out."),
    "output_compression": (100, "Compression can't be chosen here: leave output_compression out."),
}
_UNSUPPORTED = {
    "style": "Styles belong to models that are not offered here: describe the style in the prompt.",
    "input_fidelity": "The fidelity to the input can't be chosen here: leave input_fidelity out.",
    "mask": "This model can't change a masked part only: leave mask out and describe the change in the prompt.",
}


def read(values: Mapping[str, object], *, references: tuple[spec.ReferenceSpec, ...] = ()) -> GenerationSpec:
    """Return the checked request. Raises Refusal and BadSpec."""
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        _check(name, value)
    plain: dict[str, object] = {name: given[name] for name in _SAME & given.keys()}
    plain |= {"count": given.get("n"), "format": given.get("output_format")}
    quality = given.get("quality")
    plain["quality"] = _QUALITIES.get(quality, quality) if isinstance(quality, str) else quality
    plain["aspect_ratio"] = _ratio(given.get("size"), given.get("model"))
    plain["references"] = [{"image_id": each.image_id, "role": each.role} for each in references]
    return spec.parse(plain, counts=COUNTS)


def plain_form(fields: Mapping[str, object]) -> dict[str, object]:
    """Return a form's fields, which are all text, with the types that JSON would have given them."""
    plain = dict(fields)
    for name in ("n", "partial_images", "output_compression"):
        text = plain.get(name)
        if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10:
            plain[name] = int(text)
    if isinstance(text := plain.get("stream"), str):
        plain["stream"] = {"true": True, "false": False}.get(text.lower(), text)
    return plain


def _check(name: str, value: object) -> None:
    if name in _UNSUPPORTED:
        raise Refusal(400, f"{name}_unsupported", _UNSUPPORTED[name], field=name)
    if name in _ONLY:
        only, sentence = _ONLY[name]
        if type(value) is not type(only) or value != only:
            raise Refusal(400, f"{name}_unsupported", sentence, field=name)
    elif name == "user":
        if not isinstance(value, str):
            raise Refusal(400, "bad_user", "The user must be text.", field="user")
    elif name not in _READ:
        raise Refusal(400, "unknown_field", f"{name[:60]} is not a parameter here.", field=name[:60])


def _ratio(size: object, model_id: object) -> str | None:
    """Return the ratio whose size in pixels the model makes is `size`; None (the default) for auto."""
    if size is None or size == "auto":
        return None
    # An unknown model is refused by `spec`, which looks at all models, too.
    usable = catalog.usable_models()
    models = [model for model in usable if model.id == model_id] or usable[:1]
    known = {f"{width}x{height}": ratio for model in models for ratio, (width, height) in model.sizes.items()}
    if isinstance(size, str) and size in known:
        return known[size]
    raise Refusal(400, "bad_size", f"The size must be auto or one of {', '.join(known)}.", field="size")
