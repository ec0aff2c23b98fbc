"""Teams: who may do what to whom, as a table; one owner always, also when two people press at once."""

import concurrent.futures

import pytest
from django.db import IntegrityError, connection, transaction

from gesso.accounts import api_keys, teams, workspaces
from gesso.accounts.models import Membership, Workspace
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db

DEEDS = {
    "rename": lambda actor, target: teams.rename(actor, "Studio Süd"),
    "change role": lambda actor, target: teams.change_role(actor, target.id, "viewer"),
    "remove": lambda actor, target: teams.remove(actor, target.id),
    "allow": lambda actor, target: teams.allow(actor, target.id, 40),
    "ask above": lambda actor, target: teams.ask_above(actor, 40),
    "hand over": lambda actor, target: teams.hand_over(actor, target.id, "Studio Nord"),
    "leave": lambda actor, target: teams.leave(actor),
}
# deed -> what comes of it for owner, admin, member and viewer, done to another admin
OUTCOMES = {
    "rename": ("done", "done", "not allowed", "not allowed"),
    "change role": ("done", "done", "not allowed", "not allowed"),
    "remove": ("done", "done", "not allowed", "not allowed"),
    "allow": ("done", "done", "not allowed", "not allowed"),
    "ask above": ("done", "done", "not allowed", "not allowed"),
    "hand over": ("done", "not allowed", "not allowed", "not allowed"),
    "leave": ("refused", "done", "done", "done"),
}


def outcome(deed) -> str:
    try:
        deed()
    except teams.NotAllowed:
        return "not allowed"
    except teams.Refused:
        return "refused"
    except teams.NoSuchMember:
        return "no such member"
    return "done"


def snapshot(workspace: Workspace) -> list:
    rows = Membership.objects.filter(workspace=workspace).order_by("id")
    team = Workspace.objects.filter(id=workspace.id).values_list("name", "approval_above")
    return [*rows.values_list("user_id", "role", "monthly_cap"), *team]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("place", range(4), ids=crew.ROLES)
def test_each_role_does_what_the_table_says(deed, place):
    us = crew.gather()
    other = world.person()
    target = Membership.objects.create(workspace=us.workspace, user=other.user, role="admin")
    actor, before = us.membership(crew.ROLES[place]), snapshot(us.workspace)
    assert outcome(lambda: DEEDS[deed](actor, target)) == OUTCOMES[deed][place]
    assert (snapshot(us.workspace) != before) == (OUTCOMES[deed][place] == "done")


@pytest.mark.parametrize("deed", ["change role", "remove", "allow"])
@pytest.mark.parametrize("role", ["owner", "admin"])
def test_nobody_touches_the_owner(deed, role):
    us = crew.gather()
    before = snapshot(us.workspace)
    assert outcome(lambda: DEEDS[deed](us.membership(role), us.membership("owner"))) == "refused"
    assert snapshot(us.workspace) == before


@pytest.mark.parametrize("deed", ["change role", "remove", "allow", "hand over"])
def test_members_of_another_team_are_not_there(deed):
    us, them = crew.gather(), crew.gather()
    before = snapshot(them.workspace)
    assert outcome(lambda: DEEDS[deed](us.membership("owner"), them.membership("member"))) == "no such member"
    assert snapshot(them.workspace) == before


@pytest.mark.parametrize("deed", DEEDS)
def test_a_personal_workspace_is_no_team(deed):
    who = world.person()
    ours = Membership.objects.get(user=who.user)
    assert outcome(lambda: DEEDS[deed](ours, ours)) == "not allowed"


def test_a_membership_that_has_ended_does_nothing_more():
    us = crew.gather()
    admin = us.membership("admin")
    teams.remove(us.membership("owner"), admin.id)
    assert outcome(lambda: teams.rename(admin, "Mine")) == "not allowed"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b", "a\u202eb"])
