"""A judgement about a prompt or a picture: allowed or not, why, and by whom."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`categories` are the judge's own words, for staff; `source` names the judge."""

    allowed: bool
    categories: tuple[str, ...]
    source: str


def allowed(source: str) -> Verdict:
    """Return that nothing speaks against it."""
    return Verdict(allowed=True, categories=(), source=source)
