"""Signature Version 4 against the worked example of the Amazon S3 API reference."""

import datetime

from gesso.images import signing

EXAMPLE = signing.Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
MOMENT = datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC)


def _signed(address: str, **answer: str) -> str:
    return signing.presigned(address, EXAMPLE, region="us-east-1", seconds=86400, answer=answer, now=MOMENT)


def test_the_published_example():
    address = _signed("https://examplebucket.s3.amazonaws.com/test.txt")
    assert address.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_type_and_disposition_are_signed():
    plain = _signed("https://h/b/k")
    dressed = _signed("https://h/b/k", **{"response-content-type": "image/png"})
    assert plain.rpartition("=")[2] != dressed.rpartition("=")[2]


def test_secrets_stay_out_of_words():
    assert EXAMPLE.secret not in repr(EXAMPLE)
