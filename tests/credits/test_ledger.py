"""Grant, hold and settle: what each moves, what it refuses, and what the same call again does (nothing)."""

import datetime

import pytest
from django.db import IntegrityError, transaction

from gesso.credits import books, ledger
from gesso.credits.models import CreditEntry, CreditGrant, HoldPart
from tests import world
from tests.credits.books import buckets, debt, give, hold, money, movements, take_back
from tests.credits.clocks import START, Clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("right_books")]

UNUSABLE = [0, -1, -(10**12), ledger.LARGEST + 1, 2**63]


class TestGrant:
    def test_gives_credits_and_writes_its_entry(self, who: world.Person, time: Clock) -> None:
        until = time.ahead(days=30)
        lot = ledger.grant(
            who.workspace.id, source="plan", amount=500, reference="invoice:1", expires_at=until, actor="billing",
            reason="March",
        )  # fmt: skip
        assert buckets(lot) == (500, 0, 0, 0, 0)
        assert (lot.source, lot.priority, lot.expires_at, lot.created_at) == ("plan", 30, until, START)
        entry = CreditEntry.objects.get(workspace=who.workspace)
        assert (entry.kind, entry.from_bucket, entry.to_bucket) == ("grant", "issued", "available")
        assert (entry.amount, entry.balance_after, entry.at) == (500, 500, START)
        assert (entry.reference, entry.actor, entry.reason) == ("invoice:1", "billing", "March")

    def test_the_same_reference_gives_once_whatever_else_is_said(self, who: world.Person) -> None:
        first = ledger.grant(who.workspace.id, source="pack", amount=100, reference="order:1")
        again = ledger.grant(who.workspace.id, source="pack", amount=999, reference="order:1")
        assert (again.id, again.amount) == (first.id, 100)
        assert movements(who) == [("grant", 100)]

    def test_a_reference_of_another_workspace_is_refused(self, who: world.Person) -> None:
        other = world.person()
        ledger.grant(who.workspace.id, source="pack", amount=100, reference="order:1")
        with pytest.raises(ValueError, match="another workspace"):
            ledger.grant(other.workspace.id, source="pack", amount=100, reference="order:1")
        assert money(other) == (0, 0, 0)

    @pytest.mark.parametrize("amount", UNUSABLE)
    def test_refuses_amounts_that_are_none(self, who: world.Person, amount: int) -> None:
        with pytest.raises(ValueError, match="a grant must be of"):
            give(who, amount)
        assert movements(who) == []

    def test_takes_the_largest_amount(self, who: world.Person) -> None:
        give(who, ledger.LARGEST)
        hold(who, ledger.LARGEST)
        assert money(who) == (0, ledger.LARGEST, 0)

    def test_refuses_a_source_it_does_not_know(self, who: world.Person) -> None:
        with pytest.raises(ValueError, match="gift"):
            give(who, 1, source="gift")

    @pytest.mark.parametrize("source", sorted(books.PRIORITIES))
    def test_only_paid_sources_repay_debt(self, who: world.Person, source: str) -> None:
        spent = give(who, 10, "pack")
        ledger.settle(hold(who, 10).id, captured=10)
        assert take_back(spent) == ledger.Revocation(revoked=0, debt=10)
        lot = give(who, 25, source)
        if source in ("plan", "pack"):
            assert (buckets(lot), debt(who)) == ((15, 0, 10, 0, 0), 0)
            assert movements(who)[-2:] == [("grant", 25), ("repay", 10)]
            hold(who, 15)
        else:
            assert (buckets(lot), debt(who)) == ((25, 0, 0, 0, 0), 10)
            with pytest.raises(ledger.InDebt):
                hold(who, 1)

    def test_repays_debt_in_instalments(self, who: world.Person) -> None:
        spent = give(who, 10, "pack")
        ledger.settle(hold(who, 10).id, captured=10)
        take_back(spent)
        assert buckets(give(who, 4, "pack")) == (0, 0, 4, 0, 0)
        assert debt(who) == 6
        assert buckets(give(who, 7, "plan")) == (1, 0, 6, 0, 0)
        assert money(who) == (1, 0, 0)


