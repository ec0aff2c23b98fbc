"""A bucket that speaks S3 (Amazon, R2, MinIO and the like), through obstore.

`s3://bucket/prefix?endpoint=https://...&region=...`; credentials come from the AWS_ variables or stand in the address
as `s3://KEY:SECRET@bucket`. An answer is believed only when it fits what was asked: proxies and half-broken servers say
200 with a page of XML, or with nothing.
"""

import contextlib
import datetime
import hashlib
import os
import pathlib
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions
from obstore.store import S3Store

from gesso.core import env
from gesso.images import signing, storage

if TYPE_CHECKING:
    from obstore.store import S3Config

CONNECT_SECONDS, WHOLE_SECONDS, RETRIES, RETRY_SECONDS = 5, 60, 3, 20
_MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


class Bucket:
    """Objects below a prefix of one private bucket. A put is conditional: it creates or finds the same bytes."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        options = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        unknown = options.keys() - {"endpoint", "region"}
        if not parts.hostname or unknown:
            what = f"it does not know {min(unknown)}" if unknown else "it names no bucket"
            raise env.BadEnvironment(f"GESSO_STORAGE_URL must be s3://bucket/prefix?endpoint=...&region=...; {what}.")
        self._region = (
            options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
        )
        self._endpoint = options.get("endpoint", "").rstrip("/") or f"https://s3.{self._region}.amazonaws.com"
        self._bucket = parts.hostname
        self._prefix = parts.path.strip("/")
        self._credentials = _credentials(parts)
        endpoint = urllib.parse.urlsplit(self._endpoint)
        if endpoint.scheme not in {"http", "https"} or not endpoint.hostname or "@" in endpoint.netloc:
            words = "must begin with https:// (or http://) and hold no user or password"
            raise env.BadEnvironment(f"The endpoint in GESSO_STORAGE_URL {words}.")
        self.origin = f"{endpoint.scheme}://{endpoint.netloc}" if self._credentials else ""
        self._store = self._opened()

    def put(self, key: str, *parts: bytes) -> None:
        """Create the object in one request; compare when it is there already."""
        data = b"".join(parts)
        path = self._path(key)
        media_type = _MEDIA_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        with _unavailable():
            try:
                done = obstore.put(
                    self._store, path, data, mode="create", use_multipart=False, attributes={"Content-Type": media_type}
                )
            except exceptions.AlreadyExistsError:
                if self.get(key) != data:
                    raise storage.Occupied(key) from None
                return
        # The tag of an object that was put in one piece is its MD5, except under some encryptions: then its size tells.
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if (done["e_tag"] or "").strip('"') != md5 and self.size(key) != len(data):
            raise storage.Unavailable(f"the bucket took {key} but does not have it")

    def get(self, key: str) -> bytes:
        """Fetch the object. We store neither empty objects nor XML: either is an error in disguise."""
        with _unavailable():
            try:
                data = bytes(obstore.get(self._store, self._path(key)).bytes())
            except FileNotFoundError:
                raise storage.Missing(key) from None
        if not data or data.lstrip()[:1] == b"<":
            raise storage.Unavailable(f"the bucket's answer for {key} is not the object")
        return data

    def size(self, key: str) -> int | None:
        """Ask for the object's head."""
        with _unavailable():
            try:
                return obstore.head(self._store, self._path(key))["size"]
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        """Delete the object."""
        with _unavailable(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, self._path(key))

    def keys(self, prefix: str) -> Iterator[storage.StoredObject]:
        """List page by page, a thousand at a time."""
        inside = storage.checked(f"{prefix}/x").removesuffix("/x") if prefix else ""
        below = "/".join(part for part in (self._prefix, inside) if part)
        skipped = len(self._prefix) + 1 if self._prefix else 0
        with _unavailable():
            for page in obstore.list(self._store, below or None, chunk_size=1000):
                for found in page:
                    yield storage.StoredObject(found["path"][skipped:], found["size"], found["last_modified"])

    def unfinished(self) -> Iterator[storage.StoredObject]:
        """Nothing: an object is put in one request, which the bucket takes whole or not at all."""
        return iter(())

    def delete_unfinished(self, before: datetime.datetime) -> int:  # noqa: ARG002 (the protocol's)
        """Nothing is left unfinished."""
        return 0

    def local_path(self, key: str) -> pathlib.Path | None:  # noqa: ARG002 (the protocol's)
        """Nothing is on this machine."""
        return None

    def presigned(self, key: str, *, seconds: int, media_type: str, disposition: str) -> str | None:
        """Sign a GET. Without keys of our own (a machine's role) there is no address, and we serve the bytes."""
        if self._credentials is None:
            return None
        path = urllib.parse.quote(f"/{self._bucket}/{self._path(key)}", safe="/-_.~")
        return signing.presigned(
            self._endpoint + path,
            self._credentials,
            region=self._region,
            seconds=seconds,
            answer={
                "response-cache-control": "private, max-age=31536000, immutable",
                "response-content-disposition": disposition,
                "response-content-type": media_type,
            },
            now=datetime.datetime.now(datetime.UTC),
        )

    def _path(self, key: str) -> str:
        checked = storage.checked(key)
        return f"{self._prefix}/{checked}" if self._prefix else checked

    def _opened(self) -> S3Store:
        config: S3Config = {
            "bucket": self._bucket,
            "region": self._region,
            "endpoint": self._endpoint,
            "virtual_hosted_style_request": False,
            "conditional_put": "etag",
        }
        if self._credentials:
            config["access_key_id"] = self._credentials.key_id
            config["secret_access_key"] = self._credentials.secret
            if self._credentials.token:
                config["session_token"] = self._credentials.token
        return S3Store(
            config=config,
            client_options={
                "allow_http": self._endpoint.startswith("http://"),
                "connect_timeout": datetime.timedelta(seconds=CONNECT_SECONDS),
                "timeout": datetime.timedelta(seconds=WHOLE_SECONDS),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": datetime.timedelta(seconds=RETRY_SECONDS)},
        )


def _credentials(parts: urllib.parse.SplitResult) -> signing.Credentials | None:
    """Return the keys in the address, else those in the AWS_ variables, else None."""
    if parts.username and parts.password:
        return signing.Credentials(urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password))
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return signing.Credentials(key_id, secret, os.environ.get("AWS_SESSION_TOKEN", "")) if key_id and secret else None


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Say Unavailable for everything that the bucket or the way to it may do wrong."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        raise storage.Unavailable(f"the bucket says: {error}") from error
