"""Stripe's webhooks: who said it, and where to look. Nothing in a body is believed beyond the ids that it names.

The signature is checked here and not by Stripe's client, which decodes the body first, accepts times in the future and
fails in other ways than by saying no.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

import structlog

from gesso.billing.gateways import protocol

TOLERANCE = 300  # seconds, either way
KINDS: Mapping[str, protocol.Kind] = {
    "cs": "checkout", "sub": "subscription", "pi": "payment", "in": "payment", "ch": "payment", "py": "payment",
    "re": "payment", "pyr": "payment", "dp": "payment", "du": "payment",
}  # fmt: skip
# What each type names: the field of its object that says where to look. Twenty are as many as one list may ask for.
TYPES: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (
        "checkout.session.completed", "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed", "checkout.session.expired", "invoice.paid", "invoice.payment_failed",
        "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
        "customer.subscription.paused", "customer.subscription.resumed",
    ),
    ("id",),
) | dict.fromkeys(
    (
        "refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.dispute.created",
        "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    ),
    ("payment_intent", "charge", "id"),
)  # fmt: skip

_ID = re.compile(r"([a-z]+)_[A-Za-z0-9_]{1,90}")
_TIME = re.compile(r"[0-9]{1,12}")

log = structlog.get_logger()


def verify(body: bytes, header: str, secret: str, now: float) -> None:
    """Prove that `body` was signed with `secret` about `now` (seconds). Raises protocol.BadSignature."""
    if not secret:
        raise protocol.BadSignature("there is no secret to check with")
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    if len(moments) != 1 or not _TIME.fullmatch(moments[0]):
        raise protocol.BadSignature("the header has no time")
    expected = hmac.new(secret.encode(), moments[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    given = [value.encode(errors="replace") for name, _, value in parts if name == "v1"]
    if not any(hmac.compare_digest(expected, one) for one in given):  # while a secret is exchanged there are several
        raise protocol.BadSignature("no signature fits the body")
    if abs(now - int(moments[0])) > TOLERANCE:
        raise protocol.BadSignature("it was signed too long ago, or in the future")


def notice(body: bytes, api_version: str) -> protocol.Notice:
    """Return what a proved body says. Raises protocol.BadSignature if it is no event."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise protocol.BadSignature("the body is not JSON") from None
    if not isinstance(event, dict) or event.get("object") != "event":
        raise protocol.BadSignature("the body is no event")
    number, kind, live = event.get("id"), event.get("type"), event.get("livemode")
    if not isinstance(number, str) or not number or not isinstance(kind, str) or not isinstance(live, bool):
        raise protocol.BadSignature("the body is no event")
    if event.get("api_version") != api_version:
        # Only ids are read from it, so it does no harm; what they name is fetched in our version.
        log.warning("a webhook of another API version", version=str(event.get("api_version"))[:40], ours=api_version)
    return protocol.Notice(number, kind, live, subjects(event))


def subjects(event: Mapping[str, Any]) -> tuple[protocol.Subject, ...]:
    """Return where an event says to look; nowhere for types that mean nothing here, and for connected accounts."""
    data = event.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    if not isinstance(about, dict) or event.get("account"):
        return ()
    for field in TYPES.get(str(event.get("type")), ()):
        found = subject(about.get(field))
        if found:
            return (found,)
    return ()


def subject(number: object) -> protocol.Subject | None:
    """Return what an id names, or None: nothing else is ever put into an address."""
    match = _ID.fullmatch(number) if isinstance(number, str) else None
    kind = KINDS.get(match[1]) if match else None
    return protocol.Subject(kind, str(number)) if kind else None