class TestHold:
    def test_sets_credits_aside(self, who: world.Person) -> None:
        lot = give(who, 10)
        made = ledger.hold(who.workspace.id, amount=7, reference="work", actor="them")
        assert (made.amount, made.captured, made.released, made.state) == (7, 0, 0, "open")
        assert buckets(lot) == (3, 7, 0, 0, 0)
        entry = CreditEntry.objects.get(hold=made)
        assert (entry.kind, entry.amount, entry.balance_after) == ("hold", 7, 3)
        assert (entry.reference, entry.actor) == ("work", "them")

    def test_burns_the_soonest_to_expire_then_free_before_paid_then_the_oldest(
        self, who: world.Person, time: Clock
    ) -> None:
        soon, late = time.ahead(days=1), time.ahead(days=9)
        wanted = [  # source, expiry, age in hours; in the order they must burn
            ("pack", soon, 0),
            ("daily", late, 0),
            ("make-good", late, 0),
            ("promo", late, 0),
            ("staff", late, 0),
            ("plan", late, 3),
            ("plan", late, 0),
            ("plan", late, 0),
            ("daily", None, 0),
            ("pack", None, 5),
            ("pack", None, 0),
        ]
        lots: dict[int, CreditGrant] = {}
        for place in (10, 9, 4, 5, 0, 8, 1, 6, 7, 3, 2):
            source, expires_at, age = wanted[place]
            time.moment = START - datetime.timedelta(hours=age)
            lots[place] = give(who, 2, source, expires_at=expires_at)
        time.moment = START
        burnt = HoldPart.objects.filter(hold=hold(who, 2 * len(wanted) - 1)).order_by("id")
        assert list(burnt.values_list("grant_id", "amount")) == [
            (lots[place].id, 2 if place < 10 else 1) for place in range(11)
        ]

    def test_says_what_is_needed_and_what_there_is_and_changes_nothing(self, who: world.Person) -> None:
        give(who, 3)
        give(who, 4, "pack")
        with pytest.raises(ledger.InsufficientCredits, match="You have 7") as short:
            hold(who, 8)
        assert (short.value.needed, short.value.available) == (8, 7)
        assert (money(who), len(movements(who))) == ((7, 0, 0), 2)
        hold(who, 7)

    def test_a_workspace_without_an_account_has_nothing(self, who: world.Person) -> None:
        with pytest.raises(ledger.InsufficientCredits) as short:
            hold(who, 1)
        assert short.value.available == 0

    def test_what_expired_unposted_cannot_be_held(self, who: world.Person, time: Clock) -> None:
        give(who, 5, "daily", expires_at=time.ahead(hours=1))
        give(who, 5, "pack")
        time.later(hours=1)  # exclusive: the very moment is too late
        with pytest.raises(ledger.InsufficientCredits) as short:
            hold(who, 6)
        assert short.value.available == 5
        hold(who, 5)
        assert movements(who, skip=2) == [("expire", 5), ("hold", 5)]

    def test_debt_is_told_before_a_lack_of_credits(self, who: world.Person) -> None:
        spent = give(who, 10, "pack")
        ledger.settle(hold(who, 10).id, captured=10)
        take_back(spent)
        with pytest.raises(ledger.InDebt, match="10 credits are owed") as owing:
            hold(who, 1)
        assert owing.value.debt == 10

    def test_one_hold_for_a_reference(self, who: world.Person) -> None:
        give(who, 10)
        ledger.hold(who.workspace.id, amount=2, reference="work")
        with pytest.raises(IntegrityError), transaction.atomic():
            ledger.hold(who.workspace.id, amount=2, reference="work")
        assert money(who) == (8, 2, 0)

    @pytest.mark.parametrize("amount", UNUSABLE)
    def test_refuses_amounts_that_are_none(self, who: world.Person, amount: int) -> None:
        give(who, 10)
        with pytest.raises(ValueError, match="a hold must be of"):
            hold(who, amount)
        assert money(who) == (10, 0, 0)


