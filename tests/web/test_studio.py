"""The studio through its own addresses: what is sent, what is refused and how, and that nothing moves then."""

import html
import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gesso.accounts.models import Membership
from gesso.core import ids
from gesso.generations import submission
from gesso.generations.models import Generation, Output
from gesso.images import uploads
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from gesso.web import references
from tests import world

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
ASKED = {
    "prompt": "Three pears in a stoneware bowl", "aspect_ratio": ["1:1"], "quality": "medium", "count": "1",
    "background": "auto", "format": "png",
}  # fmt: skip


@pytest.fixture
def who():
    return world.person(credits=100)


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def send(browser, **changes):
    return browser.post("/studio", {**ASKED, **changes}, headers=HTMX)


def text(response) -> str:
    return html.unescape(response.content.decode())


def shown(response, field: str) -> str:
    """The sentence beside a field, or nothing when it is hidden."""
    found = re.search(rf'<p class="error" id="error-{field}"( hidden)?>(.*?)</p>', text(response), re.DOTALL)
    assert found, field
    return "" if found[1] else found[2]


def nothing_moved(who) -> bool:
    return not Generation.objects.exists() and world.available(who) == 100


def test_a_signed_out_visitor_is_sent_to_sign_in_and_back():
    response = Client().get("/studio")
    assert response.status_code == 302
    assert "next=/studio" in response["Location"]


def test_a_fresh_composer_asks_for_one_medium_square_image(browser):
    page = text(browser.get("/studio"))
    assert re.search(r'<input type="checkbox" name="aspect_ratio" value="1:1" checked>', page)
    assert re.search(r'name="quality" value="medium" data-word="Medium" checked', page)
    assert re.search(r'name="count" value="1" checked', page)
    assert page.count(" checked>") - page.count('id="single-keys" checked>') == 3
    assert "Generate · <span data-cost>4</span>" in page
    assert "Nothing on the wall yet" in page


def test_one_submit_makes_one_generation_and_draws_its_card(browser, who):
    number = str(ids.uuid7())
    response = send(browser, id=number)
    assert response.status_code == 200
    assert response["X-Fragment"]
    assert f'id="g-{number}"' in text(response)
    assert "4 credits held" in text(response)
    assert str(Generation.objects.get().id) == number
    assert world.available(who) == 96


def test_a_double_click_is_one_generation(browser, who):
    number = str(ids.uuid7())
    first, second = send(browser, id=number), send(browser, id=number)
    assert (first.status_code, second.status_code) == (200, 200)
    assert Generation.objects.count() == 1
    assert world.available(who) == 96


def test_each_shape_is_a_generation_of_its_own_all_or_none(browser, who):
    numbers = [str(ids.uuid7()) for _ in range(3)]
    response = send(browser, aspect_ratio=["1:1", "4:5", "16:9"], count="2", id=numbers)
    assert response.status_code == 200
    assert sorted(Generation.objects.values_list("aspect_ratio", flat=True)) == ["16:9", "1:1", "4:5"]
    assert world.available(who) == 100 - 24
    short = send(browser, aspect_ratio=["1:1", "4:5", "16:9"], count="2", quality="high")
    assert short.status_code == 402
    assert "This needs 96 credits. You have 76." in text(short)
    assert Generation.objects.count() == 3


def test_without_javascript_a_submit_leads_back_to_the_studio(browser):
    response = browser.post("/studio", ASKED)
    assert (response.status_code, response["Location"]) == (302, "/studio")
    assert ASKED["prompt"] in text(browser.get("/studio"))


@pytest.mark.parametrize(
    ("field", "changes", "sentence"),
    [
        ("prompt", {"prompt": "  "}, "Describe a picture first."),
        ("prompt", {"prompt": "x" * 32001}, "The prompt has 32,001 characters; the most is 32,000."),
        ("prompt", {"prompt": "bell \x07"}, "The prompt contains a control character. Remove it and try again."),
        ("aspect_ratio", {"aspect_ratio": []}, "Choose at least one shape."),
        ("aspect_ratio", {"aspect_ratio": ["7:1"]}, "The aspect ratio must be one of"),
        ("quality", {"quality": "ultra"}, "The quality must be one of low, medium, high."),
        ("count", {"count": "3"}, "The number of images must be 1, 2 or 4."),
        ("count", {"count": "many"}, "The number of images must be 1, 2 or 4."),
        ("model", {"model": "dream"}, "There is no such model here."),
        ("background", {"background": "plaid"}, "The background must be one of"),
        ("format", {"format": "gif"}, "The format must be one of"),
        ("format", {"format": "jpeg", "background": "transparent"}, "JPEG can't be transparent. Choose PNG or WebP."),
        ("references", {"reference": [f"{uuid.uuid4()}:"]}, "A reference is no longer there. Remove it and add it again."),
        ("references", {"reference": ["nonsense"]}, "Reference 1 must name an image"),
        ("references", {"reference": [f"{uuid.uuid4()}:hero"]}, "Reference 1 must name an image"),
        ("references", {"reference": [f"{uuid.uuid4()}:" for _ in range(6)]}, "There are 6 references; Sandbox takes 5."),
    ],
)  # fmt: skip
def test_bad_input_is_a_sentence_beside_its_field_and_moves_nothing(browser, who, field, changes, sentence):
    fragment, page = send(browser, **changes), browser.post("/studio", {**ASKED, **changes})
    for response in (fragment, page):
        assert response.status_code == 422
        assert shown(response, field).startswith(sentence)
    others = {"prompt", "aspect_ratio", "quality", "count", "model", "background", "format", "references"} - {field}
    assert [name for name in others if shown(fragment, name)] == []
    assert html.escape(changes.get("prompt", ASKED["prompt"])) in page.content.decode()
    assert nothing_moved(who)


