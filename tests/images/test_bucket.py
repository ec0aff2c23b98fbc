"""The bucket against a real S3 server, and against servers that answer 200 and lie."""

import contextlib
import http.server
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest

from gesso.core import env
from gesso.images import bucket, storage

KEY = "g/0198a0c4-0000-7000-8000-000000000001/0-abc.png"


@pytest.fixture
def where(s3_server):
    """A fresh bucket's address, with a prefix."""
    name = f"b{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT")).close()
    return f"s3://key:se%2Fcret@{name}/pictures/all?endpoint={s3_server}&region=auto"


@pytest.fixture
def store(where):
    return bucket.Bucket(where)


@contextlib.contextmanager
def lying(body: bytes, status: int = 200, headers: dict[str, str] | None = None):
    """A server that answers everything the same way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815 (http.server's names)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield bucket.Bucket(f"s3://k:s@b?endpoint=http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_was_put_is_there(store):
    store.put(KEY, b"bytes")
    assert store.get(KEY) == b"bytes"
    assert store.size(KEY) == 5
    assert store.local_path(KEY) is None


def test_same_bytes_again_change_nothing_and_others_are_refused(store):
    store.put(KEY, b"bytes")
    store.put(KEY, b"bytes")
    with pytest.raises(storage.Occupied):
        store.put(KEY, b"other")
    assert store.get(KEY) == b"bytes"


def test_of_many_writers_one_wins(store):
    outcomes: list[object] = []

    def write(data: bytes) -> None:
        try:
            store.put(KEY, data)
            outcomes.append(data)
        except storage.Occupied:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(bytes([65 + n]) * 100,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome]
    assert len(outcomes) == 6
    assert winners == [store.get(KEY)]


def test_missing_is_missing(store):
    with pytest.raises(storage.Missing):
        store.get(KEY)
    assert store.size(KEY) is None
    store.delete(KEY)


def test_deleted_is_gone(store):
    store.put(KEY, b"bytes")
    store.delete(KEY)
    assert store.size(KEY) is None


def test_listing_knows_whole_path_parts(store):
    keys = [f"g/a/{n}.png" for n in range(5)]
    for key in [*keys, "g/ab/1.png", "u/x/1.png"]:
        store.put(key, b"x")
    assert {found.key for found in store.keys("g/a")} == set(keys)
    assert len(list(store.keys(""))) == 7
    assert all(found.size == 1 and found.modified.tzinfo for found in store.keys("u"))
    assert list(store.unfinished()) == []


def test_a_presigned_address_serves_with_our_type_and_name(store):
    store.put(KEY, b"bytes")
    shown = "attachment; filename=\"a-b.png\"; filename*=UTF-8''%E2%82%AC%20b.png"
    address = store.presigned(KEY, seconds=60, media_type="image/png", disposition=shown)
    assert address.startswith(store.origin + "/")
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"bytes"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == shown
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    assert query["X-Amz-Expires"] == "60"
    assert "se/cret" not in urllib.parse.unquote(address)


@pytest.mark.parametrize("key", ["../x/y", "g/../../x", "/g/a", "g//a", "g/a\n", "g/.tmp-x", "etc", "g/a?b", "G/a", ""])
def test_no_key_but_ours(store, key):
    with pytest.raises(ValueError, match="not a storage key"):
        store.get(key)


XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'


@pytest.mark.parametrize("body", [XML, b"", b"<html>Sign in to the hotel's network</html>"])
def test_a_200_that_is_not_the_object_is_a_failure(body):
    tags = {"ETag": '"abc"', "Last-Modified": "Sat, 21 Nov 2026 06:00:00 GMT"}
    with lying(body, headers=tags) as store:
        with pytest.raises(storage.Unavailable):
            store.get(KEY)
        with pytest.raises(storage.Unavailable):
            store.put(KEY, b"a picture that the server never took")


@pytest.mark.parametrize("status", [403, 401, 501])
def test_refusals_are_unavailable(status, monkeypatch):
    monkeypatch.setattr(bucket, "RETRIES", 0)
    with lying(XML, status) as store:
        for call in (
            lambda: store.get(KEY),
            lambda: store.size(KEY),
            lambda: store.put(KEY, b"x"),
            lambda: store.delete(KEY),
            lambda: list(store.keys("g")),
        ):
            with pytest.raises(storage.Unavailable):
                call()


def test_nobody_there_is_unavailable(monkeypatch):
    monkeypatch.setattr(bucket, "RETRIES", 0)
    store = bucket.Bucket("s3://k:s@b?endpoint=http://127.0.0.1:9")
    with pytest.raises(storage.Unavailable):
        store.put(KEY, b"x")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://b?endpont=x",
        "s3://b?endpoint=ftp://x",
        "s3://b?endpoint=x",
        "s3://b?endpoint=https://k:s@x",
    ],
)
def test_a_bad_address_is_one_sentence(url):
    with pytest.raises(env.BadEnvironment, match="GESSO_STORAGE_URL"):
        bucket.Bucket(url)


def test_keys_come_from_the_environment_too(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-env")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token/+")
    address = bucket.Bucket("s3://b?region=eu-west-1").presigned(
        KEY, seconds=5, media_type="image/png", disposition="inline"
    )
    assert address.startswith("https://s3.eu-west-1.amazonaws.com/b/g/")
    assert "from-env%2F" in address
    assert "X-Amz-Security-Token=a%20token%2F%2B" in address


def test_without_keys_of_our_own_we_serve_the_bytes(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    store = bucket.Bucket("s3://b")
    assert store.presigned(KEY, seconds=5, media_type="image/png", disposition="inline") is None
    assert store.origin == ""
