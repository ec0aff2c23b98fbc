"""What members spent this month, in words: for the team's pages and for the page of credits."""

from gesso.accounts.models import Membership, Workspace
from gesso.generations import member_caps
from gesso.web import wording


def month(spent: int, cap: int | None) -> str:
    """Return what was spent this month, of how much where there is an allowance."""
    return f"{spent:,}" if cap is None else f"{spent:,} of {cap:,}"


def own_month(membership: Membership) -> str:
    """Return the sentence about one's own spending in a team; empty in a personal workspace, where all is one's own."""
    if membership.workspace.kind != Workspace.Kind.TEAM:
        return ""
    found = member_caps.allowance(membership)
    if found.cap is None:
        return f"You spent {wording.plural(found.spent, 'credit')} of the team's this month."
    return f"You spent {found.spent:,} of your allowance of {wording.plural(found.cap, 'credit')} this month."
