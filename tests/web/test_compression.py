"""Which answers leave compressed, and that they are the same when unpacked."""

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from gesso.web import compression

PAGE = "<p>Three pears in a stoneware bowl</p>" * 100


def answer(response, accepted="gzip, deflate, br"):
    request = RequestFactory().get("/", headers={"Accept-Encoding": accepted})
    return compression.middleware(lambda _request: response)(request)


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "gzip;q=1.0, identity"])
def test_a_page_is_compressed_for_who_takes_it(accepted):
    sent = answer(HttpResponse(PAGE), accepted)
    assert sent["Content-Encoding"] == "gzip"
    assert gzip.decompress(sent.content).decode() == PAGE
    assert int(sent["Content-Length"]) == len(sent.content) < len(PAGE) / 5
    assert "Accept-Encoding" in sent["Vary"]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0, br", "xgzipx"])
def test_others_get_it_plain_and_caches_are_told(accepted):
    sent = answer(HttpResponse(PAGE), accepted)
    assert not sent.has_header("Content-Encoding")
    assert sent.content.decode() == PAGE
    assert "Accept-Encoding" in sent["Vary"]


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse("short"),
        HttpResponse(PAGE, content_type="image/svg+xml"),
        HttpResponse(PAGE, headers={"Cache-Control": "max-age=0, no-store"}),
        HttpResponse(PAGE, headers={"Content-Encoding": "br"}),
        StreamingHttpResponse([PAGE]),
    ],
    ids=["short", "no page", "not to be kept", "compressed already", "a stream"],
)
def test_what_is_left_alone(response):
    sent = answer(response)
    assert sent is response
    assert sent.get("Content-Encoding") in {None, "br"}
    assert not sent.has_header("Vary")
