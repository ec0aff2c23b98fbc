"""Approval: nothing is held before it, it happens once however many press, and at a price that the admin saw."""

import concurrent.futures

import pytest
from django.db import IntegrityError, connection, transaction

from gesso.accounts import teams
from gesso.accounts.models import Membership
from gesso.core import ids
from gesso.credits import ledger, queries
from gesso.generations import approvals, lifecycle, member_caps, pricing, spec, submission
from gesso.generations.models import ApprovalRequest, Generation
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db


@pytest.fixture
def us() -> crew.Crew:
    made = crew.gather(credits=200)
    teams.ask_above(made.membership("owner"), 10)
    return made


def ask(us: crew.Crew, prompt: str = "Pears", **settings) -> ApprovalRequest:
    return ask_for(us, [world.wanted(prompt, quality="high", **settings)])


def ask_for(us: crew.Crew, wanted: list[spec.GenerationSpec], **more) -> ApprovalRequest:
    with pytest.raises(submission.NeedsApproval) as refused:
        submission.submit(us.fresh(), us.user("member"), wanted, **more)
    return approvals.ask(us.fresh(), us.user("member"), refused.value)


def balance(us: crew.Crew) -> tuple[int, int]:
    found = queries.balance(us.workspace.id)
    return found.available, found.held


def state(row: ApprovalRequest) -> str:
    return ApprovalRequest.objects.get(id=row.id).state


def test_what_is_approved_is_submitted_as_its_member(us):
    image = world.upload(world.Person(us.user("member"), us.workspace))
    row = ask(us, count=2, references=[{"image_id": str(image.id), "role": "style"}])
    assert (row.state, row.total, balance(us)) == ("pending", 32, (200, 0))
    [made] = approvals.approve(us.membership("admin"), row.id, seen=32)
    assert (made.id, made.member, made.price, made.quality, made.count) == (row.id, us.user("member"), 32, "high", 2)
    assert [(each.image_id, each.role) for each in made.references.all()] == [(image.id, "style")]
    assert balance(us) == (168, 32)
    decided = ApprovalRequest.objects.get(id=row.id)
    assert (decided.state, decided.decided_by) == ("approved", us.user("admin"))
    assert member_caps.allowance(us.membership("member")).spent == 32


def test_several_shapes_are_one_request(us):
    wanted = [world.wanted("Pears", quality="high", aspect_ratio=ratio) for ratio in ("1:1", "4:5")]
    numbers = [ids.uuid7(), ids.uuid7()]
    row = ask_for(us, wanted, generation_ids=numbers)
    assert ask_for(us, wanted, generation_ids=numbers).id == row.id
    assert ApprovalRequest.objects.count() == 1
    made = approvals.approve(us.membership("owner"), row.id, seen=32)
    assert [each.id for each in made] == numbers


@pytest.mark.parametrize("role", crew.ROLES)
@pytest.mark.parametrize("deed", ["approve", "decline", "withdraw"])
def test_who_decides(us, role, deed):
    row = ask(us)
    actor = us.membership(role)
    deeds = {
        "approve": lambda: approvals.approve(actor, row.id, seen=16),
        "decline": lambda: approvals.decline(actor, row.id, " Too\0  dear\x1b "),
        "withdraw": lambda: approvals.withdraw(actor, row.id),
    }
    may = role == "member" if deed == "withdraw" else role in {"owner", "admin"}
    if may:
        deeds[deed]()
        after = {"approve": "approved", "decline": "declined", "withdraw": "withdrawn"}[deed]
    else:
        with pytest.raises(approvals.NoSuchRequest if deed == "withdraw" else approvals.NotAllowed):
            deeds[deed]()
        after = "pending"
    assert state(row) == after
    assert balance(us) == ((184, 16) if after == "approved" else (200, 0))
    assert ApprovalRequest.objects.get(id=row.id).reason == ("Too dear" if after == "declined" else "")


def test_another_teams_request_is_not_there(us):
    row, them = ask(us), crew.gather(credits=100)
    for deed in (
        lambda: approvals.approve(them.membership("owner"), row.id, seen=16),
        lambda: approvals.decline(them.membership("owner"), row.id, ""),
        lambda: approvals.withdraw(them.membership("member"), row.id),
    ):
        with pytest.raises(approvals.NoSuchRequest):
            deed()
    assert state(row) == "pending"


def test_a_decision_stands(us):
    row = ask(us)
    approvals.decline(us.membership("admin"), row.id, "")
    for deed in (
        lambda: approvals.approve(us.membership("owner"), row.id, seen=16),
        lambda: approvals.decline(us.membership("owner"), row.id, ""),
        lambda: approvals.withdraw(us.membership("member"), row.id),
    ):
        with pytest.raises(approvals.Decided):
            deed()
    assert not Generation.objects.exists()


def test_members_see_their_own_and_admins_all(us):
    row = ask(us)
    other = Membership.objects.create(workspace=us.workspace, user=world.person().user, role="member")
    assert list(approvals.seen_by(us.membership("admin"))) == list(approvals.seen_by(us.membership("member"))) == [row]
    assert list(approvals.seen_by(other)) == []


