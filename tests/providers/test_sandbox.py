"""The sandbox: right sizes, the same picture for the same chance, partials, drills, and a clean end when given up."""

import asyncio
import time

import pytest

from gesso.core import catalog
from gesso.providers import protocol, sandbox
from tests import world
from tests.providers import asking

SIZES = next(model.sizes for model in catalog.load(None).models if model.id == "sandbox")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", (0.0, 0.0))


def drawn(**changes):
    made = sandbox.Sandbox()
    raw, partials = asking.answered(made, asking.request(**{"width": 320, "height": 240, **changes}))
    return made.read(raw).data, partials


@pytest.mark.parametrize("quality", ["low", "medium", "high"])
@pytest.mark.parametrize("ratio", SIZES)
def test_every_ratio_and_quality_has_its_size(ratio, quality):
    width, height = SIZES[ratio]
    data, _ = drawn(width=width, height=height, quality=quality, aspect_ratio=ratio)
    assert asking.opened(data).size == (width, height)


@pytest.mark.parametrize(("family", "media_type"), [("png", "PNG"), ("webp", "WEBP"), ("jpeg", "JPEG")])
def test_the_format_is_the_one_asked_for(family, media_type):
    data, _ = drawn(format=family)
    start = {"PNG": b"\x89PNG", "WEBP": b"RIFF", "JPEG": b"\xff\xd8\xff"}[media_type]
    assert data.startswith(start)
    assert asking.opened(data).mode == "RGB"


@pytest.mark.parametrize("family", ["png", "webp"])
def test_a_transparent_background_is_transparent(family):
    image = asking.opened(drawn(prompt="a pear", background="transparent", format=family)[0])
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema()[0] == 0


def test_the_same_attempt_draws_the_same_picture_and_another_one_another():
    first, again = drawn(quality="high")[0], drawn(quality="high")[0]
    assert first == again
    others = [drawn(attempt="attempt-2")[0], drawn(index=1, outputs=2)[0], drawn(prompt="A vase")[0], drawn()[0]]
    assert len(set(others)) == 4


def test_quality_adds_detail():
    assert len({drawn(prompt="hills at dusk", quality=quality)[0] for quality in ("low", "medium", "high")}) == 3


@pytest.mark.parametrize("count", [0, 1, 3])
def test_partials_have_the_shape_of_the_picture_and_get_clearer(count):
    _, partials = drawn(width=864, height=1536, previews=count)
    sizes = [asking.opened(data).size for data in partials]
    assert sizes == [(144, 256)] * count
    assert [len(data) for data in partials] == sorted({len(data) for data in partials})


@pytest.mark.parametrize("family", ["PNG", "JPEG", "WEBP"])
def test_the_first_reference_gives_the_picture_its_colours(family):
    def mean_with(*colours):
        references = tuple(
            protocol.Reference(
                data=world.picture(50, 40, colour, family), media_type=f"image/{family.lower()}", role="style"
            )
            for colour in colours
        )
        return asking.opened(drawn(references=references)[0]).resize((1, 1)).getpixel((0, 0))

    red, blue = mean_with("#c03030", "#3030c0"), mean_with("#3030c0")
    assert red[0] > red[2] + 30
    assert blue[2] > blue[0] + 30


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("sandbox: fail", "operator"), ("Sandbox: Moderation", "moderation"), ("sandbox: busy", "rate_limited"),
        ("sandbox: partial", "user_input"),
    ],
)  # fmt: skip
def test_drills_fail_on_purpose(words, kind):
    with pytest.raises(protocol.ProviderFailure) as failed:
        drawn(prompt=f"A vase. {words}")
    assert (failed.value.kind, failed.value.code) == (kind, "drill")


def test_a_partial_drill_fails_the_last_output_only():
    assert drawn(prompt="sandbox: partial", index=0, outputs=2)[0]
    with pytest.raises(protocol.ProviderFailure):
        drawn(prompt="sandbox: partial", index=1, outputs=2)


def test_a_broken_drill_answers_half_a_picture():
    data, _ = drawn(prompt="sandbox: broken")
    with pytest.raises(OSError, match=r"truncated|broken|cut"):
        asking.opened(data)


def test_giving_up_ends_at_once_and_leaves_nothing_running(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", (60.0, 60.0))

    async def give_up():
        async def preview(_):
            return None

        call = asyncio.create_task(sandbox.Sandbox().submit(asking.request(previews=1), preview))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    begun = time.monotonic()
    assert asyncio.run(give_up()) == set()
    assert time.monotonic() - begun < 20
