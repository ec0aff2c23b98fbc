"""Addresses of both APIs. What is below them and no address of theirs is refused as JSON too."""

from typing import NoReturn

from django.http import Http404, HttpRequest
from django.urls import include, path, re_path

from gesso.api import compat_images, compat_models, door, reference
from gesso.api.compat_errors import theirs
from gesso.api.native import api


def _nothing(_request: HttpRequest) -> NoReturn:
    raise Http404


_routes, _app, _namespace = api.urls
for _route in _routes:
    assert _route.callback
    _route.callback = door.opened(_route.callback, door.ours)

urlpatterns = [
    path("api/docs", reference.page),
    path("api/", include((_routes, _app), namespace=_namespace)),
    re_path("^api/", door.opened(_nothing, door.ours)),
    path("v1/images/generations", door.opened(compat_images.generate, theirs)),
    path("v1/images/edits", door.opened(compat_images.edit, theirs)),
    path("v1/models", door.opened(compat_models.models, theirs)),
    path("v1/models/<str:model_id>", door.opened(compat_models.model, theirs)),
    re_path("^v1/", door.opened(_nothing, theirs)),
]