def test_too_few_credits_are_said_in_a_sentence(browser, who):
    response = send(browser, quality="high", count="4", aspect_ratio=["1:1", "4:5"])
    assert response.status_code == 402
    assert "This needs 128 credits. You have 100." in text(response)
    assert nothing_moved(who)


def test_a_blocked_prompt_is_said_beside_the_prompt(browser, who, monkeypatch):
    blocked = Verdict(allowed=False, categories=("violence",), source="test")
    monkeypatch.setattr(submission.policy, "judge_prompt_locally", lambda prompt: blocked)
    response = send(browser)
    assert response.status_code == 422
    assert shown(response, "prompt").startswith("The prompt goes against the content rules.")
    assert nothing_moved(who)


def test_an_id_that_names_another_request_is_refused_and_the_form_gets_new_ones(browser):
    number = str(ids.uuid7())
    send(browser, id=number)
    again = browser.post("/studio", {**ASKED, "prompt": "Something else", "id": number})
    assert again.status_code == 409
    assert "This was already sent." in text(again)
    assert number not in re.findall(r'name="id" value="([^"]+)"', text(again))[:1]
    assert Generation.objects.count() == 1


def test_who_may_only_look_generates_nothing(browser, who):
    Membership.objects.filter(user=who.user).update(role=Membership.Role.VIEWER)
    assert send(browser).status_code == 403
    assert nothing_moved(who)


def test_a_failed_generation_comes_back_whole_into_the_composer(browser, who):
    first, second = world.upload(who, colour="#111111"), world.upload(who, colour="#222222")
    earlier = world.submit(
        who, "A cobalt bottle", aspect_ratio="4:5", quality="high", count=2, format="webp",
        references=[{"image_id": second.id, "role": "style"}, {"image_id": first.id, "role": "product"}],
    )  # fmt: skip
    page = text(browser.get(f"/studio?from={earlier.id}"))
    assert "A cobalt bottle</textarea>" in page
    assert re.findall(r'name="reference" value="([^"]+)"', page) == [f"{second.id}:style", f"{first.id}:product"]
    assert re.search(r'value="4:5" checked', page)
    assert re.search(r'value="high" data-word="High" checked', page)
    assert re.search(r'name="count" value="2" checked', page)
    assert "data-filled" in page


def test_a_picture_of_ones_own_can_be_used_as_reference(browser, who):
    picture = world.upload(who)
    assert f'data-add="{picture.id}"' in text(browser.get(f"/studio?reference={picture.id}"))
    chips = browser.get(f"/studio/references?reference={picture.id}:style&reference={uuid.uuid4()}:", headers=HTMX)
    assert re.findall(r'name="reference" value="([^"]+)"', text(chips)) == [f"{picture.id}:style"]
    assert str(picture.id) in text(browser.get("/studio/library"))


def test_the_whole_library_can_be_picked_from_and_searched(browser, who, monkeypatch):
    monkeypatch.setattr(references, "OFFERED", 2)
    mine = {str(world.upload(who, colour=f"#00000{number}").id) for number in range(3)}
    named = uploads.store(who.workspace, who.user, world.picture(), "a teapot & cup.png")
    world.upload(world.person())
    found, address = [], "/studio/library"
    while address:
        page = text(browser.get(address, headers=HTMX))
        found += re.findall(r'data-use="([^"]+)"', page)
        more = re.search(r'hx-get="(/studio/library[^"]+)"', page)
        address = more[1] if more else ""
    assert sorted(found) == sorted(mine | {str(named.id)})
    searched = text(browser.get("/studio/library", {"q": "teapot & c"}, headers=HTMX))
    assert re.findall(r'data-use="([^"]+)"', searched) == [str(named.id)]
    assert "No picture matches “<b>”." in text(browser.get("/studio/library", {"q": "<b>"}, headers=HTMX))
    assert browser.get("/studio/library", {"cursor": "1"}).status_code == 400


def test_an_upload_becomes_a_chip(browser):
    file = SimpleUploadedFile("pears.png", world.picture(), "image/png")
    response = browser.post("/studio/references", {"file": file})
    assert response.status_code == 201
    assert re.search(r'<li data-image="[0-9a-f-]{36}"', text(response))