def test_a_price_that_rose_is_shown_before_it_is_held(us, monkeypatch):
    row = ask(us)
    monkeypatch.setattr(pricing, "quote", lambda each: pricing.Quote(each=20, count=each.count))
    with pytest.raises(approvals.PriceRose):
        approvals.approve(us.membership("admin"), row.id, seen=16)
    assert (state(row), balance(us), ApprovalRequest.objects.get().total) == ("pending", (200, 0), 20)
    approvals.approve(us.membership("admin"), row.id, seen=20)
    assert balance(us) == (180, 20)


def test_a_price_that_fell_is_the_one_that_is_held(us, monkeypatch):
    row = ask(us)
    monkeypatch.setattr(pricing, "quote", lambda each: pricing.Quote(each=12, count=each.count))
    approvals.approve(us.membership("admin"), row.id, seen=16)
    assert (balance(us), ApprovalRequest.objects.get().total) == ((188, 12), 12)


def test_the_allowance_holds_for_what_is_approved_too(us):
    row = ask(us)
    teams.allow(us.membership("owner"), us.membership("member").id, 15)
    with pytest.raises(member_caps.OverAllowance):
        approvals.approve(us.membership("admin"), row.id, seen=16)
    assert (state(row), balance(us)) == ("pending", (200, 0))
    with pytest.raises(member_caps.OverAllowance):
        ask(us)
    teams.allow(us.membership("owner"), us.membership("member").id, 16)
    approvals.approve(us.membership("admin"), row.id, seen=16)
    assert state(row) == "approved"


def test_too_few_credits_leave_it_waiting(us):
    row = ask(us)
    ledger.hold(us.workspace.id, amount=190, reference="something else")
    with pytest.raises(ledger.InsufficientCredits):
        approvals.approve(us.membership("admin"), row.id, seen=16)
    assert state(row) == "pending"


@pytest.mark.parametrize("how", ["removed", "viewer", "closed account"])
def test_who_may_no_longer_generate_gets_nothing_approved(us, how):
    row, member = ask(us), us.membership("member")
    if how == "removed":
        teams.remove(us.membership("owner"), member.id)
    elif how == "viewer":
        teams.change_role(us.membership("owner"), member.id, "viewer")
    else:
        type(member.user).objects.filter(id=member.user_id).update(is_active=False)
    with pytest.raises(approvals.CantApprove):
        approvals.approve(us.membership("admin"), row.id, seen=16)
    assert (state(row), balance(us)) == ("pending", (200, 0))


def test_an_id_of_somebody_else_is_taken(us):
    row = ask(us)
    with pytest.raises(submission.IdTaken):
        ask_for(us, [world.wanted("Plums", quality="high")], generation_ids=[row.id])
    us.people["member"] = world.person()
    Membership.objects.create(workspace=us.workspace, user=us.user("member"), role="member")
    with pytest.raises(submission.IdTaken):
        ask_for(us, [world.wanted("Pears", quality="high")], generation_ids=[row.id])


def test_a_member_has_so_many_waiting_at_most(us, monkeypatch):
    monkeypatch.setattr(approvals, "WAITING_MOST", 1)
    row = ask(us)
    with pytest.raises(approvals.TooMany):
        ask(us)
    approvals.withdraw(us.membership("member"), row.id)
    assert ask(us)


def test_a_retry_above_the_limit_keeps_its_parent(us):
    first = submission.submit(us.fresh(), us.user("admin"), [world.wanted(quality="high", count=4)])[0]
    lifecycle.cancel(us.workspace, first.id, us.user("admin"))
    with pytest.raises(submission.NeedsApproval) as refused:
        lifecycle.retry(us.fresh(), us.user("member"), first.id)
    row = approvals.ask(us.fresh(), us.user("member"), refused.value)
    [made] = approvals.approve(us.membership("admin"), row.id, seen=64)
    assert (made.parent, made.count) == (first, 4)


def test_a_model_that_is_gone_leaves_it_waiting(us):
    row = ask(us)
    ApprovalRequest.objects.filter(id=row.id).update(specs=[row.specs[0] | {"model": "gone"}])
    with pytest.raises(spec.BadSpec):
        approvals.approve(us.membership("admin"), row.id, seen=16)
    assert state(row) == "pending"


def test_the_database_refuses_a_decision_without_a_time(us):
    row = ask(us)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.filter(id=row.id).update(state="approved")


@pytest.mark.django_db(transaction=True)
def test_ten_admins_at_once_approve_once(us):
    row = ask(us)
    actors = [us.membership("owner"), us.membership("admin")] * 5

    def press(actor: Membership) -> str:
        try:
            approvals.approve(actor, row.id, seen=16)
        except approvals.Decided:
            return "decided"
        finally:
            connection.close()
        return "done"

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(press, actors)) == ["decided"] * 9 + ["done"]
    assert balance(us) == (184, 16)
    assert Generation.objects.filter(workspace=us.workspace).count() == 1
