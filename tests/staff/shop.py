"""A workspace with something of everything to look at, and browsers to look with."""

import dataclasses

from django.test import Client

from gesso.accounts.models import User
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold
from gesso.generations import attempts, leasing, outputs
from gesso.generations.models import Generation
from gesso.images import intake
from gesso.images.models import Image
from gesso.providers import protocol
from tests import world

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclasses.dataclass(frozen=True)
class Shop:
    """One person's workspace after some work, and a row of each kind by the name of its list."""

    who: world.Person
    generation: Generation
    rows: dict[str, object]


def browser_of(user: User) -> Client:
    """Return a browser in which `user` is signed in."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def stock(**words) -> Shop:
    """Make such a workspace; `words` go to the person."""
    who = world.person(credits=60, **words)
    reference = world.upload(who)
    generation = world.submit(who, count=2, references=[{"image_id": str(reference.id), "role": "style"}])
    # Step by step in this thread, so that a test can stay in one transaction.
    claim = leasing.claim(generation.id, "worker:1")
    assert isinstance(claim, leasing.Claim)
    steps, _ = attempts.begin(generation.id, claim.epoch, seconds=900)
    refused = protocol.ProviderFailure("user_input", "bad", raw="<script>said raw</script>")
    attempts.failed(steps[0], generation.id, claim.epoch, refused)
    picture = protocol.Picture(data=world.picture())
    proved = outputs.Proved(picture, intake.prove(picture.data), "req-1")
    image = outputs.store(generation, 1, proved)
    attempts.delivered(steps[1], generation.id, claim.epoch, image, proved)
    generation.refresh_from_db()
    rows = {
        "accounts/user": who.user,
        "accounts/workspace": who.workspace,
        "generations/generation": generation,
        "credits/creditgrant": CreditGrant.objects.get(workspace=who.workspace),
        "credits/credithold": CreditHold.objects.get(workspace=who.workspace),
        "credits/creditentry": CreditEntry.objects.filter(workspace=who.workspace).last(),
        "images/image": Image.objects.get(workspace=who.workspace, origin="output"),
    }
    return Shop(who, generation, rows)