@pytest.mark.parametrize(
    ("data", "status"), [(b"GIF89a not a picture at all", 422), (b"", 422), (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 422)]
)
def test_a_file_that_is_no_picture_is_refused_in_a_sentence(browser, data, status):
    response = browser.post("/studio/references", {"file": SimpleUploadedFile("pears.png", data, "image/png")})
    assert response.status_code == status
    assert text(response).startswith('<p class="error">')
    assert text(response).rstrip().endswith(".</p>")


def test_no_file_at_all_is_a_sentence_too(browser):
    response = browser.post("/studio/references", {})
    assert (response.status_code, text(response).strip()) == (422, '<p class="error">Choose a picture first.</p>')


@pytest.mark.django_db(transaction=True)
def test_a_card_in_hand_polls_and_a_settled_one_does_not(browser, who):
    generation = world.submit(who)
    waiting = text(browser.get(f"/generations/{generation.id}/card"))
    assert f'data-renew="/generations/{generation.id}/card" data-poll' in waiting
    world.drive(generation, world.ScriptedProvider())
    done = text(browser.get(f"/generations/{generation.id}/card"))
    assert "data-poll" not in done and "data-renew" not in done
    assert "<strong>4 credits</strong> charged for 1 image" in done


def test_cancel_returns_what_was_not_made(browser, who):
    generation = world.submit(who)
    response = browser.post(f"/generations/{generation.id}/cancel", headers=HTMX)
    assert response.status_code == 200
    assert "Canceled before a picture was made." in text(response)
    assert world.available(who) == 100
    assert browser.post(f"/generations/{generation.id}/cancel", headers=HTMX).status_code == 200


def test_retry_makes_it_again_once_however_often_it_is_pressed(browser, who):
    generation = world.submit(who, "A cobalt bottle", quality="low")
    browser.post(f"/generations/{generation.id}/cancel", headers=HTMX)
    number = str(ids.uuid7())
    for _ in range(2):
        assert browser.post(f"/generations/{generation.id}/retry", {"id": number}, headers=HTMX).status_code == 200
    again = Generation.objects.exclude(id=generation.id).get()
    assert (str(again.id), again.prompt, again.quality, again.parent_id) == (
        number,
        "A cobalt bottle",
        "low",
        generation.id,
    )


@pytest.mark.django_db(transaction=True)
def test_only_what_is_missing_can_be_made_again(browser, who):
    generation = world.submit(who, count=4)
    refused = protocol.ProviderFailure("user_input", "no")
    world.drive(generation, world.ScriptedProvider(refused))
    missing = 4 - Output.objects.filter(generation=generation, state="delivered").count()
    assert missing == 1
    assert "3 of 4 delivered" in text(browser.get("/studio"))
    response = browser.post(f"/generations/{generation.id}/retry", {"missing": "1"}, headers=HTMX)
    assert response.status_code == 200
    assert Generation.objects.exclude(id=generation.id).get().count == missing


@pytest.mark.parametrize("path", ["", "/card", "/previews/0"])
def test_somebody_elses_generation_is_not_there(browser, path):
    foreign = world.submit(world.person(credits=10))
    assert browser.get(f"/generations/{foreign.id}{path}").status_code == 404
    assert browser.get(f"/studio?from={foreign.id}").status_code == 404


@pytest.mark.parametrize("deed", ["cancel", "retry"])
def test_somebody_elses_generation_can_not_be_touched(browser, deed):
    foreign = world.submit(world.person(credits=10))
    assert browser.post(f"/generations/{foreign.id}/{deed}", headers=HTMX).status_code == 404
    foreign.refresh_from_db()
    assert foreign.state == "queued"


def test_older_cards_come_in_pages(browser, who):
    for place in range(26):
        world.submit(who, f"Pear number {place}", quality="low")
    page = text(browser.get("/studio"))
    assert page.count('<article class="job"') == 24
    assert "Waiting, 26th in line" in page
    assert "Waiting, 3rd in line" in page
    cursor = re.search(r"/studio/feed\?cursor=([\w-]+)", page)
    older = text(browser.get(f"/studio/feed?cursor={cursor[1]}", headers=HTMX))
    assert re.findall(r"Pear number (\d+)</h3>", older) == ["1", "0"]
    assert "Older" not in older
    assert browser.get("/studio/feed?cursor=xyz", headers=HTMX).status_code == 400


def test_the_page_asks_the_database_as_often_for_many_cards_as_for_few(browser, who, django_assert_max_num_queries):
    picture = world.upload(who)
    for place in range(24):
        world.submit(who, f"Pear {place}", quality="low", references=[{"image_id": picture.id}])
    browser.get("/studio")  # grants the day's credits
    with django_assert_max_num_queries(14):
        browser.get("/studio")
    with django_assert_max_num_queries(8):
        browser.get("/studio/feed", headers=HTMX)


def test_what_was_typed_is_never_markup(browser, who):
    send(browser, prompt="<script>alert(1)</script>\"'")
    assert "<script>alert(1)" not in browser.get("/studio").content.decode()
