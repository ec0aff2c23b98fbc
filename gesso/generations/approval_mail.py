"""Telling the owner and the admins of a team by mail that a request waits for them.

Invariant: at most one request of a team is mailed in ten minutes, however many begin to wait at once. The requests' own
rows say which was mailed, and the team's row is locked while they are read; the pages count the rest. Without a mail
server nothing is mailed, as with invitations. What does not belong: the decision, which its member reads on their page.
"""

import datetime
import functools

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils.text import Truncator

from gesso.accounts import mail, workspaces
from gesso.accounts.models import Membership, Workspace
from gesso.generations.models import ApprovalRequest

EVERY = datetime.timedelta(minutes=10)
FIRST_WORDS = 120  # characters of the prompt


def is_due(workspace: Workspace, now: datetime.datetime) -> bool:
    """Return whether a request of `now` may be mailed. Keeps the team's row locked: needs the request's transaction."""
    if not settings.GESSO.email_url:
        return False
    Workspace.objects.select_for_update(no_key=True).get(id=workspace.id)
    lately = ApprovalRequest.objects.filter(workspace=workspace, mailed=True, created_at__gt=now - EVERY)
    return not lately.exists()


def send(asked: ApprovalRequest, *, above: int) -> None:
    """Mail a request once its transaction stands, a message to each admin; `above` is the team's limit in credits."""
    text = _text(asked, above)
    subject = f"{asked.workspace.name}: a request waits for approval"
    people = Membership.objects.select_related("user").filter(workspace=asked.workspace, user__is_active=True)
    for each in [row for row in people if workspaces.can(row, "manage")]:
        message = EmailMessage(subject=subject, body=text, to=[each.user.email])
        transaction.on_commit(functools.partial(mail.send_soon, message))


def _text(asked: ApprovalRequest, above: int) -> str:
    images = sum(each["count"] for each in asked.specs)
    who = " ".join(asked.member.name.split()) or asked.member.email
    words = Truncator(" ".join(str(asked.specs[0]["prompt"]).split())).chars(FIRST_WORDS)
    return (
        f"{who} asks for {images:,} image{pluralize(images)} in {asked.workspace.name}. This needs {asked.total:,} "
        f"credit{pluralize(asked.total)}, more than the team's limit of {above:,}, so it waits for an admin:\n\n"
        f"“{words}”\n\n"
        f"Approve or decline it here:\n{settings.GESSO.base_url}/team/{asked.workspace_id}/approvals\n\n"
        "Nothing is held until then. Requests of the next ten minutes wait on that page without a mail.\n"
    )
