"""The day's free credits, and what a person sees of the wallet."""

import datetime

import pytest

from gesso.accounts import workspaces
from gesso.core import catalog
from gesso.credits import allowances, ledger, queries
from gesso.credits.models import CreditGrant
from tests import world
from tests.credits.books import give, hold, money
from tests.credits.clocks import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("right_books")]


class TestAllowance:
    @pytest.fixture
    def verified(self, who: world.Person) -> world.Person:
        workspaces.verify_email(who.user)
        return who

    def test_is_granted_once_a_day_and_is_gone_at_midnight(self, verified: world.Person, time: Clock) -> None:
        daily = catalog.current().credits.daily
        for _ in range(3):
            allowances.ensure(verified.workspace)
        assert money(verified) == (daily, 0, 0)
        lot = CreditGrant.objects.get()
        assert (lot.source, lot.expires_at) == ("daily", datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC))
        time.later(hours=13, minutes=59)
        allowances.ensure(verified.workspace)
        assert money(verified) == (daily, 0, 0)
        time.later(minutes=1)
        assert money(verified) == (0, 0, 0)
        allowances.ensure(verified.workspace)
        assert money(verified) == (daily, 0, 0)

    def test_is_not_granted_again_when_spent(self, verified: world.Person, time: Clock) -> None:
        allowances.ensure(verified.workspace)
        ledger.settle(hold(verified, catalog.current().credits.daily).id, captured=1, by_member=True)
        time.later(hours=1)
        allowances.ensure(verified.workspace)
        assert money(verified)[0] == catalog.current().credits.daily - 1

    def test_ends_at_the_instances_midnight(self, verified: world.Person, time: Clock, settings: object) -> None:
        settings.TIME_ZONE = "Pacific/Auckland"  # type: ignore[attr-defined]
        allowances.ensure(verified.workspace)
        assert CreditGrant.objects.get().expires_at == datetime.datetime(2026, 3, 2, 11, tzinfo=datetime.UTC)
        time.later(hours=1)
        allowances.ensure(verified.workspace)
        assert CreditGrant.objects.count() == 2

    def test_needs_a_proved_email(self, who: world.Person) -> None:
        allowances.ensure(who.workspace)
        assert money(who) == (0, 0, 0)

    def test_is_for_personal_workspaces_only(self, verified: world.Person) -> None:
        verified.workspace.kind = "team"
        allowances.ensure(verified.workspace)
        assert money(verified) == (0, 0, 0)

    def test_can_be_none(self, verified: world.Person, monkeypatch: pytest.MonkeyPatch) -> None:
        rules = catalog.current()
        none = rules.model_copy(update={"credits": rules.credits.model_copy(update={"daily": 0})})
        monkeypatch.setattr(catalog, "current", lambda: none)
        allowances.ensure(verified.workspace)
        assert money(verified) == (0, 0, 0)

    def test_is_carried_over_by_no_chain_of_cancels(self, verified: world.Person, time: Clock) -> None:
        """Held over midnight and canceled every day for a week, a person never has more than the day's credits."""
        daily = catalog.current().credits.daily
        allowances.ensure(verified.workspace)
        for _ in range(7):
            held = hold(verified, daily)
            time.later(days=1)
            allowances.ensure(verified.workspace)
            ledger.settle(held.id, captured=0, by_member=True)
            assert money(verified) == (daily, 0, 0)


class TestQueries:
    def test_balance_names_grants_in_burn_order(self, who: world.Person, time: Clock) -> None:
        give(who, 9, "pack")
        give(who, 4, "daily", expires_at=time.ahead(hours=1))
        give(who, 3, "promo", expires_at=time.ahead(hours=2))
        hold(who, 5)
        time.later(hours=1)
        lines = queries.balance(who.workspace.id).grants
        assert [(line.source, line.available, line.held) for line in lines] == [
            ("daily", 0, 4), ("promo", 2, 1), ("pack", 9, 0),
        ]  # fmt: skip

    def test_a_workspace_is_paid_while_paid_credits_last(self, who: world.Person, time: Clock) -> None:
        give(who, 5)
        assert not queries.is_paid(who.workspace.id)
        give(who, 5, "plan", expires_at=time.ahead(hours=1))
        assert queries.is_paid(who.workspace.id)
        time.later(hours=1)
        assert not queries.is_paid(who.workspace.id)
        give(who, 5, "pack")
        held = hold(who, 10)
        assert queries.is_paid(who.workspace.id)
        ledger.settle(held.id, captured=10)
        assert not queries.is_paid(who.workspace.id)
