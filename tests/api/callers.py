"""Whoever asks the APIs with a key, and everything that a request could have moved."""

import json

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gesso.accounts import api_keys
from gesso.credits.models import CreditEntry, CreditHold
from gesso.generations.models import Generation, IdempotencyKey
from gesso.images.models import Image
from tests import world


class Caller:
    """Speaks to the APIs with a person's key."""

    def __init__(self, who: world.Person) -> None:
        self.who = who
        self.key, self.secret = api_keys.create(who.workspace, who.user, "tests")
        self.client = Client(raise_request_exception=True)

    def headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}", **more}

    def get(self, path, query=None, **headers):
        return self.client.get(path, query, headers=self.headers(headers))

    def delete(self, path, **headers):
        return self.client.delete(path, headers=self.headers(headers))

    def post(self, path, body=None, *, media_type="application/json", **headers):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        # Named as a header, too: the test client leaves the type out when there is no body.
        headers = self.headers({**headers, "Content-Type": media_type})
        return self.client.post(path, data, content_type=media_type, headers=headers)

    def form(self, path, **fields):
        more = fields.pop("headers", {})
        return self.client.post(path, fields, headers=self.headers(more))


def whole(response) -> bytes:
    """All the bytes of a streamed answer. The test client closes it, and with it its file, at its end."""
    return b"".join(response)


def moved(who: world.Person) -> tuple:
    """Everything that a request could have moved in the workspace."""
    return (
        world.available(who),
        *(model.objects.filter(workspace=who.workspace).count() for model in (CreditEntry, CreditHold, Generation)),
        *(model.objects.filter(workspace=who.workspace).count() for model in (IdempotencyKey, Image)),
    )  # fmt: skip


def code(answer):
    """The code of a refusal, after its envelope was checked."""
    assert answer["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert error["message"].strip()
    assert answer["X-Request-Id"].startswith("req_")
    if answer.wsgi_request.path.startswith("/api"):
        assert error.keys() - {"field"} == {"code", "message", "request_id"}
        assert error["request_id"] == answer["X-Request-Id"]
    else:
        assert error.keys() == {"code", "message", "type", "param"}
    return error["code"]


def named(answer):
    """The field or parameter that is at fault."""
    error = answer.json()["error"]
    return error.get("field", error.get("param"))


def pictures(*sizes):
    return [SimpleUploadedFile("p.png", world.picture(*size), "image/png") for size in sizes]
