"""What goes the other way: captured credits given back, payments taken back, time that is over."""

import pytest

from gesso.credits import ledger
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold, HoldPart
from tests import world
from tests.credits.books import buckets, debt, give, hold, money, movements, take_back
from tests.credits.clocks import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("right_books")]


class TestGiveBack:
    def returned(self, held: CreditHold) -> list[int]:
        return list(HoldPart.objects.filter(hold=held).order_by("id").values_list("returned", flat=True))

    def test_returns_the_part_captured_last_first(self, who: world.Person) -> None:
        lots = give(who, 4), give(who, 9, "pack")
        held = hold(who, 8)
        ledger.settle(held.id, captured=7)
        assert ledger.give_back(held.id, amount=2, reference="a", reason="broken") == 2
        assert self.returned(held) == [0, 2]
        assert ledger.give_back(held.id, amount=3, reference="b", reason="broken") == 3
        assert self.returned(held) == [2, 3]
        assert tuple(buckets(lot) for lot in lots) == ((2, 0, 2, 0, 0), (9, 0, 0, 0, 0))
        entries = CreditEntry.objects.filter(kind="return").order_by("id")
        assert list(entries.values_list("amount", "reference", "reason", "hold_id")) == [
            (2, "a", "broken", held.id), (1, "b", "broken", held.id), (2, "b", "broken", held.id),
        ]  # fmt: skip

    def test_the_same_reference_returns_once(self, who: world.Person) -> None:
        give(who, 8)
        held = hold(who, 8)
        ledger.settle(held.id, captured=8)
        assert [ledger.give_back(held.id, amount=2, reference="a", reason="") for _ in range(3)] == [2, 0, 0]
        assert money(who) == (2, 0, 0)

    def test_a_repeat_keeps_the_entries_of_what_expired_meanwhile(self, who: world.Person, time: Clock) -> None:
        give(who, 8)
        held = hold(who, 8)
        ledger.settle(held.id, captured=8)
        ledger.give_back(held.id, amount=2, reference="a", reason="")
        give(who, 5, "daily", expires_at=time.ahead(hours=1))
        time.later(hours=1)
        ledger.give_back(held.id, amount=2, reference="a", reason="")
        assert movements(who)[-1] == ("expire", 5)

    def test_never_returns_more_than_was_captured(self, who: world.Person) -> None:
        give(who, 8)
        held = hold(who, 8)
        assert ledger.give_back(held.id, amount=8, reference="early", reason="") == 0
        ledger.settle(held.id, captured=5)
        assert ledger.give_back(held.id, amount=ledger.LARGEST, reference="a", reason="") == 5
        assert ledger.give_back(held.id, amount=1, reference="b", reason="") == 0
        assert money(who) == (8, 0, 0)

    def test_what_returns_to_an_expired_grant_is_made_good(self, who: world.Person, time: Clock) -> None:
        daily = give(who, 4, "daily", expires_at=time.ahead(hours=1))
        held = hold(who, 4)
        ledger.settle(held.id, captured=4)
        time.later(hours=2)
        assert ledger.give_back(held.id, amount=3, reference="a", reason="") == 3
        assert (buckets(daily), money(who)) == ((0, 0, 1, 3, 0), (3, 0, 0))
        assert CreditGrant.objects.get(source="make-good").expires_at == time.ahead(hours=24)

    def test_what_returns_to_a_revoked_pack_repays_its_debt(self, who: world.Person) -> None:
        lot = give(who, 8, "pack")
        held = hold(who, 8)
        ledger.settle(held.id, captured=8)
        take_back(lot)
        assert ledger.give_back(held.id, amount=8, reference="a", reason="") == 8
        assert money(who) == (0, 0, 0)

    @pytest.mark.parametrize("amount", [0, -1])
    def test_refuses_amounts_that_are_none(self, who: world.Person, amount: int) -> None:
        give(who, 8)
        held = hold(who, 8)
        ledger.settle(held.id, captured=8)
        with pytest.raises(ValueError, match="cannot give back"):
            ledger.give_back(held.id, amount=amount, reference="a", reason="")


