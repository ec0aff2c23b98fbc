"""People, workspaces, keys and one-time links, and what the database refuses about them."""

import datetime

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from gesso.accounts import api_keys, invitations, mailboxes, sign_in_links, workspaces
from gesso.accounts.models import ApiKey, Membership, SignInLink, User, Workspace
from tests import world

pytestmark = pytest.mark.django_db


def secret_of(link: str) -> str:
    return link.rpartition("/")[2]


def refuses(make) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


def test_everybody_has_one_personal_workspace():
    user = User.objects.create_user("Ada@Example.com ")
    assert user.email == "ada@example.com"
    workspace = workspaces.open_personal(user)
    assert workspaces.open_personal(user) == workspace
    assert workspaces.current(user, None).role == Membership.Role.OWNER


def test_a_chosen_workspace_counts_only_for_its_members():
    ada, bob = world.person(), world.person()
    assert workspaces.current(ada.user, str(bob.workspace.id)).workspace == ada.workspace
    Membership.objects.create(workspace=bob.workspace, user=ada.user, role=Membership.Role.VIEWER)
    membership = workspaces.current(ada.user, str(bob.workspace.id))
    assert membership.workspace == bob.workspace
    assert workspaces.can(membership, "view")
    assert not workspaces.can(membership, "generate")


def test_the_database_refuses_what_must_not_be():
    ada, bob = world.person(email="ada@example.com"), world.person()
    refuses(lambda: User.objects.create(email="ADA@example.com"))
    refuses(lambda: Workspace.objects.create(name="a second one", person=ada.user))
    refuses(lambda: Workspace.objects.create(name="nobody's", kind="personal"))
    refuses(lambda: Workspace.objects.create(name="a team's", kind="team", person=world.person().user))
    refuses(lambda: Membership.objects.create(workspace=ada.workspace, user=ada.user, role="viewer"))
    refuses(lambda: Membership.objects.create(workspace=ada.workspace, user=bob.user, role="owner"))
    refuses(lambda: SignInLink.objects.create(digest=b"1", purpose="sign-in"))
    refuses(lambda: SignInLink.objects.create(digest=b"1", purpose="owner", user=ada.user))
    User.objects.filter(id=ada.user.id).update(is_owner=True)
    refuses(lambda: User.objects.filter(id=bob.user.id).update(is_owner=True))


def test_a_key_is_found_by_its_secret_until_it_is_revoked():
    who = world.person()
    key, secret = api_keys.create(who.workspace, who.user, "Shop importer")
    assert secret.startswith("gsk_") and len(secret) == api_keys.LENGTH
    assert secret not in str(ApiKey.objects.filter(id=key.id).values().get())
    found = api_keys.find(secret)
    assert (found.id, found.workspace, found.user, found.membership.role) == (key.id, who.workspace, who.user, "owner")
    assert api_keys.find(secret + "x") is None
    assert api_keys.find("") is None
    assert api_keys.find("gsk_\ud800") is None
    assert not api_keys.revoke(world.person().workspace, key.id)
    assert api_keys.revoke(who.workspace, key.id)
    assert not api_keys.revoke(who.workspace, key.id)
    assert api_keys.find(secret) is None


@pytest.mark.parametrize("end", ["inactive", "no longer a member"])
def test_a_key_dies_with_its_persons_place(end):
    who = world.person()
    _, secret = api_keys.create(who.workspace, who.user, "")
    if end == "inactive":
        User.objects.filter(id=who.user.id).update(is_active=False)
    else:
        Membership.objects.filter(user=who.user).delete()
    assert api_keys.find(secret) is None


def test_last_use_is_noted_at_most_once_a_minute(django_assert_num_queries):
    who = world.person()
    key, secret = api_keys.create(who.workspace, who.user, "")
    with django_assert_num_queries(2):  # the key, the note
        api_keys.find(secret)
    used = ApiKey.objects.get(id=key.id).last_used_at
    with django_assert_num_queries(1):
        api_keys.find(secret)
    assert ApiKey.objects.get(id=key.id).last_used_at == used


def test_the_owner_link_works_once_and_a_new_start_ends_the_older():
    older, newer = sign_in_links.owner_link(), sign_in_links.owner_link()
    assert older and newer
    assert sign_in_links.find(secret_of(older), "owner") is None
    with pytest.raises(sign_in_links.LinkUsedUp):
        sign_in_links.claim_install(secret_of(older), "eve@example.com", "a long enough password")
    owner = sign_in_links.claim_install(secret_of(newer), "ada@example.com", "a long enough password")
    assert owner.is_owner and owner.is_staff and owner.check_password("a long enough password")
    assert mailboxes.of(workspaces.open_personal(owner).id)
    with pytest.raises(sign_in_links.LinkUsedUp):
        sign_in_links.claim_install(secret_of(newer), "eve@example.com", "a long enough password")
    assert sign_in_links.owner_link() is None


def test_an_install_is_claimed_once_whatever_the_address():
    link = sign_in_links.owner_link()
    world.person(email="ada@example.com")
    with pytest.raises(sign_in_links.EmailTaken):
        sign_in_links.claim_install(secret_of(link), "ada@example.com", "a long enough password")
    User.objects.create_user("eve@example.com", is_owner=True)
    for email in ("ada@example.com", "bob@example.com"):
        with pytest.raises(sign_in_links.LinkUsedUp):
            sign_in_links.claim_install(secret_of(link), email, "a long enough password")


def test_a_sign_in_link_is_used_once_and_ends_after_a_week():
    user = User.objects.create_user("ada@example.com")
    link = secret_of(sign_in_links.create(user))
    assert sign_in_links.find(link, "sign-in") and sign_in_links.find(link, "owner") is None
    assert sign_in_links.sign_in(link) == user
    with pytest.raises(sign_in_links.LinkUsedUp):
        sign_in_links.sign_in(link)
    late = secret_of(sign_in_links.create(user))
    SignInLink.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    with pytest.raises(sign_in_links.LinkUsedUp):
        sign_in_links.sign_in(late)


def test_only_newcomers_are_invited():
    link = invitations.invite(" Ada@example.com")
    assert sign_in_links.sign_in(secret_of(link)).email == "ada@example.com"
    for refused in ("ada@example.com", "nonsense", "", "a" * 300 + "@example.com"):
        with pytest.raises(invitations.BadInvitation):
            invitations.invite(refused)
    assert User.objects.count() == 1
