"""What gateways told us: each webhook once, as it came, with what became of it."""

import datetime

from django.db import models
from django.db.models import Q


class WebhookEvent(models.Model):
    """One verified webhook. `due_at` is when it is to be handled (again); null once it has been, or was given up.

    `handled_at` null without a `due_at` is one that was given up: `failed` says why, and staff are shown it.
    """

    gateway = models.CharField(max_length=8)
    external_id = models.CharField(max_length=255)
    type = models.CharField(max_length=80)
    live = models.BooleanField()
    subjects = models.JSONField(default=list)  # [kind, id] of what to look at
    payload = models.BinaryField()  # the raw body, for whoever asks later
    received_at = models.DateTimeField(auto_now_add=True)
    due_at: "models.DateTimeField[datetime.datetime | None, datetime.datetime | None]" = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    handled_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)  # sentences: what it changed
    failed = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("gateway", "external_id", name="webhook_event_once"),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True) | Q(handled_at__isnull=True), name="webhook_event_ends_once"
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="webhook_event_due")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.type}"
