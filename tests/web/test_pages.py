"""Public pages, the library and the viewer through their own addresses: who sees what, what caches may keep, no script inline."""

import re

import pytest
from django.test import Client

from gesso.accounts.models import Membership, User
from gesso.images import bucket, storage
from gesso.images.models import Image
from gesso.web import headers, pictures
from tests import world

PUBLIC = ["/", "/pricing", "/robots.txt", "/sitemap.xml"]


@pytest.fixture
def who():
    return world.person(credits=100)


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_ask_no_database_and_set_no_cookie(path):
    response = Client().get(path)  # without the django_db mark a query fails
    assert response.status_code == 200
    assert "public" in response["Cache-Control"]
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


@pytest.mark.parametrize("path", [*PUBLIC, "/nothing-here"])
def test_every_answer_has_a_strict_policy(path):
    response = Client().get(path)
    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;")
    assert "unsafe" not in policy and "*" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not re.search(rb"<style|<script(?![^>]* src=)|\son[a-z]+=|\sstyle=", response.content)


@pytest.mark.parametrize(
    ("query", "region"), [("?region=eu-north-1", "eu-north-1"), ("", "eu-west-3")], ids=["address", "environment"]
)
def test_the_policy_lets_a_buckets_pictures_in_and_no_secret_out(monkeypatch, query, region):
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    away = bucket.Bucket(f"s3://AKIAEXAMPLE:topsecret@pictures/prefix{query}")
    monkeypatch.setattr(storage, "current", lambda: away)
    headers.policy.cache_clear()
    try:
        policy = headers.policy()
    finally:
        headers.policy.cache_clear()
    origin = f"https://s3.{region}.amazonaws.com"
    assert f"img-src 'self' blob: {origin};" in policy
    signed = away.presigned("g/1/0.png", seconds=60, media_type="image/png", disposition="inline")
    assert signed.startswith(f"{origin}/")
    assert "topsecret" not in policy and "AKIA" not in policy


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/library", "/trash"])
def test_visitors_are_sent_away(path):
    assert Client().get(path).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/studio", "/library", "/credits", "/settings"])
def test_a_page_about_somebody_is_kept_by_nobody_else_and_asked_for_anew(browser, path):
    assert browser.get(path)["Cache-Control"] == "private, no-cache"


@pytest.mark.django_db
def test_signing_out_clears_what_the_browser_kept(browser):
    assert "Clear-Site-Data" not in browser.get("/library")
    left = browser.post("/accounts/logout/")
    assert (left.status_code, left["Clear-Site-Data"]) == (302, '"cache"')


@pytest.mark.django_db
def test_the_wall_shows_images_and_the_next_part(browser, who, monkeypatch):
    monkeypatch.setattr("gesso.web.library.PAGE", 2)
    images = [world.upload(who, colour=colour) for colour in ("#111111", "#222222", "#333333")]
    first = browser.get("/library").content.decode()
    assert str(images[2].id) in first and str(images[0].id) not in first
    older = re.search(r'hx-get="(/library[^"]+)"', first)[1].replace("&amp;", "&")
    part = browser.get(older, headers={"HX-Request": "true"}).content.decode()
    assert str(images[0].id) in part and "<html" not in part and "data-continues" in part


@pytest.mark.django_db
def test_the_wall_is_searched_without_the_control_characters_of_the_address(browser, who):
    image = world.upload(who)
    Image.objects.update(label="100% linen")
    found = browser.get("/library?q=li%00nen%1b").content.decode()
    assert str(image.id) in found and 'value="linen"' in found
    assert "\0" not in found
    everything = browser.get("/library?q=%00")
    assert everything.status_code == 200 and str(image.id) in everything.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "names", "status"),
    [
        ("/trash", ["q", "after"], 200), ("/trash", ["cursor"], 400), ("/library", ["origin", "after", "favourite"], 200),
        ("/library", ["cursor"], 400), ("/studio", ["reference"], 200), ("/studio", ["from"], 404),
        ("/studio", ["cursor"], 400),
        ("/studio/references", ["reference"], 200), ("/credits", ["cursor", "show"], 400),
        ("/credits/receipts", ["cursor"], 400), ("/credits/statement.csv", ["show"], 400),
        ("/credits/redeem", ["code"], 200), ("/staff/margin/", ["by", "period"], 200),
        ("/staff/accounts/user/", ["q"], 200),
    ],
)  # fmt: skip
def test_no_page_breaks_at_a_nul_in_its_address(browser, who, path, names, status):
    User.objects.update(is_staff=True)
    assert {name: browser.get(path, {name: "a\0b"}).status_code for name in names} == dict.fromkeys(names, status)


