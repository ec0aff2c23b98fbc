"""People, credits and pictures for tests, made through the product's own doors; a fake provider behind the real adapter."""

import asyncio
import contextlib
import dataclasses
import datetime
import io
import uuid
from collections.abc import Iterator

from django.db import connection
from django.db.models import F
from PIL import Image as Pillow

from gesso.accounts import workspaces
from gesso.accounts.models import User, Workspace
from gesso.credits import ledger, queries
from gesso.generations import runner, spec, submission
from gesso.generations.models import Generation
from gesso.images import uploads
from gesso.images.models import Image
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol


@dataclasses.dataclass(frozen=True)
class Person:
    """A signed-up person and their personal workspace."""

    user: User
    workspace: Workspace


def person(*, credits: int = 0, email: str = "") -> Person:  # noqa: A002 (the word for it)
    """Return a new person whose workspace was granted `credits`."""
    user = User.objects.create_user(email or f"{uuid.uuid4().hex[:12]}@example.com", "a long enough password")
    workspace = workspaces.open_personal(user)
    if credits:
        ledger.grant(workspace.id, source="staff", amount=credits, reference=f"test:{uuid.uuid4()}", reason="a test")
    return Person(user, workspace)


def verify(who: Person) -> None:
    """Note that the person has proved their email address."""
    workspaces.verify_email(who.user)


def picture(width: int = 64, height: int = 64, colour: str = "#2440c0", format: str = "PNG") -> bytes:  # noqa: A002
    """Return the bytes of a small picture of one colour."""
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), colour).save(file, format)
    return file.getvalue()


def upload(who: Person, **shape: object) -> Image:
    """Return a stored upload of that person."""
    return uploads.store(who.workspace, who.user, picture(**shape), "reference.png")  # type: ignore[arg-type]


def wanted(prompt: str = "Three pears in a stoneware bowl", **settings: object) -> spec.GenerationSpec:
    """Return a checked request."""
    return spec.parse({"prompt": prompt, **settings})


def submit(who: Person, prompt: str = "Three pears in a stoneware bowl", **settings: object) -> Generation:
    """Queue one generation."""
    return submission.submit(who.workspace, who.user, [wanted(prompt, **settings)])[0]


def available(who: Person) -> int:
    """Return the credits that can be spent now."""
    return queries.balance(who.workspace.id).available


def money(who: Person) -> tuple[int, int]:
    """Return the credits that can be spent now, and those that are held."""
    balance = queries.balance(who.workspace.id)
    return balance.available, balance.held


def let_the_lease_run_out(generation: Generation) -> None:
    """Leave a generation as an owner that died some time ago left it."""
    past = F("created_at") - datetime.timedelta(seconds=1)
    Generation.objects.filter(id=generation.id).update(lease_owner="dead:1", lease_expires_at=past, wake_at=None)


class Moderator:
    """A moderator whose judgement is scripted: the edge of our own code."""

    def __init__(
        self, *, request: Verdict | Exception | None = None, output: Verdict | Exception | None = None
    ) -> None:
        self._request, self._output = request, output
        self.active = output is not None
        self.seen: list[str] = []

    def judge_at_once(self, prompt: str) -> Verdict | None:
        """Let a request that nothing is scripted for pass, as local rules do."""
        return self._say(None) if self._request is None else None

    async def judge_request(self, prompt: str, pictures: object, *, reference: str = "") -> Verdict:
        """Give the scripted verdict about a request."""
        self.seen.append(prompt)
        return self._say(self._request)

    async def judge_output(self, data: bytes, media_type: str) -> Verdict:
        """Give the scripted verdict about a picture."""
        return self._say(self._output)

    async def close(self) -> None:
        """Nothing to give back."""

    def _say(self, scripted: Verdict | Exception | None) -> Verdict:
        if isinstance(scripted, Exception):
            raise scripted
        return scripted or Verdict(allowed=True, categories=(), source="test")


class ScriptedProvider:
    """A provider in process that plays a list of endings, one for each call, then pictures for ever.

    An ending is an exception to raise, bytes to answer with, or a coroutine function to await first. It keeps a
    journal of the requests it was asked. Everything over HTTP is tested against the fake provider server instead.
    """

    name = "sandbox"

    def __init__(self, *endings: object) -> None:
        self.endings = list(endings)
        self.journal: list[protocol.Request] = []
        self.closed = False

    async def submit(self, request: protocol.Request, preview: protocol.Preview) -> protocol.Raw:
        """Play the next ending."""
        self.journal.append(request)
        ending = self.endings.pop(0) if self.endings else None
        if isinstance(ending, BaseException):
            raise ending
        if callable(ending):
            ending = await ending(request, preview)
        body = ending if isinstance(ending, bytes) else picture(request.width, request.height)
        return protocol.Raw(kind="test", body=body, request_id=f"req-{len(self.journal)}")

    def read(self, raw: protocol.Raw) -> protocol.Picture:
        """The body is the picture."""
        return protocol.Picture(data=raw.body)

    async def close(self) -> None:
        """Nothing to give back."""
        self.closed = True


def drive(generation: Generation, provider: ScriptedProvider, moderator: Moderator | None = None) -> Generation:
    """Advance a generation in this process until nothing is left to do now; returns the row as it is then."""

    async def run() -> None:
        made = runner.Runner({"sandbox": provider}, moderator or Moderator())  # type: ignore[dict-item, arg-type]
        try:
            await made.advance(generation.id)
        finally:
            await made.close()

    asyncio.run(run())
    return Generation.objects.get(id=generation.id)


@contextlib.contextmanager
def without_guards() -> Iterator[None]:
    """Let a test break the data: triggers and foreign keys are off inside, as a broken disk would have it."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = origin")
