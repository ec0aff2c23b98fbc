"""Allowances and the limit above which an admin agrees: exact, also for fifty at once, and free of cost elsewhere."""

import concurrent.futures
import datetime
import zoneinfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gesso.accounts import teams
from gesso.core import clock, ids
from gesso.credits import queries
from gesso.credits.models import CreditHold
from gesso.generations import lifecycle, member_caps, settlement, submission
from gesso.generations.models import Generation, IdempotencyKey
from gesso.images.models import Image
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db


def submit(us: crew.Crew, role: str = "member", **more):
    settings = {name: more.pop(name) for name in ("quality", "count") if name in more}
    return submission.submit(us.fresh(), us.user(role), [world.wanted(**settings)], **more)[0]


def spent(us: crew.Crew, role: str = "member") -> int:
    return member_caps.allowance(us.membership(role)).spent


def nothing_held(us: crew.Crew) -> bool:
    return not CreditHold.objects.filter(workspace=us.workspace).exists() and not IdempotencyKey.objects.exists()


def capped(cap: int | None, *, credits: int = 200) -> crew.Crew:  # noqa: A002 (the word for it)
    us = crew.gather(credits=credits)
    teams.allow(us.membership("owner"), us.membership("member").id, cap)
    return us


def test_the_allowance_is_spent_to_the_last_credit_and_no_further():
    us = capped(8)
    submit(us)
    submit(us)
    with pytest.raises(member_caps.OverAllowance) as over:
        submit(us)
    assert (over.value.needed, over.value.left, over.value.cap) == (4, 0, 8)
    assert queries.balance(us.workspace.id).held == 8
    assert submit(us, "admin")  # others have their own
    assert (spent(us), spent(us, "admin"), member_caps.allowance(us.membership("member")).left) == (8, 4, 0)


def test_nothing_is_held_over_the_allowance():
    us = capped(7)
    key = submission.Idempotency("order-1", b"a" * 32)
    with pytest.raises(member_caps.OverAllowance):
        submit(us, count=2, idempotency=key)
    with pytest.raises(member_caps.OverAllowance):
        submission.submit(us.fresh(), us.user("member"), [world.wanted(), world.wanted(aspect_ratio="4:5")])
    assert nothing_held(us)
    assert submit(us)


def test_an_allowance_of_nothing_lets_nothing_through():
    us = capped(0)
    with pytest.raises(member_caps.OverAllowance):
        submit(us)
    assert nothing_held(us)


@pytest.mark.django_db(transaction=True)
def test_what_is_returned_is_room_again():
    us = capped(8)
    first = submit(us, count=2)
    lifecycle.cancel(us.workspace, first.id, us.user("member"))
    assert spent(us) == 0
    second = submit(us, count=2)
    world.drive(second, world.ScriptedProvider())
    assert spent(us) == 8
    image = Image.objects.filter(workspace=us.workspace).first()
    assert settlement.withdraw(image.id) == 4
    assert spent(us) == 4
    assert submit(us)


def test_a_month_is_a_calendar_month_of_the_instance(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    tokyo = zoneinfo.ZoneInfo("Asia/Tokyo")
    last = datetime.datetime(2026, 6, 30, 15, 0, tzinfo=datetime.UTC)  # midnight there: July has begun
    assert member_caps.month_of(last) == datetime.datetime(2026, 7, 1, tzinfo=tokyo)
    before = last - datetime.timedelta(seconds=1)
    assert member_caps.month_of(before) == datetime.datetime(2026, 6, 1, tzinfo=tokyo)


def test_a_new_month_begins_at_nothing():
    us = capped(4)
    made = submit(us)
    ago = member_caps.month_of(clock.now()) - datetime.timedelta(seconds=1)
    Generation.objects.filter(id=made.id).update(created_at=ago)
    assert spent(us) == 0
    assert submit(us)


def test_the_same_again_is_answered_though_the_allowance_is_spent():
    us = capped(4)
    number = ids.uuid7()
    first = submit(us, generation_ids=[number])
    assert submit(us, generation_ids=[number]).id == first.id


@pytest.mark.parametrize(
    ("role", "asks"), [("owner", False), ("admin", False), ("member", True)]
)  # a viewer doesn't generate at all
def test_above_the_limit_a_member_asks_first(role, asks):
    us = crew.gather(credits=200)
    teams.ask_above(us.membership("owner"), 16)
    assert submit(us, role, quality="high").price == 16
    if asks:
        with pytest.raises(submission.NeedsApproval) as needs:
            submit(us, role, quality="high", count=2)
        assert (needs.value.total, needs.value.above) == (32, 16)
        with pytest.raises(submission.NeedsApproval):  # the total counts, not each shape
            submission.submit(us.fresh(), us.user(role), [world.wanted(quality="high")] * 2)
        assert queries.balance(us.workspace.id).held == 16
    assert bool(submit(us, role, quality="high", count=2, approved=asks))


def asked_for_limits(deed) -> int:
    """Return how many statements asked about a member's limits."""
    with CaptureQueriesContext(connection) as seen:
        deed()
    return sum("monthly_cap" in query["sql"] or "approval_above" in query["sql"] for query in seen)


def test_a_personal_workspace_pays_no_statement_and_a_team_one():
    who, free, tight = world.person(credits=100), crew.gather(credits=100), capped(100)
    assert asked_for_limits(lambda: world.submit(who)) == 0
    for us in (free, tight):
        teams.ask_above(us.membership("owner"), 50)
        team, member = us.fresh(), us.user("member")
        assert asked_for_limits(lambda: submission.submit(team, member, [world.wanted()])) == 1  # noqa: B023 (now)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_with_room_for_ten():
    us = capped(40)
    asked, team, member = world.wanted(), us.fresh(), us.user("member")

    def attempt(_: int) -> bool:
        try:
            submission.submit(team, member, [asked])
        except member_caps.OverAllowance:
            return False
        finally:
            connection.close()
        return True

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(attempt, range(50))) == 10
    assert Generation.objects.filter(workspace=team).count() == 10
    balance = queries.balance(team.id)
    assert (balance.available, balance.held, spent(us)) == (160, 40, 40)
