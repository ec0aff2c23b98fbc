"""People of this install, for staff: who has an account, and inviting somebody by a one-time link."""

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import invitations, mail
from gesso.accounts.models import User
from gesso.accounts.sign_in_links import SIGN_IN_DAYS
from gesso.web import access

SHOWN = 200  # people; all of them are in the staff console


class InviteForm(forms.Form):
    """Whom to invite."""

    email = forms.CharField(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))


@never_cache
@require_http_methods(["GET", "POST"])
@access.staff
def page(request: access.Request) -> HttpResponse:
    """List people; POST invites one, shows the link once, and mails it where mail is set up."""
    form, link = InviteForm(request.POST or None), ""
    if form.is_valid():
        try:
            link = invitations.invite(form.cleaned_data["email"])
        except invitations.BadInvitation as refused:
            form.add_error("email", str(refused))
        else:
            _mail(form.cleaned_data["email"], link, request.user)
            form = InviteForm()
    proved = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    context = {
        "form": form,
        "link": link,
        "mailed": bool(link and settings.GESSO.email_url),
        "days": SIGN_IN_DAYS,
        "people": User.objects.annotate(proved=Exists(proved)).order_by("-created_at")[:SHOWN],
        "registration": settings.GESSO.registration,
    }
    return render(request, "settings/people.html", context, status=422 if form.errors else 200)


def _mail(email: str, link: str, inviter: User) -> None:
    if settings.GESSO.email_url:
        text = (
            f"{inviter.name or inviter.email} invites you to Gesso, a studio for AI images.\n\n"
            f"This link signs you in once, within {SIGN_IN_DAYS} days:\n{link}\n"
        )
        mail.send_soon(EmailMessage(subject="Your invitation to Gesso", body=text, to=[email]))
