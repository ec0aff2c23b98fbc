"""OpenAI's list of models: those that can be asked here now, the default first."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from gesso.api import keys
from gesso.api.refusals import Refusal
from gesso.core import catalog


@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """GET /v1/models: the usable models."""
    keys.caller(request)
    return _said({"object": "list", "data": [_model(model) for model in catalog.usable_models()]})


@require_GET
def model(request: HttpRequest, model_id: str) -> HttpResponse:
    """GET /v1/models/{id}: one of them."""
    keys.caller(request)
    for usable in catalog.usable_models():
        if usable.id == model_id:
            return _said(_model(usable))
    raise Refusal(404, "model_not_found", "There is no such model here; see /v1/models.", field="model")


def _model(row: catalog.Model) -> dict[str, Any]:
    # The catalogue keeps no dates; clients want a number.
    return {"id": row.id, "object": "model", "created": 0, "owned_by": row.provider}


def _said(words: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(words), content_type="application/json")