@pytest.mark.django_db
def test_the_wall_costs_the_same_for_one_image_and_for_many(browser, who, django_assert_max_num_queries):
    for number in range(12):
        world.upload(who, colour=f"#0000{number:02x}")
    browser.get("/library")
    with django_assert_max_num_queries(8):
        browser.get("/library")


@pytest.mark.django_db
def test_marks_without_script_go_back_and_with_script_say_nothing(browser, who):
    image = world.upload(who)
    plain = browser.post(f"/images/{image.id}/favourite", {"on": "1", "next": "/library?q=x"})
    assert plain["Location"] == "/library?q=x"
    assert Image.objects.get().favourite_at is not None
    assert browser.post(f"/images/{image.id}/trash", headers={"HX-Request": "true"}).status_code == 204
    away = browser.post(f"/images/{image.id}/restore", {"next": "https://elsewhere.example/"})
    assert away["Location"] == "/library"


@pytest.mark.django_db
def test_a_viewer_looks_and_changes_nothing(browser, who):
    image = world.upload(who)
    Membership.objects.update(role=Membership.Role.VIEWER)
    assert b"data-act" not in browser.get("/library").content
    assert browser.get(f"/images/{image.id}").status_code == 200
    assert browser.post(f"/images/{image.id}/trash").status_code == 403
    assert Image.objects.get().trashed_at is None


@pytest.mark.django_db(transaction=True)
def test_the_viewer_shows_an_images_papers(browser, who):
    made = world.drive(world.submit(who, "A kiln at dusk", count=2), world.ScriptedProvider())
    page = browser.get(f"/images/{made.outputs.get(index=0).image_id}").content.decode()
    for words in ("A kiln at dusk", "Image 2 of 2", f"/generations/{made.id}", "4 credits", "variant=clean"):
        assert words in page


@pytest.mark.django_db
def test_anothers_image_is_nothing_here(browser):
    foreign = world.upload(world.person())
    for path in ("", "/file", "/file?variant=thumb"):
        assert browser.get(f"/images/{foreign.id}{path}").status_code == 404
    for deed in ("favourite", "trash", "restore"):
        assert browser.post(f"/images/{foreign.id}/{deed}").status_code == 404


@pytest.mark.django_db
def test_files_are_served_with_their_own_policy(browser, who):
    image = world.upload(who)
    response = browser.get(f"/images/{image.id}/file?variant=thumb")
    assert response["Content-Type"] == "image/webp"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert b"".join(response.streaming_content)[:4] == b"RIFF"
    assert browser.get(f"/images/{image.id}/file?variant=other").status_code == 404


@pytest.mark.django_db
def test_the_theme_is_kept_and_written_by_the_server(browser):
    assert 'data-theme="auto"' in browser.get("/library").content.decode()
    assert browser.post("/theme", {"theme": "dark", "next": "/library"})["Location"] == "/library"
    assert 'data-theme="dark"' in browser.get("/library").content.decode()
    assert browser.post("/theme", {"theme": "pink"}).status_code == 400


@pytest.mark.parametrize(
    ("size", "shape"), [((1024, 1024), "1:1"), ((1680, 720), "21:9"), ((100, 4000), "1:3"), ((960, 1280), "3:4")]
)
def test_every_size_has_a_shape(size, shape):
    assert pictures.shape(*size) == shape


def test_the_price_list_is_the_catalogues():
    page = Client().get("/pricing").content.decode()
    for words in ("What an image costs", "Studio", "$14", "400 credits a month", "Team", "$42", "1,000 credits", "$35",
                  "250 Medium or 62 High images", "Prices are without tax."):  # fmt: skip
        assert words in page
