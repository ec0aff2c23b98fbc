"""What every provider of images promises: the words between the generation's path and an adapter.

An adapter asks for exactly one image in each call, never retries by itself (an attempt is a committed row before its
request leaves), hands over the raw answer untouched, and says every failure in one of the words of `Kind`.
It knows no tables: models and capabilities come from `core.catalog`, bytes come in as arguments.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

Kind = Literal[
    "moderation",  # the provider's policy refused the request or the picture: no retry, nothing charged
    "user_input",  # the request itself can't be served (a broken reference, an impossible size): no retry
    "rate_limited",  # surely not accepted: try again after `retry_after`
    "unavailable",  # surely not accepted, the provider is ill (5xx before work, connection refused): try again
    "operator",  # key, quota or billing of the operator: no retry, staff must act
    "unknown",  # sent and not answered (timeout, reset, truncated): nobody knows whether the work was done
    "malformed",  # answered, but not with a picture: no retry by itself
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """One input image in its order: `data` is our clean re-encode, `media_type` its true type."""

    data: bytes = dataclasses.field(repr=False)
    media_type: str
    role: str  # subject, style, layout, product, or ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One image to make. `attempt` is unique for each try; `index` of `outputs` is the slot, so that outputs differ."""

    attempt: str
    index: int
    outputs: int
    model: str
    prompt: str
    width: int
    height: int
    aspect_ratio: str
    quality: str
    background: str
    format: str
    references: tuple[Reference, ...]
    end_user: str  # a stable hash, for the provider's abuse reports; never an email address
    previews: int  # partial pictures wanted (0: none, don't stream)
    timeout: float  # seconds for the whole call


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raw:
    """A provider's answer as it came, to be spooled before anything looks at it.

    `kind` tells the adapter's own `read` how to parse `body` later, also in another process after a crash.
    """

    kind: str
    body: bytes = dataclasses.field(repr=False)
    request_id: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """What `read` found in a raw answer: the provider's bytes untouched, and what the provider said it used."""

    data: bytes = dataclasses.field(repr=False)
    usage: dict[str, object] = dataclasses.field(default_factory=dict)


class ProviderFailure(Exception):
    """A call that brought no picture. `raw` is for staff only; users are told the kind in our words."""

    def __init__(
        self, kind: Kind, code: str, *, raw: str = "", retry_after: float | None = None, request_id: str = ""
    ) -> None:
        super().__init__(f"{kind}: {code}")
        self.kind: Kind = kind
        self.code = code  # the provider's own code, or a short word of ours
        self.raw = raw[:4000]
        self.retry_after = retry_after  # seconds
        self.request_id = request_id


Preview = Callable[[bytes], Awaitable[None]]
"""Called with the bytes of each partial picture as it comes; must not fail."""


class Provider(Protocol):
    """A maker of images. One instance for each process; safe for many calls at once."""

    name: str

    async def submit(self, request: Request, preview: Preview) -> Raw:
        """Ask for one image and return the raw answer. Raises ProviderFailure."""
        ...

    def read(self, raw: Raw) -> Picture:
        """Return the picture in `raw`. Pure and repeatable. Raises ProviderFailure (malformed or moderation)."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