def test_a_name_has_1_to_80_printable_characters(name):
    with pytest.raises(teams.Refused):
        teams.create(world.person().user, name)
    assert not Workspace.objects.filter(kind="team").exists()


def test_a_person_owns_at_most_so_many_teams(monkeypatch):
    monkeypatch.setattr(teams, "OWNED_MOST", 2)
    who = world.person()
    for name in ("One", "  Two   words "):
        teams.create(who.user, name)
    assert [row.workspace.name for row in workspaces.of(who.user)][1:] == ["One", "Two words"]
    with pytest.raises(teams.Refused):
        teams.create(who.user, "Three")


def test_handing_over_makes_the_old_owner_an_admin_and_lifts_the_allowance():
    us = crew.gather()
    owner, member = us.membership("owner"), us.membership("member")
    teams.allow(owner, member.id, 40)
    for refused in ("studio nord", ""):
        with pytest.raises(teams.Refused):
            teams.hand_over(owner, member.id, refused)
    with pytest.raises(teams.Refused):
        teams.hand_over(owner, us.membership("viewer").id, "Studio Nord")
    with pytest.raises(teams.Refused):
        teams.hand_over(owner, owner.id, "Studio Nord")
    teams.hand_over(owner, member.id, "Studio Nord")
    assert (us.membership("owner").role, us.membership("member").role) == ("admin", "owner")
    assert us.membership("member").monthly_cap is None
    teams.leave(us.membership("owner"))


def test_the_database_refuses_an_owner_with_an_allowance():
    us = crew.gather()
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(id=us.membership("owner").id).update(monthly_cap=1)


@pytest.mark.parametrize("amount", [-1, teams.CREDITS_MOST + 1])
def test_an_allowance_is_a_number_of_credits(amount):
    us = crew.gather()
    with pytest.raises(teams.Refused):
        teams.allow(us.membership("owner"), us.membership("member").id, amount)
    with pytest.raises(teams.Refused):
        teams.ask_above(us.membership("owner"), amount)


def test_a_removed_members_key_stays_dead_when_they_come_back():
    us = crew.gather()
    _, secret = api_keys.create(us.workspace, us.user("member"), "importer")
    found = api_keys.find(secret)
    assert found.membership.role == "member" and found.workspace.approval_above is None
    teams.remove(us.membership("admin"), us.membership("member").id)
    assert api_keys.find(secret) is None
    Membership.objects.create(workspace=us.workspace, user=us.user("member"), role="member")
    assert api_keys.find(secret) is None


def test_who_was_removed_falls_back_to_their_own_workspace():
    us = crew.gather()
    user, chosen = us.user("member"), str(us.workspace.id)
    assert workspaces.current(user, chosen).workspace == us.workspace
    teams.remove(us.membership("admin"), us.membership("member").id)
    assert workspaces.current(user, chosen).workspace == us.people["member"].workspace


def at_once(*deeds) -> list[str]:
    def run(deed):
        try:
            return outcome(deed)
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(len(deeds)) as pool:
        return sorted(pool.map(run, deeds))


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_remove_each_other_at_once_leave_one():
    us = crew.gather()
    one = us.membership("admin")
    two = Membership.objects.create(workspace=us.workspace, user=world.person().user, role="admin")
    found = at_once(lambda: teams.remove(one, two.id), lambda: teams.remove(two, one.id))
    assert found == ["done", "not allowed"]
    assert Membership.objects.filter(workspace=us.workspace, role="admin").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_team_handed_to_ten_at_once_has_one_owner():
    us = crew.gather()
    owner = us.membership("owner")
    others = [
        Membership.objects.create(workspace=us.workspace, user=world.person().user, role="member") for _ in range(10)
    ]
    found = at_once(*[lambda to=to: teams.hand_over(owner, to.id, "Studio Nord") for to in others])
    assert found == ["done"] + ["not allowed"] * 9
    assert Membership.objects.filter(workspace=us.workspace, role="owner").count() == 1
    assert us.membership("owner").role == "admin"
