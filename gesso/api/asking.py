"""What a request may hold, as the OpenAPI document says it: made from the catalogue, so that it can't drift from it.

Bodies are checked by `generations.spec` (one set of sentences for pages and APIs), not by these schemas.
"""

from typing import Any, get_args

from gesso.core import catalog


def generation() -> dict[str, Any]:
    """Return the request body of POST /api/generations for OpenAPI."""
    models, limits = catalog.usable_models(), catalog.current().limits
    reference = {
        "type": "object",
        "required": ["image_id"],
        "additionalProperties": False,
        "properties": {
            "image_id": {"type": "string", "format": "uuid"},
            "role": {"type": "string", "enum": ["", *get_args(catalog.Role)]},
        },
    }
    properties = {
        "prompt": {
            "type": "string",
            "minLength": 1,
            "maxLength": limits.prompt_characters,
            "description": f"What to make, in at most {limits.prompt_characters:,} characters.",
        },
        "aspect_ratio": _choice(ratio for model in models for ratio in model.sizes),
        "quality": _choice(quality for model in models for quality in model.qualities),
        "count": {"type": "integer", "enum": list(catalog.COUNTS), "default": 1, "description": "How many images."},
        "model": {**_choice(model.id for model in models), "description": "The first is meant when none is named."},
        "references": {
            "type": "array",
            "items": reference,
            "maxItems": limits.references,
            "description": f"At most {limits.references} images of the workspace as image_id, each with a role if any.",
        },
        "background": _choice(background for model in models for background in model.backgrounds),
        "format": _choice(format_ for model in models for format_ in model.formats),
    }
    schema = {"type": "object", "required": ["prompt"], "additionalProperties": False, "properties": properties}
    return _body("application/json", schema, required=True)


def retry() -> dict[str, Any]:
    """Return the optional request body of POST /api/generations/{id}/retry for OpenAPI."""
    only = {"type": "boolean", "default": False, "description": "Ask only for what was not delivered."}
    schema = {"type": "object", "additionalProperties": False, "properties": {"only_missing": only}}
    return _body("application/json", schema, required=False)


def upload() -> dict[str, Any]:
    """Return the request body of POST /api/images for OpenAPI."""
    file = {"type": "string", "format": "binary", "description": "A PNG, JPEG or WebP picture."}
    schema = {"type": "object", "required": ["file"], "additionalProperties": False, "properties": {"file": file}}
    return _body("multipart/form-data", schema, required=True)


def idempotency_header() -> dict[str, Any]:
    """Return the Idempotency-Key header for OpenAPI."""
    words = "The same key with the same request within 24 hours repeats the first answer; with another request, 409."
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": words}


def _choice(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(dict.fromkeys(values))}


def _body(media_type: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {media_type: {"schema": schema}}}
