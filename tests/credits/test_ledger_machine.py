"""Twenty thousand random steps: after each one the ledger says what a plain model says, and the proof finds nothing.

Every example is a savepoint that is rolled back. The steps are the same in every run; another seed tries others.
"""

from collections.abc import Callable
from typing import ClassVar

import hypothesis
import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gesso.accounts import workspaces
from gesso.core import catalog
from gesso.credits import allowances, ledger, queries
from gesso.credits.models import CreditAccount, CreditGrant, CreditHold, HoldPart
from tests import world
from tests.credits import books
from tests.credits.clocks import START, Clock
from tests.credits.model import Hold, Lot, Model

pytestmark = pytest.mark.django_db

STEPS = 20_000
SHARES = 5  # tests that the steps are spread over, for the sake of several cores
STEPS_EACH = 50

choices = st.integers(0, 999)  # which of those there are, counted from the newest
waits = st.sampled_from([0, 0, 0, 0, 1, 7, 25])  # hours before a deed: much is only wrong when something just expired


class Ledger(RuleBasedStateMachine):
    """The real ledger of one workspace and the model beside it, under the same hands."""

    who: ClassVar[world.Person]
    time: ClassVar[Clock]
    executed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.time.moment = START
        self.model = Model()
        self.grants: list[tuple[int, str, Lot]] = []
        self.holds: list[tuple[int, Hold]] = []
        self.backs: list[tuple[int, Hold, str]] = []
        self.refunds: list[tuple[int, Lot, str]] = []
        self.begun = False
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    @rule(
        source=st.sampled_from(["promo", "staff", "plan", "pack", "pack"]),
        amount=st.integers(1, 40),
        hours=st.sampled_from([None, 1, 5, 8, 26, 72]),
        wait=waits,
    )
    def grant(self, source: str, amount: int, hours: int | None, wait: int) -> None:
        self.time.later(hours=wait)
        expires_at = self.time.ahead(hours=hours) if hours else None
        reference = f"grant:{len(self.grants)}"
        lots = len(self.model.lots)
        self.model.grant(self.now, source, amount, expires_at)
        made = self._grant(source, amount, reference, expires_at)
        self.grants.append((made.id, reference, self.model.lots[lots]))

    @precondition(lambda self: self.grants)
    @rule(which=choices, amount=st.integers(1, 40), wait=waits)
    def grant_again(self, which: int, amount: int, wait: int) -> None:
        self.time.later(hours=wait)
        number, reference, _ = self.chosen(self.grants, which)
        self.model.expire(self.now)
        assert self._grant("pack", amount, reference, None).id == number

    @rule()
    def allowance(self) -> None:
        self.model.allowance(self.now, catalog.current().credits.daily)
        allowances.ensure(self.who.workspace)

    @rule(amount=st.integers(1, 60), wait=waits)
    def hold(self, amount: int, wait: int) -> None:
        self.time.later(hours=wait)
        reference = f"hold:{len(self.holds)}"
        made = self.same(
            lambda: self.model.hold(self.now, amount),
            lambda: ledger.hold(self.who.workspace.id, amount=amount, reference=reference),
        )
        if made:
            self.holds.append((made.id, self.model.holds[-1]))

    @precondition(lambda self: self.holds)
    @rule(which=choices, share=st.sampled_from([0, 0, 1, 2, 3, 4, 4]), by_member=st.booleans(), wait=waits)
    def settle(self, which: int, share: int, by_member: bool, wait: int) -> None:
        self.time.later(hours=wait)
        number, held = self.chosen(self.holds, which)
        captured = held.amount * share // 4
        self.same(
            lambda: self.model.settle(self.now, held, captured, by_member=by_member),
            lambda: ledger.settle(number, captured=captured, by_member=by_member),
        )

    @precondition(lambda self: self.holds)
    @rule(which=choices, amount=st.integers(1, 30), wait=waits)
    def give_back(self, which: int, amount: int, wait: int) -> None:
        self._give_back(*self.chosen(self.holds, which), f"back:{len(self.backs)}", amount, wait)

    @precondition(lambda self: self.backs)
    @rule(which=choices, amount=st.integers(1, 30), wait=waits)
    def give_back_again(self, which: int, amount: int, wait: int) -> None:
        self._give_back(*self.chosen(self.backs, which), amount, wait)

    @precondition(lambda self: self.grants)
    @rule(which=choices, wait=waits)
    def revoke(self, which: int, wait: int) -> None:
        number, _, lot = self.chosen(self.grants, which)
        self._revoke(number, lot, f"refund:{len(self.refunds)}", wait)

    @precondition(lambda self: self.refunds)
    @rule(which=choices, wait=waits)
    def revoke_again(self, which: int, wait: int) -> None:
        """Tell of the same refund again, or of another one of the same payment."""
        number, lot, reference = self.chosen(self.refunds, which // 2)
        self._revoke(number, lot, reference if which % 2 else f"refund:{len(self.refunds)}", wait)

    @rule(everywhere=st.booleans())
    def expire(self, everywhere: bool) -> None:
        expired = self.model.expire(self.now)
        assert ledger.expire_due(None if everywhere else self.who.workspace.id) == expired

    @rule(hours=st.sampled_from([0.5, 1, 6, 14, 24]))
    def time_passes(self, hours: float) -> None:
        self.time.later(hours=hours)

    @invariant()
    def the_books_are_the_models(self) -> None:
        type(self).executed += self.begun
        self.begun = True
        lots, holds = self.model.lots, self.model.holds
        assert list(
            CreditGrant.objects.order_by("id").values_list(
                "source", "amount", "available", "held", "spent", "expired", "revoked", "expires_at"
            )
        ) == [
            (lot.source, lot.amount, lot.available, lot.held, lot.spent, lot.expired, lot.revoked, lot.expires_at)
            for lot in lots
        ]
        assert list(
            CreditHold.objects.order_by("id").values_list("amount", "captured", "released", "state")
        ) == [(held.amount, held.captured, held.released, "open" if held.open else "closed") for held in holds]  # fmt: skip
        assert list(
            HoldPart.objects.order_by("hold_id", "id").values_list("amount", "captured", "released", "returned")
        ) == [(part.amount, part.captured, part.released, part.returned) for held in holds for part in held.parts]  # fmt: skip
        assert sum(CreditAccount.objects.values_list("debt", flat=True)) == self.model.debt

    @invariant()
    def a_person_sees_the_same(self) -> None:
        balance = queries.balance(self.who.workspace.id)
        assert balance.available == self.model.spendable(self.now)
        assert balance.held == sum(held.amount for held in self.model.holds if held.open)
        assert balance.debt == self.model.debt
        assert not (balance.debt and any(lot.source in {"plan", "pack"} and lot.available for lot in balance.grants))

    @invariant()
    def the_proof_finds_nothing(self) -> None:
        books.check()

    @property
    def now(self) -> object:
        return self.time.moment

    def chosen(self, rows: list, which: int):
        return rows[-1 - which % len(rows)]

    def same(self, expected: Callable[[], object], real: Callable[[], object]) -> object:
        """Let both do it and answer what the ledger answers: the same answer or the same refusal."""
        try:
            wanted = expected()
        except (ledger.InsufficientCredits, ledger.InDebt, ledger.HoldClosed) as refusal:
            with pytest.raises(type(refusal)) as refused:
                real()
            assert vars(refused.value) == vars(refusal)
            return None
        answer = real()
        assert wanted is None or answer == wanted
        return answer

    def _give_back(self, number: int, held: Hold, reference: str, amount: int, wait: int) -> None:
        self.time.later(hours=wait)
        given = self.model.give_back(self.now, held, amount, reference)
        assert ledger.give_back(number, amount=amount, reference=reference, reason="a test") == given
        if given:
            self.backs.append((number, held, reference))

    def _revoke(self, number: int, lot: Lot, reference: str, wait: int) -> None:
        self.time.later(hours=wait)
        done = self.model.revoke(self.now, lot, reference)
        assert ledger.revoke(number, reference=reference, reason="a test", actor="test") == done
        self.refunds.append((number, lot, reference))

    def _grant(self, source: str, amount: int, reference: str, expires_at: object) -> CreditGrant:
        return ledger.grant(
            self.who.workspace.id, source=source, amount=amount, reference=reference, expires_at=expires_at
        )  # type: ignore[arg-type]


def run(steps: int, seed: int, who: world.Person, time: Clock) -> None:
    """Run at least so many steps; an example may end early, so that there may be a second helping."""
    workspaces.verify_email(who.user)
    with connection.cursor() as cursor:  # nothing of anybody else's is in the way of exact comparisons
        cursor.execute("SELECT count(*) FROM credits_creditgrant")
        assert cursor.fetchone() == (0,)
    machine = type("Ledger", (Ledger,), {"who": who, "time": time, "executed": 0})
    while machine.executed < steps:
        settings = hypothesis.settings(
            max_examples=-(-(steps - machine.executed) // STEPS_EACH),
            stateful_step_count=STEPS_EACH,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)
        seed += SHARES
    assert machine.executed >= steps


def test_a_few_steps_for_those_in_a_hurry(who: world.Person, time: Clock) -> None:
    run(250, 1_000, who, time)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
def test_twenty_thousand_steps(share: int, who: world.Person, time: Clock) -> None:
    run(STEPS // SHARES, share, who, time)
