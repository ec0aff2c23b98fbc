"""The library's own sentences: keyset pages miss and repeat nothing, marks and trash are kept, others' images don't exist."""

import datetime
import uuid

import pytest
from django.utils import timezone

from gesso.images.models import Image
from gesso.library import favourites, lineage, search, trash
from tests import world

pytestmark = pytest.mark.django_db
DRIVEN = pytest.mark.django_db(transaction=True)  # a runner works in threads of its own

SOME_ID = uuid.UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.fixture
def who():
    return world.person(credits=100)


def hang(who, count: int) -> list[Image]:
    """Store `count` images, two of each moment, newest first."""
    made = [world.upload(who, colour=f"#0000{number:02x}") for number in range(count)]
    for place, image in enumerate(made):
        Image.objects.filter(id=image.id).update(created_at=timezone.now() - datetime.timedelta(minutes=place // 2))
    return list(Image.objects.order_by("-created_at", "-id"))


def test_pages_give_every_image_once_in_order(who):
    wall = hang(who, 7)
    found, cursor = [], ""
    while True:
        page = search.newest(who.workspace.id, cursor=cursor, limit=3)
        found += page.rows
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == wall


@pytest.mark.parametrize("cursor", ["x", "12", f"-1-{SOME_ID}", f"1-{'a' * 36}", "9" * 30 + f"-{SOME_ID}"])
def test_a_foreign_cursor_is_refused(who, cursor):
    with pytest.raises(search.BadCursor):
        search.newest(who.workspace.id, cursor=cursor)


def test_neighbours_are_those_of_the_wall(who):
    wall = hang(who, 4)
    assert search.neighbours(wall[0]) == (None, wall[1].id)
    assert search.neighbours(wall[2]) == (wall[1].id, wall[3].id)
    trash.move(who.workspace.id, wall[1].id)
    assert search.neighbours(wall[2])[0] == wall[0].id


def test_search_takes_wildcards_as_they_are_written(who):
    image = world.upload(who)
    Image.objects.filter(id=image.id).update(label="100% linen")
    assert search.newest(who.workspace.id, filters=search.Filters(q="0% LIN")).rows == [image]
    assert search.newest(who.workspace.id, filters=search.Filters(q="1_0")).rows == []


@pytest.mark.parametrize("typed", ["\0linen", "li\x00\x1bnen\x7f", " linen\ud800 "])
def test_search_leaves_out_what_the_database_refuses(who, typed):
    image = world.upload(who)
    Image.objects.filter(id=image.id).update(label="100% linen")
    assert search.newest(who.workspace.id, filters=search.Filters(q=typed)).rows == [image]


@DRIVEN
def test_a_prompt_finds_what_was_made_with_it(who):
    made = world.drive(world.submit(who, "Three pears " + "and so on " * 20 + "zinnober"), world.ScriptedProvider())
    assert [
        row.output.generation for row in search.newest(who.workspace.id, filters=search.Filters(q="zinnober")).rows
    ] == [made]


def test_marks_and_trash_are_kept_and_undone(who):
    image = world.upload(who)
    assert favourites.mark(who.workspace.id, image.id, favourite=True)
    assert search.newest(who.workspace.id, filters=search.Filters(favourite=True)).rows == [image]
    assert favourites.mark(who.workspace.id, image.id, favourite=False)
    assert trash.move(who.workspace.id, image.id)
    assert search.newest(who.workspace.id).rows == []
    assert search.newest(who.workspace.id, filters=search.Filters(trashed=True)).rows == [image]
    assert trash.restore(who.workspace.id, image.id)
    assert search.newest(who.workspace.id).rows == [image]


def test_another_workspaces_image_does_not_exist(who):
    foreign, stranger = world.upload(who), world.person()
    mine = stranger.workspace.id
    assert search.find(mine, foreign.id) is None
    assert not favourites.mark(mine, foreign.id, favourite=True)
    assert not trash.move(mine, foreign.id)
    assert not trash.restore(mine, foreign.id)
    foreign.refresh_from_db()
    assert foreign.favourite_at is None and foreign.trashed_at is None


@pytest.mark.parametrize("change", [{"verdict": "withheld"}, {"broken_at": timezone.now}])
def test_what_may_not_be_seen_is_not_found(who, change):
    image = world.upload(who)
    values = {name: value() if callable(value) else value for name, value in change.items()}
    Image.objects.filter(id=image.id).update(**values)
    assert search.find(who.workspace.id, image.id) is None
    assert search.newest(who.workspace.id).rows == []


@DRIVEN
def test_papers_lead_one_step_each_way(who, django_assert_max_num_queries):
    reference = world.upload(who)
    ask = [{"image_id": str(reference.id), "role": "style"}]
    made = world.drive(world.submit(who, references=ask, count=2), world.ScriptedProvider())
    image = made.outputs.get(index=1).image
    child = world.drive(world.submit(who, references=[{"image_id": str(image.id)}]), world.ScriptedProvider())
    with django_assert_max_num_queries(5):
        papers = lineage.papers(image)
    assert (papers.generation, papers.index) == (made, 1)
    assert [row.image for row in papers.references] == [reference]
    assert [row.output.index for row in papers.siblings] == [0, 1]
    assert [row.generation for row in papers.children] == [child]
    assert [row.generation for row in lineage.papers(reference).children] == [made]
