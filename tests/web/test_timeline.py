"""A generation's own page and the credits page: what happened, what it cost, how to ask."""

import html
import re

import pytest
from django.test import Client

from gesso.generations.models import Output
from gesso.library import trash
from gesso.web import timeline
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return world.person(credits=100)


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(response) -> str:
    return html.unescape(response.content.decode())


@pytest.mark.django_db(transaction=True)
def test_the_page_tells_the_whole_way(browser, who):
    generation = world.submit(who, count=2, references=[{"image_id": world.upload(who).id, "role": "style"}])
    world.drive(generation, world.ScriptedProvider())
    page = text(browser.get(f"/generations/{generation.id}"))
    for words in (
        "2 images delivered",
        "Submitted",
        "8 credits held.",
        "Image 1 checked and stored",
        "Ended with 2 of 2 images",
        "You paid",
        "8 credits charged.",
        "Brought a picture",
    ):
        assert words in page
    assert f'data-copy="{generation.id}"' in page
    assert "data-poll" not in page.split("<main")[1]


def test_a_running_page_follows(browser, who):
    generation = world.submit(who)
    page = text(browser.get(f"/generations/{generation.id}"))
    assert f'data-renew="/generations/{generation.id}" data-poll' in page
    assert "Held" in page


def test_asking_for_help_carries_the_ids(who, settings, browser):
    generation = world.submit(who)
    assert "Contact support" not in text(browser.get(f"/generations/{generation.id}"))
    settings.GESSO = type(
        "Environment",
        (),
        {
            **{name: getattr(settings.GESSO, name) for name in settings.GESSO.__dataclass_fields__},
            "support_email": "help@example.com",
        },
    )
    mail = timeline.mail(generation, "mara@example.com", "Mara & co")
    assert mail.startswith("mailto:help@example.com?subject=")
    assert str(generation.id) in mail
    assert "mara%40example.com" in mail
    assert "Mara%20%26%20co" in mail
    assert "Contact support" in text(browser.get(f"/generations/{generation.id}"))


@pytest.mark.django_db(transaction=True)
def test_the_statement_links_each_line_to_its_generation(browser, who):
    generation = world.submit(who, "A cobalt bottle")
    world.drive(generation, world.ScriptedProvider())
    page = text(browser.get("/credits"))
    assert page.count(f'<a href="/generations/{generation.id}" dir="auto">A cobalt bottle</a>') == 2
    for words in ("Staff", "Held", "4 held before", "Charged", "96"):
        assert words in page


def test_the_statement_comes_in_pages(browser, who):
    for _ in range(30):
        generation = world.submit(who, quality="low")
        browser.post(f"/generations/{generation.id}/cancel")
    page = text(browser.get("/credits"))
    assert "Older entries" in page
    assert browser.get("/credits?cursor=abc").status_code == 400
    assert "Newest entries" in text(browser.get("/credits?cursor=10"))


def test_the_balance_by_itself(browser, who):
    assert 'data-available="100"' in text(browser.get("/credits/balance"))
    world.submit(who)
    assert 'data-available="96"' in text(browser.get("/credits/balance"))


def test_a_long_prompt_is_whole_on_its_own_page(browser, who):
    generation = world.submit(who, "pear " * 1000 + "end")
    assert "pear end</p>" in text(browser.get(f"/generations/{generation.id}"))
    assert "pear end" not in text(browser.get("/studio"))


@pytest.mark.django_db(transaction=True)
def test_every_image_has_its_place_even_in_the_trash(browser, who):
    generation = world.submit(who, "Two pears in a bowl", count=2)
    world.drive(generation, world.ScriptedProvider())
    first, second = (row.image for row in Output.objects.filter(generation=generation).order_by("index"))
    trash.move(who.workspace.id, second.id)
    page = text(browser.get(f"/generations/{generation.id}"))
    assert "<title>Two pears in a bowl" in page
    assert f'<a href="/images/{first.id}"><img src="/images/{first.id}/file?variant=thumb"' in page
    assert 'alt="Two pears in a bowl (1 of 2)"' in page
    assert f"/images/{second.id}" not in page
    assert "In the trash" in page


@pytest.mark.django_db(transaction=True)
def test_a_prompt_is_set_in_its_own_direction_wherever_it_stands(browser, who):
    prompt = "قطة برتقالية"
    generation = world.submit(who, prompt)
    world.drive(generation, world.ScriptedProvider())
    image = Output.objects.get(generation=generation).image
    places = {
        "/studio": 1,
        f"/studio?from={generation.id}": 2,  # its card, and the composer
        f"/generations/{generation.id}": 1,
        f"/images/{image.id}": 2,  # the bar and the side
        "/credits": 2,  # held and charged
    }
    for page, times in places.items():
        around = re.findall(rf"<([a-z]\w*)([^<>]*)>\s*{prompt}", text(browser.get(page)))
        shown = [attributes for name, attributes in around if name != "title" and 'class="vh"' not in attributes]
        assert len(shown) == times, (page, around)
        assert all('dir="auto"' in attributes for attributes in shown), (page, shown)
    assert 'name="q" type="search" dir="auto"' in text(browser.get("/library"))
