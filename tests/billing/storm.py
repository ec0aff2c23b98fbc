"""A webhook storm: one workspace's purchases at a gateway, told in a seeded disorder, and what must come of them.

`story` is what happens at the gateway: steps that change its truth, each with what its webhooks name. `storm` plays it:
every webhook is delivered never, once or up to three times, at once or as late as it likes, before or after others.
`expected` is the model: plain arithmetic over the gateway's truth, without any of our code.
"""

import dataclasses
import datetime
import json
import random
from collections.abc import Callable, Iterator

from gesso.billing import subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Order
from gesso.credits import ledger, queries
from gesso.webhooks import inbox
from gesso.webhooks.models import WebhookEvent
from tests import world
from tests.billing import shop
from tests.billing.till import Till, event, sign, subject_of

Step = Callable[[], list[protocol.Subject]]


@dataclasses.dataclass
class Storm:
    """One workspace with two packs and a plan to be paid, and the dice."""

    till: Till
    who: world.Person
    packs: list[Order]
    plan: Order
    dice: random.Random
    spent: int = 0
    agreed: dict[str, int] = dataclasses.field(default_factory=dict)  # credits by payment

    # The gateway's truth

    def truth(self, *states: protocol.State) -> list[protocol.Subject]:
        """Let this be so at the gateway; returns what its webhooks may name."""
        self.till.know(*states)
        return [subject_of(state) for state in states]

    def paid(self, state: protocol.PaymentState, credits_: int) -> list[protocol.Subject]:
        self.agreed[state.id] = credits_
        return self.truth(state)

    def change(self, number: str, **fields: object) -> list[protocol.Subject]:
        """Change a payment or a subscription as the gateway knows it."""
        for subject, (state,) in self.till.states.items():
            if subject.id == number:
                return self.truth(dataclasses.replace(state, **fields))  # type: ignore[arg-type]
        raise AssertionError(f"nothing is known of {number}")

    def story(self) -> list[Step]:
        """Return ten events of one workspace, in the order in which they happen."""
        dice, (first, second), plan = self.dice, self.packs, self.plan
        numbers = [f"pay_{first.id}", f"pay_{second.id}", f"pay_{plan.id}", f"pay_{plan.id}_1", f"pay_{plan.id}_2"]
        sub = f"sub_{plan.id}"
        upgrade = dice.random() < 0.5
        renewal = {"item": "team", "amount": 4200} if upgrade else {}
        brought = 1500 if upgrade else 400
        money: list[Step] = [
            lambda: self.paid(shop.paid(first), 200),
            lambda: [
                *self.paid(shop.paid(plan), 400),
                *self.truth(shop.standing(plan)),
                *self.truth(protocol.CheckoutState(id=plan.checkout_id, order=str(plan.id), state="complete")),
            ],
            lambda: self.paid(shop.renewed(plan, 1, paid_at=at(1), order=dice.choice(["", str(plan.id)])), 400),
            lambda: self.change(numbers[0], refunded=dice.choice([1, 400, 799])),
            (lambda: self.upgrade(sub)) if upgrade else (lambda: self.change(sub, cancels_at_period_end=True)),
            lambda: self.paid(shop.renewed(plan, 2, paid_at=at(2), **renewal), brought),
            lambda: self.change(dice.choice(numbers), dispute="open"),
            lambda: self.change(self.disputed(), dispute=dice.choice(["won", "lost"])),
            lambda: self.paid(shop.paid(second, refunded=dice.choice([0, 800])), 200),
            dice.choice([
                lambda: self.change(dice.choice(numbers), refunded=10_000),
                lambda: self.change(numbers[0], refunded=0),
                lambda: self.change(sub, state="ended"),
            ]),
        ]  # fmt: skip
        # A second pack is not disputed before it is paid.
        money[6], money[8] = money[8], money[6]
        money[7], money[8] = money[8], money[7]
        return money

    def upgrade(self, sub: str) -> list[protocol.Subject]:
        """The person asks for a dearer plan, as soon as this install knows of the one that runs."""
        inbox_late = subscriptions.current(self.who.workspace.id) is None
        if inbox_late:  # coming back from the checkout, everybody's order is looked at
            subscriptions.looking.look(self.till, protocol.Subject("payment", f"pay_{self.plan.id}"))
        subscriptions.change(self.who.workspace, "team")
        state = shop.paid(
            self.plan, id=f"pay_{self.plan.id}_up", reason="change", item="team", amount=1401,
            paid_at=at(1) + shop.MONTH / 2, period_end=at(2),
        )  # fmt: skip
        return [*self.paid(state, 1100 * 1401 // 2800), *self.change(sub, item="team")]

    def disputed(self) -> str:
        return next(
            subject.id for subject, (state,) in self.till.states.items() if getattr(state, "dispute", "") == "open"
        )

    # Deliveries

    def blow(self) -> None:
        """Play the story and handle its webhooks in disorder; nothing is reconciled."""
        waiting: list[bytes] = []
        for number, step in enumerate(self.story()):
            for turn, subject in enumerate(step()):
                copies = self.dice.choice([0, 0, 1, 1, 1, 1, 2, 3])
                waiting += [event(f"evt_{number}_{turn}", subject)] * copies
            self.dice.shuffle(waiting)
            keep = 0 if self.dice.random() < 0.3 else self.dice.randint(0, len(waiting))
            late, now = waiting[:keep], waiting[keep:]
            self.deliver(now)
            waiting = late
            self.spend()
        self.dice.shuffle(waiting)
        self.deliver([body for body in waiting if self.dice.random() < 0.7])

    def deliver(self, bodies: list[bytes]) -> None:
        numbers = []
        for body in bodies:
            inbox.receive(self.till, body, {"x-signature": sign(body)})
            numbers.append(json.loads(body)["id"])
        ids = dict(WebhookEvent.objects.filter(external_id__in=numbers).values_list("external_id", "id"))
        self.dice.shuffle(numbers)
        for number in numbers:
            inbox.handle(ids[number])

    def spend(self) -> None:
        """Make pictures with some of what is there."""
        wallet = queries.balance(self.who.workspace.id)
        if wallet.debt or not wallet.available or self.dice.random() < 0.6:
            return
        amount = self.dice.randint(1, wallet.available)
        hold = ledger.hold(self.who.workspace.id, amount=amount, reference=f"work {self.dice.random()}")
        ledger.settle(hold.id, captured=amount)
        self.spent += amount

    # The model

    def payments(self) -> Iterator[protocol.PaymentState]:
        for states in self.till.states.values():
            yield from (state for state in states if isinstance(state, protocol.PaymentState))

    def expected(self) -> dict[str, tuple[int, int, int, str]]:
        """Return credits, credits that belong to what went back, money that went back, and dispute, by payment."""
        rows = {}
        for state in self.payments():
            brought, refunded = self.agreed[state.id], min(state.refunded, state.amount)
            gone = brought if state.dispute in {"open", "lost"} else brought * refunded // state.amount
            rows[state.id] = (brought, gone, refunded, state.dispute)
        return rows


def at(month: int) -> datetime.datetime:
    return shop.NOW + month * shop.MONTH
