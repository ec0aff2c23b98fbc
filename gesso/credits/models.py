"""The tables of the ledger: an account to lock, grants that are closed vessels, holds that end once, entries for ever.

Invariants live in the database (constraints here, triggers in the migration `guards`): a grant's five buckets add up to
its amount, a hold closes exactly, an entry is never changed. What moves credits is in `ledger`.
"""

from django.db import models
from django.db.models import F, Q

from gesso.accounts.models import Workspace


class CreditAccount(models.Model):
    """The row that every write of a workspace's ledger locks first. `debt`: credits taken back that had been spent."""

    workspace = models.OneToOneField(
        Workspace, primary_key=True, on_delete=models.PROTECT, related_name="credit_account"
    )
    debt = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.workspace_id)


class CreditGrant(models.Model):
    """A lot of credits from one source. available + held + spent + expired + revoked = amount, always."""

    class Source(models.TextChoices):
        DAILY = "daily"
        MAKE_GOOD = "make-good"
        PROMO = "promo"
        STAFF = "staff"
        PLAN = "plan"
        PACK = "pack"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_grants")
    source = models.CharField(max_length=9, choices=Source)
    amount = models.PositiveBigIntegerField()
    available = models.PositiveBigIntegerField()
    held = models.PositiveBigIntegerField(default=0)
    spent = models.PositiveBigIntegerField(default=0)
    expired = models.PositiveBigIntegerField(default=0)
    revoked = models.PositiveBigIntegerField(default=0)
    priority = models.PositiveSmallIntegerField()
    expires_at = models.DateTimeField(null=True)  # exclusive
    reference = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=1), name="grant_is_something"),
            models.CheckConstraint(
                condition=Q(amount=F("available") + F("held") + F("spent") + F("expired") + F("revoked")),
                name="grant_is_a_closed_vessel",
            ),
        ]
        indexes = [
            models.Index(
                F("workspace"), F("expires_at").asc(nulls_last=True), F("priority"), F("created_at"), F("id"),
                condition=Q(available__gt=0), name="grant_burn_order",
            ),
            models.Index(fields=["expires_at"], condition=Q(available__gt=0), name="grant_to_expire"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.source} {self.amount}"


class CreditHold(models.Model):
    """Credits set aside for one piece of work, named by an opaque `reference`. Open, then closed exactly once."""

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_holds")
    amount = models.PositiveBigIntegerField()
    captured = models.PositiveBigIntegerField(default=0)
    released = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=6, choices=State, default=State.OPEN)
    reference = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=1), name="hold_is_something"),
            models.CheckConstraint(
                condition=Q(state="open", captured=0, released=0, closed_at__isnull=True)
                | Q(state="closed", amount=F("captured") + F("released"), closed_at__isnull=False),
                name="hold_ends_exactly",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class HoldPart(models.Model):
    """What one grant gives to a hold. `returned` counts captured credits that were given back later."""

    hold = models.ForeignKey(CreditHold, on_delete=models.PROTECT, related_name="parts")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="parts")
    amount = models.PositiveBigIntegerField()
    captured = models.PositiveBigIntegerField(default=0)
    released = models.PositiveBigIntegerField(default=0)
    returned = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint("hold", "grant", name="hold_part_once"),
            models.CheckConstraint(condition=Q(amount__gte=1), name="hold_part_is_something"),
            models.CheckConstraint(
                condition=Q(captured=0, released=0) | Q(amount=F("captured") + F("released")),
                name="hold_part_ends_exactly",
            ),
            models.CheckConstraint(condition=Q(returned__lte=F("captured")), name="hold_part_returns_what_it_took"),
        ]

    def __str__(self) -> str:
        return f"{self.hold_id}<{self.grant_id}"


class CreditEntry(models.Model):
    """One movement of `amount` credits of a grant from one bucket to another; append-only.

    `debt` moves stand beside the grants: from `debt` when credits were taken back that had been spent, back to it when
    a paid grant repays. `balance_after` is the workspace's available after the movement.
    """

    class Bucket(models.TextChoices):
        ISSUED = "issued"
        AVAILABLE = "available"
        HELD = "held"
        SPENT = "spent"
        EXPIRED = "expired"
        REVOKED = "revoked"
        DEBT = "debt"

    class Kind(models.TextChoices):
        GRANT = "grant"
        HOLD = "hold"
        CAPTURE = "capture"
        RELEASE = "release"
        RETURN = "return"
        EXPIRE = "expire"
        REVOKE = "revoke"
        DEBT = "debt"
        REPAY = "repay"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_entries")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="entries")
    hold = models.ForeignKey(CreditHold, null=True, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=7, choices=Kind)
    from_bucket = models.CharField(max_length=9, choices=Bucket)
    to_bucket = models.CharField(max_length=9, choices=Bucket)
    amount = models.PositiveBigIntegerField()
    balance_after = models.PositiveBigIntegerField()
    reference = models.CharField(max_length=120, blank=True)
    actor = models.CharField(max_length=120, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "credit entries"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=1), name="entry_moves_something"),
            models.CheckConstraint(
                condition=Q(kind="grant", from_bucket="issued", to_bucket="available")
                | Q(kind="hold", from_bucket="available", to_bucket="held")
                | Q(kind="capture", from_bucket="held", to_bucket="spent")
                | Q(kind="release", from_bucket="held", to_bucket="available")
                | Q(kind="return", from_bucket="spent", to_bucket="available")
                | Q(kind="expire", from_bucket="available", to_bucket="expired")
                | Q(kind="revoke", from_bucket="available", to_bucket="revoked")
                | Q(kind="debt", from_bucket="debt", to_bucket="issued")
                | Q(kind="repay", from_bucket="available", to_bucket="spent"),
                name="entry_kind_names_its_buckets",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="entry_statement"),
            models.Index(fields=["reference"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"
