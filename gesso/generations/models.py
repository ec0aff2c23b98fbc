"""The rows that are the truth about generations: the request, its slots, every try, its references, its timeline.

Invariants, kept by the database (see the migration `guards`): states move only along the graph below and never leave
a terminal one; an ended generation's hold is closed and what is charged equals price_each x visible outputs; the
timeline is append-only. What moves the rows is in `submission`, `runner`, `settlement`, `recovery`.

    queued -> running -> succeeded | failed          queued -> failed          queued | running -> canceled
    output: open -> delivered | failed,  delivered -> withdrawn
    attempt: sending -> accepted | finished | failed | unknown,  accepted -> finished | failed | unknown
"""

import datetime
import uuid

from django.db import models

from gesso.accounts.models import User, Workspace
from gesso.core import ids
from gesso.credits.models import CreditHold
from gesso.images.models import Image


class Generation(models.Model):
    """One request: prompt, settings, references, 1 to 4 outputs. `price` = `price_each` x `count`, in credits."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="generations")
    member = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="retries")
    prompt = models.TextField()
    model = models.CharField(max_length=64)
    provider = models.CharField(max_length=16)
    aspect_ratio = models.CharField(max_length=7)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    quality = models.CharField(max_length=8)
    count = models.PositiveSmallIntegerField()
    background = models.CharField(max_length=12)
    format = models.CharField(max_length=5)
    price_each = models.PositiveIntegerField()
    price = models.PositiveIntegerField()
    hold = models.OneToOneField(CreditHold, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    failure_code = models.CharField(max_length=40, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_epoch = models.BigIntegerField(default=0)
    lease_expires_at: "models.DateTimeField[datetime.datetime | None, datetime.datetime | None]" = models.DateTimeField(
        null=True
    )
    wake_at = models.DateTimeField(null=True)  # ring again then, if nobody has taken the lease: `recovery` sees to it
    rescues = models.PositiveSmallIntegerField(default=0)  # take-overs from owners that died
    moderated_at = models.DateTimeField(null=True)  # prompt and references passed moderation
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()  # queued: created + queued_hours; running: started + generation_seconds
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(count__gte=1, count__lte=4), name="generation_count"),
            models.CheckConstraint(
                condition=models.Q(price=models.F("price_each") * models.F("count")), name="generation_price"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running"], ended_at__isnull=True)
                | models.Q(state__in=["succeeded", "failed", "canceled"], ended_at__isnull=False),
                name="generation_ended_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="generation_newest_first"),
            models.Index(
                fields=["workspace", "created_at", "id"],
                condition=models.Q(state__in=["queued", "running"]),
                name="generation_in_hand",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Output(models.Model):
    """One image slot of a generation, index 0 to n-1."""

    class State(models.TextChoices):
        OPEN = "open"
        DELIVERED = "delivered"
        FAILED = "failed"
        WITHDRAWN = "withdrawn"

    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="outputs")
    index = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    failure_code = models.CharField(max_length=40, blank=True)
    image = models.OneToOneField(Image, null=True, on_delete=models.PROTECT, related_name="output")
    previews = models.PositiveSmallIntegerField(default=0)  # partial pictures stored so far; deleted at the end
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("generation", "index", name="output_slot_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["delivered", "withdrawn"], image__isnull=False)
                | models.Q(state__in=["open", "failed"], image__isnull=True),
                name="output_delivered_has_image",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id}/{self.index}"


class Attempt(models.Model):
    """One try at a provider for one output; committed before its request leaves. `spool_key` holds the raw answer."""

    class State(models.TextChoices):
        SENDING = "sending"
        ACCEPTED = "accepted"
        FINISHED = "finished"
        FAILED = "failed"
        UNKNOWN = "unknown"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    output = models.ForeignKey(Output, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.SENDING)
    provider = models.CharField(max_length=16)
    epoch = models.BigIntegerField()  # the lease under which it was sent
    sent_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)  # not before this moment may the next attempt leave
    sender_died = models.BooleanField(default=False)
    spool_key = models.CharField(max_length=120)
    handle = models.CharField(max_length=200, blank=True)
    failure_kind = models.CharField(max_length=16, blank=True)
    failure_code = models.CharField(max_length=80, blank=True)
    raw_error = models.TextField(blank=True)  # what the provider said, for staff only
    request_id = models.CharField(max_length=120, blank=True)
    usage = models.JSONField(default=dict)
    cost = models.PositiveBigIntegerField(null=True)  # in millionths of a dollar; null: not known

    class Meta:
        constraints = [models.UniqueConstraint("output", "number", name="attempt_number_once")]

    def __str__(self) -> str:
        return f"{self.output_id}#{self.number}"


class GenerationReference(models.Model):
    """An image used as input, in order (position 0 to 4), with its role."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="references")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="used_by")
    position = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=8, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("generation", "position", name="reference_position_once")]

    def __str__(self) -> str:
        return f"{self.generation_id}<{self.position}"


class GenerationEvent(models.Model):
    """One line of a generation's timeline; append-only. `data` holds plain values for the page and for staff."""

    id = models.BigAutoField(primary_key=True)
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="events")
    sequence = models.PositiveIntegerField()
    epoch = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=24)
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("generation", "sequence", name="event_sequence_once")]

    def __str__(self) -> str:
        return self.kind


class IdempotencyKey(models.Model):
    """A client's key for one submission: a repeat within 24 hours gets the same generation, another body gets 409."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    body_hash = models.BinaryField(max_length=32)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "key", name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key


class ApprovalRequest(models.Model):
    """What a team's member asked for above the team's limit; nothing is held until an admin approves it.

    Its id is that of its first generation, so that the same request sent twice is one. `specs` are the requests as
    plain values with their references, `total` is what they cost when the member (or last the admin) saw the price.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    parent = models.ForeignKey(Generation, null=True, on_delete=models.SET_NULL, related_name="+")
    specs = models.JSONField()
    generation_ids = models.JSONField()  # one for each of `specs`, as text
    total = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=300, blank=True)  # why it was declined
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    mailed = models.BooleanField(default=False)  # to the admins, who get one mail for all of ten minutes

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="pending", decided_at__isnull=True)
                | models.Q(state__in=["approved", "declined", "withdrawn"], decided_at__isnull=False),
                name="approval_decided_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="approval_newest_first"),
            models.Index(fields=["workspace"], condition=models.Q(state="pending"), name="approval_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class Heartbeat(models.Model):
    """When a loop last went round, and what it saw; `readyz` and the submission's backpressure look here."""

    name = models.CharField(primary_key=True, max_length=20)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Watch(models.Model):
    """Somebody of this workspace has a live page open until `until`: previews are worth asking for."""

    workspace = models.OneToOneField(Workspace, primary_key=True, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.workspace_id)
