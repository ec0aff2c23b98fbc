"""The form that invites somebody to the team, as the team's page draws it and `inviting` reads it."""

from django import forms
from django.conf import settings

from gesso.accounts import invitations, team_invitations

WORDS = {"member": "Member: generates", "admin": "Admin: looks after people too", "viewer": "Viewer: looks only"}


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.CharField(
        max_length=invitations.LONGEST, label="Email", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(choices=[(role, WORDS[role]) for role in team_invitations.ROLES])


def mails() -> bool:
    """Return whether this install sends mail."""
    return bool(settings.GESSO.email_url)
