"""The tables of billing: orders, the subscriptions and payments that came of them, and what was refused.

Amounts of money are in the smallest unit of their currency (cents), before tax.

Invariants: an order keeps what was shown when it was made, whatever the catalogue says later; one payment at a gateway
is one row and one grant; a workspace has one subscription that runs. What was agreed is never changed and no order,
subscription or payment is deleted (triggers of the migration `guards`). What a gateway says is compared with these
rows, never with the catalogue. Credits themselves are in `credits`.
"""

import datetime
import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from gesso.accounts.models import User, Workspace
from gesso.core import ids
from gesso.credits.models import CreditGrant


class Customer(models.Model):
    """Who a workspace is at a gateway, where payments are real (`live`) and where they are tests."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="customers")
    gateway = models.CharField(max_length=8)
    live = models.BooleanField()
    external_id = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint("gateway", "live", "external_id", name="customer_once"),
            models.UniqueConstraint("workspace", "gateway", "live", name="customer_one_for_each_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.external_id}"


class Order(models.Model):
    """What a workspace asked to buy, with the price that was shown. `paid` once, by one payment."""

    class Kind(models.TextChoices):
        PACK = "pack"
        PLAN = "plan"

    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        FAILED = "failed"
        EXPIRED = "expired"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="orders")
    member = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    gateway = models.CharField(max_length=8)
    live = models.BooleanField()
    kind = models.CharField(max_length=4, choices=Kind)
    item = models.CharField(max_length=64)  # the catalogue's id
    name = models.CharField(max_length=60)
    credits = models.PositiveIntegerField()
    amount = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=7, choices=State, default=State.OPEN)
    checkout_id = models.CharField(max_length=255, blank=True)
    checkout_url = models.TextField(blank=True)
    created_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("gateway", "checkout_id", condition=~Q(checkout_id=""), name="order_checkout_once"),
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True) | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="order_ends_with_a_time",
            ),
            models.CheckConstraint(condition=Q(credits__gte=1, amount__gte=1), name="order_is_something"),
            models.CheckConstraint(
                condition=Q(kind__in=["pack", "plan"], state__in=["open", "paid", "failed", "expired"]),
                name="order_says_what_it_is",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="order_newest")]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class Subscription(models.Model):
    """A plan that is paid each month. The plan's words, credits and price are those it was bought with.

    `next_*` is what it becomes at its next renewal, when a smaller plan was chosen; empty otherwise.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        PAST_DUE = "past_due"
        ENDED = "ended"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="subscriptions")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="subscription")
    gateway = models.CharField(max_length=8)
    external_id = models.CharField(max_length=255)
    plan = models.CharField(max_length=64)
    name = models.CharField(max_length=60)
    credits = models.PositiveIntegerField()
    amount = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    next_plan = models.CharField(max_length=64, blank=True)
    next_name = models.CharField(max_length=60, blank=True)
    next_credits = models.PositiveIntegerField(default=0)
    next_amount = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    period_end = models.DateTimeField(null=True)
    cancels_at_period_end = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    changed_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint("gateway", "external_id", name="subscription_once"),
            models.UniqueConstraint("workspace", condition=~Q(state="ended"), name="subscription_one_runs"),
            models.CheckConstraint(
                condition=Q(state="ended", ended_at__isnull=False) | (~Q(state="ended") & Q(ended_at__isnull=True)),
                name="subscription_ends_with_a_time",
            ),
            models.CheckConstraint(
                condition=Q(next_plan="", next_credits=0, next_amount=0)
                | (~Q(next_plan="") & Q(next_credits__gte=1, next_amount__gte=1)),
                name="subscription_next_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "past_due", "ended"]), name="subscription_says_what_it_is"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class PlanChange(models.Model):
    """What was agreed when a change of plan was asked for, beside what the plan was then.

    It is kept when the gateway did not answer, since it may have heard: money that comes for it brings what was agreed.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    plan = models.CharField(max_length=64)
    name = models.CharField(max_length=60)
    credits = models.PositiveIntegerField()
    amount = models.PositiveIntegerField()
    from_name = models.CharField(max_length=60)
    from_credits = models.PositiveIntegerField()
    from_amount = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(credits__gte=1, amount__gte=1, from_credits__gte=1, from_amount__gte=1),
                name="change_is_between_plans",
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_name} to {self.name}"


class Payment(models.Model):
    """Money that arrived and the credits it brought: a receipt. `id` is the receipt's number.

    `refunded` is the money that went back so far. `claimed` are the credits that belong to it, or to a dispute;
    `taken_back` those that could be taken, which is less where some had expired unused.
    """

    class Reason(models.TextChoices):
        PACK = "pack"
        FIRST = "first"
        RENEWAL = "renewal"
        CHANGE = "change"

    class Dispute(models.TextChoices):
        NONE = ""
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payments")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.PROTECT, related_name="payments")
    gateway = models.CharField(max_length=8)
    live = models.BooleanField()
    external_id = models.CharField(max_length=255)
    reason = models.CharField(max_length=7, choices=Reason)
    name = models.CharField(max_length=60)
    credits = models.PositiveIntegerField()
    amount = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=60, blank=True)
    grant = models.OneToOneField(CreditGrant, null=True, on_delete=models.PROTECT, related_name="+")
    change = models.OneToOneField(PlanChange, null=True, on_delete=models.PROTECT, related_name="payment")
    paid_at = models.DateTimeField()
    period_end = models.DateTimeField(null=True)
    refunded = models.PositiveIntegerField(default=0)
    claimed = models.PositiveIntegerField(default=0)
    taken_back = models.PositiveIntegerField(default=0)
    moves = models.PositiveSmallIntegerField(default=0)  # how often credits went or came: numbers their references
    dispute = models.CharField(max_length=4, choices=Dispute, default=Dispute.NONE, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint("gateway", "external_id", name="payment_once"),
            models.UniqueConstraint("order", condition=Q(reason__in=["pack", "first"]), name="order_is_paid_once"),
            models.CheckConstraint(condition=Q(refunded__lte=F("amount")), name="payment_refund_within"),
            models.CheckConstraint(
                condition=Q(claimed__lte=F("credits"), taken_back__lte=F("claimed")), name="payment_taken_back_within"
            ),
            models.CheckConstraint(
                condition=Q(credits=0, grant__isnull=True) | Q(credits__gte=1, grant__isnull=False),
                name="payment_brings_what_it_says",
            ),
            models.CheckConstraint(
                condition=Q(reason="pack", subscription__isnull=True)
                | (~Q(reason="pack") & Q(subscription__isnull=False)),
                name="payment_of_a_plan_has_its_subscription",
            ),
            models.CheckConstraint(
                condition=Q(reason="change", change__isnull=False) | (~Q(reason="change") & Q(change__isnull=True)),
                name="payment_of_a_change_has_it",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["pack", "first", "renewal", "change"], dispute__in=["", "open", "won", "lost"]),
                name="payment_says_what_it_is",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-paid_at"], name="payment_newest")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.external_id}"


class Mismatch(models.Model):
    """What a gateway reported and our rows do not bear out: nothing moved, and staff look at it."""

    gateway = models.CharField(max_length=8)
    subject = models.CharField(max_length=255)
    code = models.CharField(max_length=40)
    sentence = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "mismatches"
        constraints = [models.UniqueConstraint("gateway", "subject", "code", name="mismatch_once")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.subject} {self.code}"


class Reconciliation(models.Model):
    """One look over the past days: how many things were looked at, and what webhooks had missed, in sentences."""

    gateway = models.CharField(max_length=8)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    looked_at = models.PositiveIntegerField(default=0)
    mended = models.JSONField(default=list)
    failed = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["gateway", "-began_at"], name="reconciliation_newest")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.began_at:%Y-%m-%d %H:%M}"


class TestSale(models.Model):
    """The other side of the test checkout: what its pretended gateway knows. Only `gateways.testing` reads it."""

    id = models.CharField(primary_key=True, max_length=80)
    data = models.JSONField()
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.id
