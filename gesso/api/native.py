"""The native API as django-ninja knows it: its routes, its key, its refusals in our envelope, its OpenAPI document."""

from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.renderers import BaseRenderer

from gesso.api import door, events, generations, images, shapes, statement
from gesso.api.keys import ApiKey
from gesso.api.refusals import Told

_REFUSALS = (400, 401, 402, 403, 404, 405, 409, 413, 415, 429, 500, 503)


class _Json(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002 (ninja's signature)
        return orjson.dumps(data, option=orjson.OPT_UTC_Z)


class _Api(NinjaAPI):
    def get_content_type(self) -> str:
        return "application/json"  # JSON is UTF-8 and takes no charset

    def get_openapi_schema(self, **words: Any) -> Any:
        """Return the document, with the one shape of every refusal beside each operation's own answers."""
        schema = super().get_openapi_schema(**words)
        said = shapes.Error.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= said.pop("$defs") | {"Error": said}
        refused = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        for methods in schema["paths"].values():
            for operation in methods.values():
                for status in _REFUSALS:
                    operation["responses"].setdefault(status, {"description": "Refused", **refused})
        return schema


api = _Api(
    title="Gesso", version="1", auth=ApiKey(), renderer=_Json(), docs_url=None, openapi_url="/openapi.json",
    urls_namespace="native-api",
    description="Images made by request, queued, paid for and kept. A key belongs to one workspace.",
)  # fmt: skip
api.add_router("/generations", generations.router)
api.add_router("/images", images.router)
api.add_router("/credits", statement.router)
api.add_router("/events", events.router)


@api.exception_handler(ValidationError)
def _bad_parameter(_request: HttpRequest, problem: ValidationError) -> HttpResponse:
    first = problem.errors[0]
    name = str(first["loc"][-1])
    words = str(first["msg"]).removeprefix("Value error, ")
    return door.answer(Told(400, f"bad_{name}", f"{name}: {words}.", name), door.ours)


@api.exception_handler(Http404)
@api.exception_handler(Exception)
def _refused(_request: HttpRequest, problem: Exception) -> HttpResponse:
    return door.refuse(problem, door.ours)
