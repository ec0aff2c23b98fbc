"""Creem's webhooks: who said it, and where to look. Signed by the hex HMAC-SHA256 of the raw body, without a time.

Invariant: nothing but ids is taken from a body, so a delivery that is sent again years later does no harm.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

import orjson

from gesso.billing.gateways import creem_states, protocol
from gesso.billing.gateways.creem_api import Row

_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TELLING = ("checkout.", "subscription.", "refund.", "dispute.")  # the events that can mean something for credits


def hear(secret: bytes, body: bytes, headers: Mapping[str, str], *, live: bool) -> protocol.Notice:
    """Return what a proved webhook names; `live` is the mode of the key. Raises BadSignature."""
    given = headers.get("creem-signature", "")
    if not secret or not _SIGNATURE.fullmatch(given):
        raise protocol.BadSignature("there is no signature to check")
    if not hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest(), given):
        raise protocol.BadSignature("the signature is not ours")
    try:
        event = orjson.loads(body)
        number, kind, told = event["id"], event["eventType"], event["object"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise protocol.BadSignature("signed, but not an event") from error
    if not (isinstance(number, str) and number and isinstance(kind, str) and isinstance(told, dict)):
        raise protocol.BadSignature("signed, but not an event")
    # The envelope has no mode. Where the object says nothing either, what is fetched will.
    return protocol.Notice(number, kind, creem_states.is_live(told) if "mode" in told else live, _subjects(kind, told))


def _subjects(kind: str, told: Row) -> tuple[protocol.Subject, ...]:
    """Return where to look: of a refund or a dispute, what the payment was for, since a transaction does not say it."""
    if not kind.startswith(_TELLING):
        return ()
    if kind.startswith("checkout."):
        found = protocol.Subject("checkout", creem_states.id_of(told))
    elif kind.startswith("subscription."):
        found = protocol.Subject("subscription", creem_states.id_of(told))
    elif plan := creem_states.id_of(told.get("subscription")):
        found = protocol.Subject("subscription", plan)
    elif checkout := creem_states.id_of(told.get("checkout")):
        found = protocol.Subject("checkout", checkout)
    else:
        found = protocol.Subject("payment", creem_states.id_of(told.get("transaction")))
    return (found,) if _ID.fullmatch(found.id) else ()
