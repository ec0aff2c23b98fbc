"""A queue whose head waits too long takes nothing more, until it moves again."""

import datetime

import pytest
from django.db.models import F

from gesso.core import catalog
from gesso.generations import attempts, leasing, recovery, submission
from gesso.generations.models import Generation
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return world.person(credits=100)


def waiting_since(seconds: float, *made: Generation) -> None:
    """Let these have been submitted so many seconds ago; nobody has claimed them yet."""
    past = F("created_at") - datetime.timedelta(seconds=seconds)
    Generation.objects.filter(id__in=[generation.id for generation in made]).update(created_at=past)


def overload() -> int | None:
    """What a submission is told after the next sweep."""
    recovery.sweep()
    return recovery.overload()


def test_without_a_sweep_or_anything_that_waits_a_submission_is_welcome():
    assert recovery.overload() is None
    assert overload() is None


def test_a_young_queue_is_no_overload(who):
    waiting_since(recovery.OVERLOAD_SECONDS - 60, world.submit(who))
    assert overload() is None


def test_one_that_nobody_claimed_for_too_long_ends_the_welcome_until_somebody_does(who):
    waiting, _young = world.submit(who), world.submit(world.person(credits=10))
    waiting_since(recovery.OVERLOAD_SECONDS + 10, waiting)
    assert overload() == 60
    with pytest.raises(submission.Overloaded):
        world.submit(world.person(credits=10))
    leasing.claim(waiting.id, "somebody")
    assert overload() is None
    world.submit(who)


def test_who_waits_for_the_others_of_their_own_workspace_is_no_overload(who):
    for _ in range(catalog.current().limits.concurrent_free):
        running = world.submit(who)
        attempts.begin(running.id, leasing.claim(running.id, "somebody").epoch, seconds=900)
    waiting_since(recovery.OVERLOAD_SECONDS + 10, world.submit(who))
    assert overload() is None