class TestSettle:
    @pytest.mark.parametrize(("captured", "first", "second"), [
        (0, (4, 0, 0, 0, 0), (9, 0, 0, 0, 0)),
        (3, (1, 0, 3, 0, 0), (9, 0, 0, 0, 0)),
        (4, (0, 0, 4, 0, 0), (9, 0, 0, 0, 0)),
        (6, (0, 0, 4, 0, 0), (7, 0, 2, 0, 0)),
        (8, (0, 0, 4, 0, 0), (5, 0, 4, 0, 0)),
    ])  # fmt: skip
    def test_captures_in_burn_order_and_releases_the_rest_to_its_own_grant(
        self, who: world.Person, captured: int, first: tuple[int, ...], second: tuple[int, ...]
    ) -> None:
        lots = give(who, 4), give(who, 9, "pack")
        held = hold(who, 8)
        assert ledger.settle(held.id, captured=captured) == ledger.Settlement(captured, 8 - captured, 0)
        assert tuple(buckets(lot) for lot in lots) == (first, second)
        held.refresh_from_db()
        assert (held.state, held.captured, held.released) == ("closed", captured, 8 - captured)
        assert money(who) == (13 - captured, 0, 0)

    def test_a_hold_ends_once(self, who: world.Person) -> None:
        give(who, 10)
        held = hold(who, 8)
        ledger.settle(held.id, captured=3)
        for captured in (3, 0, 8):
            with pytest.raises(ledger.HoldClosed):
                ledger.settle(held.id, captured=captured)
        assert money(who) == (7, 0, 0)

    @pytest.mark.parametrize("captured", [-1, 9, 2**63])
    def test_captures_no_more_than_was_held_and_no_less_than_nothing(self, who: world.Person, captured: int) -> None:
        give(who, 10)
        held = hold(who, 8)
        with pytest.raises(ValueError, match="cannot capture"):
            ledger.settle(held.id, captured=captured)
        assert money(who) == (2, 8, 0)

    def test_what_comes_back_to_an_expired_grant_is_made_good_for_a_day(self, who: world.Person, time: Clock) -> None:
        daily = give(who, 4, "daily", expires_at=time.ahead(hours=2))
        pack = give(who, 9, "pack")
        held = hold(who, 8)
        time.later(hours=3)
        assert ledger.settle(held.id, captured=1) == ledger.Settlement(captured=1, released=7, made_good=3)
        assert (buckets(daily), buckets(pack)) == ((0, 0, 1, 3, 0), (9, 0, 0, 0, 0))
        made = CreditGrant.objects.get(source="make-good")
        assert (made.amount, made.expires_at) == (3, time.ahead(hours=24))
        assert movements(who, skip=4) == [
            ("capture", 1), ("release", 3), ("expire", 3), ("grant", 3), ("release", 4),
        ]  # fmt: skip

    def test_a_members_own_cancel_carries_nothing_over(self, who: world.Person, time: Clock) -> None:
        give(who, 4, "daily", expires_at=time.ahead(hours=2))
        held = hold(who, 4)
        time.later(hours=3)
        assert ledger.settle(held.id, captured=0, by_member=True).made_good == 0
        assert money(who) == (0, 0, 0)

    def test_a_cancel_gives_back_what_has_not_expired(self, who: world.Person, time: Clock) -> None:
        give(who, 4, "daily", expires_at=time.ahead(hours=2))
        held = hold(who, 4)
        ledger.settle(held.id, captured=0, by_member=True)
        assert money(who) == (4, 0, 0)

    def test_a_make_good_grant_is_not_made_good_again(self, who: world.Person, time: Clock) -> None:
        give(who, 4, "daily", expires_at=time.ahead(hours=2))
        held = hold(who, 4)
        time.later(hours=3)
        ledger.settle(held.id, captured=0)
        again = hold(who, 4)
        time.later(hours=25)
        assert ledger.settle(again.id, captured=0).made_good == 0
        assert money(who) == (0, 0, 0)

    def test_what_comes_back_to_a_paid_grant_repays_debt(self, who: world.Person) -> None:
        """A pack is refunded while its credits are held: when the work fails, nobody is left owing for nothing."""
        lot = give(who, 100, "pack")
        held = hold(who, 40)
        assert take_back(lot) == ledger.Revocation(revoked=60, debt=40)
        assert ledger.settle(held.id, captured=0) == ledger.Settlement(captured=0, released=40, made_good=0)
        assert (buckets(lot), debt(who)) == ((0, 0, 40, 0, 60), 0)
        assert movements(who)[-2:] == [("release", 40), ("repay", 40)]
        give(who, 1, "daily")
        hold(who, 1)

    def test_debt_is_repaid_before_a_plans_credits_expire(self, who: world.Person, time: Clock) -> None:
        lot = give(who, 10, "plan", expires_at=time.ahead(hours=1))
        held = hold(who, 10)
        other = give(who, 4, "pack")
        ledger.settle(hold(who, 4).id, captured=4)
        take_back(other)
        time.later(hours=2)
        assert ledger.settle(held.id, captured=0).made_good == 6
        assert (buckets(lot), money(who)) == ((0, 0, 4, 6, 0), (6, 0, 0))
