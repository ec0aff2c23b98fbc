"""The balance in words: what the rail, the composer and a purchase show, and the fragment that renews it.

Amounts are read from the ledger, never computed from something else. The pages of money are in `money`.
"""

import dataclasses
import uuid

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from gesso.credits import queries
from gesso.web import access, fragments, wording


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance as the rail and the composer show it; `available` is the plain number for the page's own sums."""

    available: int
    shown: str
    unit: str
    words: str


def balance(workspace_id: uuid.UUID) -> Balance:
    """Return the balance in words (two queries)."""
    return in_words(queries.balance(workspace_id))


def in_words(found: queries.Balance) -> Balance:
    """Return a balance that was read already in words."""
    daily = sum(grant.available for grant in found.grants if grant.source == "daily")
    words = wording.plural(found.available, "credit")
    return Balance(
        available=found.available, shown=f"{found.available:,}", unit="credit" if found.available == 1 else "credits",
        words=f"{words}, {daily} of them daily" if daily else words,
    )  # fmt: skip


@require_GET
@access.signed_in
def balance_fragment(request: access.Request) -> HttpResponse:
    """The balance by itself, as the page asks for it when it changed."""
    return fragments.draw(request, "credits/_balance.html", {"balance": balance(request.workspace.id)})