class TestRevoke:
    def test_takes_what_is_left_and_what_was_used_is_owed(self, who: world.Person) -> None:
        lot = give(who, 20, "pack")
        held = hold(who, 8)
        ledger.settle(held.id, captured=5)
        hold(who, 2)
        assert take_back(lot) == ledger.Revocation(revoked=13, debt=7)
        assert (buckets(lot), money(who)) == ((0, 2, 5, 0, 13), (0, 2, 7))

    def test_what_is_owed_is_repaid_at_once_from_other_paid_grants(self, who: world.Person, time: Clock) -> None:
        taken = give(who, 20, "pack")
        ledger.settle(hold(who, 20).id, captured=20)
        free, pack = give(who, 9, "promo"), give(who, 30, "pack")
        plan = give(who, 12, "plan", expires_at=time.ahead(hours=5))
        assert take_back(taken) == ledger.Revocation(revoked=0, debt=20)
        assert (buckets(free), buckets(plan), buckets(pack)) == ((9, 0, 0, 0, 0), (0, 0, 12, 0, 0), (22, 0, 8, 0, 0))
        assert movements(who)[-3:] == [("debt", 20), ("repay", 12), ("repay", 8)]
        hold(who, 31)
        assert money(who) == (0, 31, 0)

    def test_what_other_paid_grants_cannot_repay_stays_owed(self, who: world.Person) -> None:
        taken = give(who, 20, "pack")
        ledger.settle(hold(who, 20).id, captured=20)
        give(who, 5, "pack")
        take_back(taken)
        assert money(who) == (0, 0, 15)

    def test_credits_that_repaid_are_owed_when_their_own_payment_goes_back(self, who: world.Person) -> None:
        taken = give(who, 20, "pack")
        ledger.settle(hold(who, 20).id, captured=20)
        other = give(who, 20, "pack")
        take_back(taken)
        assert take_back(other) == ledger.Revocation(revoked=0, debt=20)
        assert money(who) == (0, 0, 20)

    def test_an_untouched_grant_leaves_no_debt(self, who: world.Person) -> None:
        assert take_back(give(who, 20, "pack")) == ledger.Revocation(revoked=20, debt=0)
        assert money(who) == (0, 0, 0)

    def test_the_same_reference_takes_once(self, who: world.Person, time: Clock) -> None:
        lot = give(who, 20, "pack")
        ledger.settle(hold(who, 8).id, captured=8)
        for expected in ((12, 8), (0, 0), (0, 0)):
            done = ledger.revoke(lot.id, reference="refund:1", reason="", actor="")
            assert (done.revoked, done.debt) == expected
            give(who, 3, "daily", expires_at=time.ahead(hours=1))
            time.later(hours=1)
        assert (buckets(lot), debt(who)) == ((0, 0, 8, 0, 12), 8)

    def test_a_refund_and_a_lost_dispute_take_no_more_than_the_grant(self, who: world.Person) -> None:
        lot = give(who, 20, "pack")
        held = hold(who, 8)
        assert take_back(lot) == ledger.Revocation(revoked=12, debt=8)
        give(who, 8, "pack")  # repays
        ledger.settle(held.id, captured=0)
        assert take_back(lot) == ledger.Revocation(revoked=0, debt=0)
        assert money(who) == (8, 0, 0)

    def test_what_expired_is_not_owed(self, who: world.Person, time: Clock) -> None:
        lot = give(who, 20, "plan", expires_at=time.ahead(hours=1))
        ledger.settle(hold(who, 8).id, captured=8)
        time.later(hours=2)
        assert take_back(lot) == ledger.Revocation(revoked=0, debt=8)
        assert buckets(lot) == (0, 0, 8, 12, 0)

    def test_revoking_what_repaid_a_debt_brings_the_debt_back(self, who: world.Person) -> None:
        first = give(who, 10, "pack")
        ledger.settle(hold(who, 10).id, captured=10)
        take_back(first)
        second = give(who, 15, "pack")
        assert take_back(second) == ledger.Revocation(revoked=5, debt=10)
        assert money(who) == (0, 0, 10)


class TestExpireDue:
    def test_posts_what_is_over_once(self, who: world.Person, time: Clock) -> None:
        other = world.person()
        lot = give(who, 5, "daily", expires_at=time.ahead(hours=1))
        give(who, 6, "promo", expires_at=time.ahead(hours=2))
        give(other, 7, "daily", expires_at=time.ahead(hours=1))
        assert ledger.expire_due(None) == 0
        time.later(hours=1)
        assert ledger.expire_due(who.workspace.id) == 5
        assert ledger.expire_due(None) == 7
        assert ledger.expire_due(None) == 0
        assert (buckets(lot), money(who), money(other)) == ((0, 0, 0, 5, 0), (6, 0, 0), (0, 0, 0))

    def test_leaves_alone_what_is_held(self, who: world.Person, time: Clock) -> None:
        lot = give(who, 5, "daily", expires_at=time.ahead(hours=1))
        held = hold(who, 3)
        time.later(hours=1)
        assert ledger.expire_due(None) == 2
        assert buckets(lot) == (0, 3, 0, 2, 0)
        ledger.settle(held.id, captured=3)
        assert buckets(lot) == (0, 0, 3, 2, 0)
