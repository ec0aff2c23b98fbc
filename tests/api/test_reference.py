"""The OpenAPI document and the page made from it: complete, true to the catalogue, and open to everybody."""

import re

import pytest
from django.test import Client

from gesso.api.native import api
from gesso.core import catalog

CONTRACT = {
    "/api/generations": {"get", "post"}, "/api/generations/{generation_id}": {"get"},
    "/api/generations/{generation_id}/cancel": {"post"}, "/api/generations/{generation_id}/retry": {"post"},
    "/api/images": {"get", "post"}, "/api/images/{image_id}": {"get", "delete"},
    "/api/images/{image_id}/content": {"get", "head"}, "/api/images/{image_id}/restore": {"post"},
    "/api/credits": {"get"}, "/api/credits/entries": {"get"}, "/api/events": {"get"},
}  # fmt: skip


@pytest.fixture
def document():
    answer = Client().get("/api/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def test_the_document_names_every_operation_of_the_contract(document):
    assert document["openapi"].startswith("3.1")
    assert {path: set(methods) for path, methods in document["paths"].items()} == CONTRACT
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"ApiKey": []}]
            assert operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    assert document["components"]["securitySchemes"]["ApiKey"] == {"type": "http", "scheme": "bearer"}


def test_every_reference_in_the_document_leads_somewhere(document):
    text = str(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]


def test_the_request_is_drawn_from_the_catalogue(document):
    body = document["paths"]["/api/generations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (model,) = catalog.usable_models()
    assert body["properties"]["aspect_ratio"]["enum"] == list(model.sizes)
    assert body["properties"]["model"]["enum"] == [model.id]
    assert body["properties"]["prompt"]["maxLength"] == catalog.current().limits.prompt_characters
    assert body["additionalProperties"] is False


def test_the_page_shows_every_operation_and_runs_nothing():
    answer = Client().get("/api/docs")
    text = answer.content.decode().replace("<wbr>", "")
    assert answer.status_code == 200
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "<script" not in text
    assert "style=" not in text
    assert not re.search(r"(?:src|href)=\"https?:", text)
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method in methods.keys() - {"head"}:
            assert f"{method.upper()} {path}</code>" in text
