"""People, workspaces, memberships and API keys. Everything else in Gesso belongs to a workspace, never to a person.

Invariants: an email is unique without regard to case; a person has at most one personal workspace; a workspace has
at most one owner. What does not belong: credits (they point here), sessions and second factors (allauth's tables).
"""

import datetime
import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from gesso.core import ids


class UserManager(BaseUserManager["User"]):
    """Makes users; the email is stored trimmed and in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new user with an unusable password unless one is given."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new staff user with every permission."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. `is_staff` opens the staff console; `is_owner` is the one who claimed this install."""

    id = models.BigAutoField(primary_key=True)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=80, blank=True)
    is_staff = models.BooleanField(default=False)
    is_owner = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    theme = models.CharField(max_length=5, default="auto")  # light, dark, auto
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_once"),
            models.UniqueConstraint("is_owner", condition=models.Q(is_owner=True), name="install_has_one_owner"),
        ]

    def __str__(self) -> str:
        return self.email


class Workspace(models.Model):
    """Who owns generations, images and credits: personal (one person's own) or team."""

    class Kind(models.TextChoices):
        PERSONAL = "personal"
        TEAM = "team"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSONAL)
    person = models.OneToOneField(User, null=True, on_delete=models.PROTECT, related_name="personal_workspace")
    suspended_at = models.DateTimeField(null=True)
    concurrent = models.PositiveSmallIntegerField(null=True)  # generations at once that its plan allows; null: no plan
    members_most = models.PositiveIntegerField(null=True)  # members that its plan allows; null: no limit
    approval_above = models.PositiveIntegerField(null=True)  # a member's request of more credits waits for an admin
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="personal", person__isnull=False) | models.Q(kind="team", person__isnull=True),
                name="workspace_personal_has_person",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a workspace."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"
        VIEWER = "viewer"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=6, choices=Role)
    monthly_cap = models.PositiveIntegerField(null=True)  # credits a calendar month; null: as many as there are
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("workspace", "user", name="membership_once"),
            models.UniqueConstraint("workspace", condition=models.Q(role="owner"), name="workspace_has_one_owner"),
            models.CheckConstraint(
                condition=~models.Q(role="owner") | models.Q(monthly_cap__isnull=True), name="membership_owner_uncapped"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"


class TeamInvitation(models.Model):
    """An open door of a team for one email address. Only the SHA-256 of its token is kept; a new token ends the old."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)  # in lower case
    role = models.CharField(max_length=6, choices=Membership.Role)
    digest = models.BinaryField(unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    sent = models.PositiveSmallIntegerField(default=1)  # tokens made so far
    created_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField(auto_now_add=True)
    expires_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "workspace",
                "email",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="team_invitation_open_once",
            ),
            models.CheckConstraint(condition=~models.Q(role="owner"), name="team_invitation_makes_no_owner"),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True) | models.Q(revoked_at__isnull=True),
                name="team_invitation_ends_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace_id}"


class ApiKey(models.Model):
    """A bearer key of one workspace. Only its SHA-256 is kept; `prefix` (gsk_ and 8 characters) tells keys apart."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=16, db_index=True)
    last4 = models.CharField(max_length=4)
    digest = models.BinaryField(unique=True)
    created_at: "models.DateTimeField[datetime.datetime, datetime.datetime]" = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last4}"


class SignInLink(models.Model):
    """A one-time link: claims the install (`owner`) or signs one person in (`sign-in`). Only its SHA-256 is kept."""

    class Purpose(models.TextChoices):
        OWNER = "owner"
        SIGN_IN = "sign-in"

    digest = models.BinaryField(unique=True)
    purpose = models.CharField(max_length=7, choices=Purpose)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sign_in_links")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)  # null: until it is used
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purpose="owner", user__isnull=True)
                | models.Q(purpose="sign-in", user__isnull=False),
                name="sign_in_link_names_its_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} link"
