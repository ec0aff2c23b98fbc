"""What stands around every page: where one can go, who is signed in, light or dark, the balance.

All of it is worked out only when a template asks for it, so fragments and public pages cost nothing and ask nothing of
the database. Plain strings for templates; what a page shows inside the frame is with the page.
"""

import dataclasses
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from gesso.accounts import workspaces
from gesso.accounts.models import Membership, User, Workspace
from gesso.generations import approvals
from gesso.web import access
from gesso.web import credits as credit_pages
from gesso.web.money import offers

Line = tuple[str, str, str]  # address, icon, name

THEMES = (("light", "sun", "Light"), ("dark", "moon", "Dark"), ("auto", "auto", "Same as this device"))
PLACES = (("/studio", "create", "Create"), ("/library", "library", "Library"), ("/credits", "credits", "Credits"))
SETTINGS = (
    ("/settings", "user", "Profile"), ("/accounts/email/", "mail", "Email address"),
    ("/accounts/password/change/", "lock", "Password"), ("/accounts/2fa/", "shield", "Passkeys and codes"),
    ("/accounts/sessions/", "history", "Sessions"), ("/settings/keys", "key", "API keys"),
)  # fmt: skip
TEAM = ("/team", "users", "Team")
APPROVALS = ("/team/approvals", "check", "Approvals")
FOR_STAFF = (("/settings/people", "users", "People"),)
ALONE = (("/team/new", "users", "Teams"),)
SEEN_MOST = 99  # the largest figure that fits
# Pages without a place of their own.
BELONGS = {"/images": "/library", "/generations": "/studio", "/test-checkout": "/credits"}


@dataclasses.dataclass(frozen=True, slots=True)
class Badge:
    """How many requests of the team wait for this person: the figure that is seen, and what it means."""

    figure: str
    words: str


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One line of the rail or of a menu."""

    href: str
    icon: str
    name: str
    here: bool = False
    badge: Badge | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One workspace of the switcher."""

    id: str
    icon: str
    name: str
    here: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Theme:
    """One of the three choices of the appearance switch; `pressed` is the word for aria-pressed."""

    value: str
    icon: str
    words: str
    pressed: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What `app.html` draws around a page."""

    theme: str
    themes: list[Theme]
    places: list[Place]
    account_links: list[Place]
    settings: list[Place]
    sign_out: str
    workspace: str
    waiting: Badge | None
    choices: list[Choice]
    person: str
    sold_here: bool
    email: str
    initials: str


def context(request: HttpRequest) -> dict[str, object]:
    """Return the context of every template; nothing is read before it is used."""
    return {
        "sprite": SimpleLazyObject(lambda: static("gesso/icons.svg")),
        "frame": SimpleLazyObject(lambda: around(request)),
        "balance": SimpleLazyObject(lambda: _balance(request)),
    }


def around(request: HttpRequest) -> Frame | None:
    """Return the frame of a signed-in page, or None for a visitor."""
    user: User | AnonymousUser = request.user
    if not isinstance(user, User):
        return None
    person = user.name or user.email.partition("@")[0]
    memberships, ours = _standing(request, user)
    here, waiting = ours.workspace, _waiting(ours)
    return Frame(
        theme=user.theme,
        themes=[Theme(value, icon, words, str(value == user.theme).lower()) for value, icon, words in THEMES],
        places=[
            Place(*place, here=_is_here(place[0], request.path), badge=waiting if place == TEAM else None)
            for place in _places(here)
        ],
        account_links=_account_links(user),
        settings=[
            Place(*place, here=_is_setting(place[0], request.path), badge=waiting if place == APPROVALS else None)
            for place in _settings(user, here)
        ],
        sign_out=reverse("account_logout"),
        workspace=here.name,
        waiting=waiting,
        choices=[_choice(row.workspace, here) for row in memberships],
        person=person,
        sold_here=offers.sold_here(),
        email=user.email,
        initials=_initials(person),
    )


def _account_links(user: User) -> list[Place]:
    links = [Place("/settings", "sliders", "Settings")]
    if offers.sold_here():
        links.append(Place("/credits/buy", "card", "Buy credits"))
    if user.is_staff:
        links.append(Place("/staff/", "server", "Staff console"))
    if settings.GESSO.support_email:
        links.append(Place(f"mailto:{settings.GESSO.support_email}", "help", "Contact support"))
    return links


def _waiting(ours: Membership) -> Badge | None:
    """Count what waits for an owner or admin of a team; nobody else is asked for, nor the database."""
    if ours.workspace.kind != Workspace.Kind.TEAM or not workspaces.can(ours, "manage"):
        return None
    number = approvals.waiting(ours.workspace_id)
    words = f"{number:,} {'waits' if number == 1 else 'wait'} for approval"
    return Badge(str(number) if number <= SEEN_MOST else f"{SEEN_MOST}+", words) if number else None


def _places(here: Workspace) -> tuple[Line, ...]:
    return (*PLACES, TEAM) if here.kind == Workspace.Kind.TEAM else PLACES


def _settings(user: User, here: Workspace) -> tuple[Line, ...]:
    return SETTINGS + ((TEAM, APPROVALS) if here.kind == Workspace.Kind.TEAM else ALONE) + FOR_STAFF * user.is_staff


def _is_setting(place: str, path: str) -> bool:
    """Say whether a line of the settings leads to this page; a member and an invitation belong to the team's."""
    return place == path or (place == "/team" and path.startswith(("/team/members/", "/team/invitations")))


def _choice(workspace: Workspace, here: Workspace) -> Choice:
    icon = "users" if workspace.kind == Workspace.Kind.TEAM else "user"
    return Choice(str(workspace.id), icon, workspace.name, here=workspace.id == here.id)


def _is_here(place: str, path: str) -> bool:
    first = "/" + path.split("/", 2)[1]
    return place == BELONGS.get(first, first)


def _initials(person: str) -> str:
    words = person.replace(".", " ").replace("_", " ").split()
    return "".join(word[0] for word in (words if len(words) < 3 else [words[0], words[-1]])).upper() or "·"


def _standing(request: HttpRequest, user: User) -> tuple[Sequence[Membership], Membership]:
    """Return the person's memberships and the one they stand in; allauth's pages have not asked for them yet."""
    found = getattr(request, "memberships", None) or workspaces.of(user)
    ours = getattr(request, "membership", None) or workspaces.pick(found, request.session.get(access.CHOSEN))
    return found, ours


def _balance(request: HttpRequest) -> credit_pages.Balance | None:
    user = request.user
    return credit_pages.balance(_standing(request, user)[1].workspace_id) if isinstance(user, User) else None


@require_POST
@access.signed_in
def theme(request: access.Request) -> HttpResponse:
    """Keep the person's choice of light or dark; a form without JavaScript goes back to where it was."""
    chosen = request.POST.get("theme", "")
    if chosen not in {value for value, _icon, _words in THEMES}:
        return HttpResponse(status=400)
    User.objects.filter(email=request.user.get_username()).update(theme=chosen)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    back = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if ours else "/studio")
