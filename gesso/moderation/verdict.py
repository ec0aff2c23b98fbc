"""A judgement about a prompt or a picture: allowed or not, why, and by whom; or that there is none."""

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


class Unavailable(Exception):
    """Moderation gave no verdict; `retry_after` in seconds when it said so. The message is for staff.

    `final`: it can't judge just this, and would say so again.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.final = final
