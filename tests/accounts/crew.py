"""A team with one person of each role, for tests."""

import dataclasses
import uuid

from gesso.accounts import teams, workspaces
from gesso.accounts.models import Membership, User, Workspace
from gesso.credits import ledger
from tests import world

ROLES = ("owner", "admin", "member", "viewer")


@dataclasses.dataclass(frozen=True)
class Crew:
    """A team and its people, by role."""

    workspace: Workspace
    people: dict[str, world.Person]

    def membership(self, role: str) -> Membership:
        """Return the membership of who came with that role, as it is now."""
        found = Membership.objects.select_related("workspace", "user")
        return found.get(workspace=self.workspace, user=self.people[role].user)

    def user(self, role: str) -> User:
        """Return who came with that role."""
        return self.people[role].user

    def fresh(self) -> Workspace:
        """Return the team's workspace as it is now."""
        return Workspace.objects.get(id=self.workspace.id)


def gather(*, credits: int = 0, name: str = "Studio Nord") -> Crew:  # noqa: A002 (the word for it)
    """Return a new team with a verified person in each role and so many credits in its wallet."""
    people = {role: world.person() for role in ROLES}
    for who in people.values():
        workspaces.verify_email(who.user)
    team = teams.create(people["owner"].user, name).workspace
    for role in ROLES[1:]:
        Membership.objects.create(workspace=team, user=people[role].user, role=role)
    if credits:
        ledger.grant(team.id, source="staff", amount=credits, reference=f"test:{uuid.uuid4()}", reason="a test")
    return Crew(team, people)
