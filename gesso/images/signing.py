"""Addresses that serve one object for a while: AWS Signature Version 4 in the query, for GET only.

The type and the disposition of the answer are part of what is signed, so that nobody can change how a browser takes it.
Source: Amazon S3 API reference, "Authenticating requests: using query parameters".
"""

import dataclasses
import datetime
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A key pair, and the token that comes with a temporary one (else empty)."""

    key_id: str
    secret: str = dataclasses.field(repr=False)
    token: str = dataclasses.field(default="", repr=False)


def presigned(
    address: str,
    credentials: Credentials,
    *,
    region: str,
    seconds: int,
    answer: Mapping[str, str],
    now: datetime.datetime,
) -> str:
    """Return `address` with a signature for `seconds`. `answer` holds response-content-type and the like."""
    parts = urllib.parse.urlsplit(address)
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day}/{region}/s3/aws4_request"
    query = {
        **answer,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        query["X-Amz-Security-Token"] = credentials.token
    text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-_.~")
    request = "\n".join(["GET", parts.path, text, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    told = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in (day, region, "s3", "aws4_request", told):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{text}&X-Amz-Signature={key.hex()}"
