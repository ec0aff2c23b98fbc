"""The tables of the ledger: an account to lock, grants that are closed vessels, holds that end once, entries for ever.

Invariants live in the database (constraints here, triggers in the migration `guards`): a grant's five buckets add up to
its amount, a hold closes exactly, an entry is never changed. What moves credits is in `ledger`.
"""

import uuid

from django.db import models
from django.db.models import F, Q

from gesso.accounts.models import User, Workspace
from gesso.core import ids


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


class DailyPlace(models.Model):
    """One personal workspace's daily credits on one day: which mailbox, which network, its how-manieth. By digests.

    `network` and `place` are null where the network doesn't count. Kept for a week (`allowances.forget`).
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    mailbox = models.BinaryField()
    network = models.BinaryField(null=True)
    place = models.PositiveSmallIntegerField(null=True)  # from 1 to the catalogue's `per_network`

    class Meta:
        constraints = [
            models.UniqueConstraint("day", "workspace", name="daily_once_for_each_workspace"),
            models.UniqueConstraint("day", "mailbox", name="daily_once_for_each_mailbox"),
            models.UniqueConstraint("day", "network", "place", name="daily_place_is_taken_once"),
            models.CheckConstraint(
                condition=Q(network__isnull=True, place__isnull=True) | Q(network__isnull=False, place__gte=1),
                name="daily_place_is_of_a_network",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.place or ''}"


class PromoCode(models.Model):
    """A code that gives credits: to a workspace (promo), or to somebody who makes an account with it (invite).

    `digest` is what a code is found by; `shown` is how it is written for people. `uses` counts what is in `PromoUse`
    and was not given back.
    """

    class Kind(models.TextChoices):
        PROMO = "promo", "Promo"
        INVITE = "invite", "Invitation"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    kind = models.CharField(max_length=6, choices=Kind)
    digest = models.BinaryField(unique=True)
    shown = models.CharField(max_length=48)
    credits = models.PositiveIntegerField()
    uses_most = models.PositiveIntegerField()
    uses = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)  # of the code, exclusive; null: until it is ended or used up
    credits_days = models.PositiveSmallIntegerField(null=True)  # life of the credits; null: promo.CREDITS_DAYS
    for_new_only = models.BooleanField(default=False)
    note = models.CharField(max_length=200)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(uses_most__gte=1), name="code_has_a_use"),
            models.CheckConstraint(condition=Q(uses__lte=F("uses_most")), name="code_is_not_used_up_twice"),
            models.CheckConstraint(condition=Q(credits__gte=1) | Q(kind="invite"), name="code_is_for_something"),
            models.CheckConstraint(
                condition=Q(credits_days__isnull=True) | Q(credits_days__gte=1), name="code_credits_last"
            ),
        ]

    def __str__(self) -> str:
        return self.shown


class PromoUse(models.Model):
    """One use of a code. Of an invitation it is reserved at sign-up, then counted or given back."""

    class State(models.TextChoices):
        RESERVED = "reserved"
        COUNTED = "counted"
        GIVEN_BACK = "given-back"

    code = models.ForeignKey(PromoCode, on_delete=models.PROTECT, related_name="its_uses")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="promo_uses")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="promo_uses")
    state = models.CharField(max_length=10, choices=State)
    grant = models.OneToOneField(CreditGrant, null=True, on_delete=models.PROTECT, related_name="promo_use")
    at = models.DateTimeField()  # of the reservation, then of the count

    class Meta:
        constraints = [
            models.UniqueConstraint("code", "workspace", name="code_once_for_each_workspace"),
            models.UniqueConstraint("code", "user", name="code_once_for_each_person"),
            models.CheckConstraint(
                condition=Q(state="counted") | Q(grant__isnull=True), name="code_grants_when_counted"
            ),
        ]
        indexes = [models.Index(fields=["code", "at"], condition=Q(state="reserved"), name="code_reservations")]

    def __str__(self) -> str:
        return f"{self.code_id} {self.state}"


class CodeGuess(models.Model):
    """A code that was entered and is not known, by the digest of the person or network that entered it."""

    who = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "code guesses"
        indexes = [models.Index(fields=["who", "at"], name="code_guesses"), models.Index(fields=["at"])]

    def __str__(self) -> str:
        return str(self.at)
