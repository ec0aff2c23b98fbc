"""The card of every state: what it says about the pictures, the money and the reason. No database: rows as they would be."""

import datetime
import uuid

import pytest

from gesso.core import catalog
from gesso.credits.models import CreditHold
from gesso.generations.models import Generation, GenerationReference, Output
from gesso.images.models import Image
from gesso.web import cards

NOW = datetime.datetime(2026, 5, 21, 12, 0, tzinfo=datetime.UTC)
EACH = 4


def image(**fields) -> Image:
    return Image(width=1024, height=1280, media_type="image/png", bytes=1, verdict="allowed", **fields)


def generation(state: str, *slots: str, code: str = "", references: int = 0, **fields) -> Generation:
    """Rows of a generation whose slots are open, preview, delivered, trashed, withdrawn, or a failure code."""
    delivered = sum(slot in {"delivered", "trashed", "withdrawn"} for slot in slots)
    ended = state not in {"queued", "running"}
    row = Generation(
        prompt=fields.pop("prompt", "Three pears in a stoneware bowl"), model="gpt-image-2", aspect_ratio="4:5", width=1024, height=1280,
        quality="medium", count=len(slots), background="auto", format="png", price_each=EACH, price=EACH * len(slots),
        state=state, failure_code=code, created_at=NOW - datetime.timedelta(minutes=5),
        started_at=None if state == "queued" else NOW - datetime.timedelta(seconds=24), ended_at=NOW if ended else None,
    )  # fmt: skip
    row.hold = CreditHold(
        amount=row.price,
        captured=EACH * delivered if ended else 0,
        released=EACH * (len(slots) - delivered) if ended else 0,
    )
    outputs = []
    for index, slot in enumerate(slots):
        output = Output(generation=row, index=index)
        if slot in {"delivered", "trashed", "withdrawn"}:
            output.state = "withdrawn" if slot == "withdrawn" else "delivered"
            output.image = image(trashed_at=NOW if slot == "trashed" else None)
        elif slot in {"open", "preview"}:
            output.previews = 2 if slot == "preview" else 0
        else:
            output.state, output.failure_code = "failed", slot
        outputs.append(output)
    row._prefetched_objects_cache = {
        "outputs": outputs,
        "references": [
            GenerationReference(generation=row, image=image(), position=place, role="style")
            for place in range(references)
        ],
    }
    return row


def card(*args, place: int = 0, **fields) -> cards.Card:
    return cards.of(generation(*args, **fields), now=NOW, place=place)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (1, "Waiting"),
        (2, "Waiting, 2nd in line"),
        (3, "Waiting, 3rd in line"),
        (11, "Waiting, 11th in line"),
        (23, "Waiting, 23rd in line"),
    ],
)
def test_a_queued_card_says_its_place_in_line(place, words):
    drawn = card("queued", "open", "open", place=place)
    assert (drawn.state, drawn.state_words) == ("queued", words)
    assert drawn.in_hand
    assert drawn.small_tiles == (place > 1)
    assert [tile.state for tile in drawn.tiles] == ["queued", "queued"]
    assert drawn.receipt.strong == "8 credits held"


def test_a_running_card_counts_and_shows_each_output_as_it_lands():
    drawn = card("running", "delivered", "preview", "open", "provider_no_answer")
    assert drawn.elapsed == "24"
    assert [tile.state for tile in drawn.tiles] == ["done", "preview", "waiting", "missing"]
    assert f'src="/generations/{drawn.id}/previews/1?n=2"' in drawn.tiles[1].picture
    assert 'alt=""' in drawn.tiles[1].picture
    assert drawn.tiles[3].note == "Will not be charged"
    assert (drawn.receipt.strong, drawn.receipt.words) == ("16 credits held", ", 1 of 4 delivered so far")
    assert drawn.announcement == ""


def test_a_done_card_says_what_was_charged():
    drawn = card("succeeded", "delivered", "delivered")
    assert (drawn.state, drawn.state_words) == ("done", "")
    assert (drawn.receipt.strong, drawn.receipt.words, drawn.receipt.returned) == (
        "8 credits",
        " charged for 2 images",
        "",
    )
    assert drawn.announcement == "2 of 2 images delivered: Three pears in a stoneware bowl"
    assert 'alt="Three pears in a stoneware bowl (2 of 2)"' in drawn.tiles[1].picture
    assert drawn.missing == ""


def test_a_partly_delivered_card_says_what_came_back():
    drawn = card("succeeded", "delivered", "delivered", "delivered", "bad_picture", code="bad_picture")
    assert (drawn.state, drawn.state_words) == ("partial", "3 of 4 delivered")
    assert (drawn.receipt.strong, drawn.receipt.returned) == ("12 credits", "4 credits returned")
    assert (drawn.tiles[3].title, drawn.tiles[3].note) == ("Not delivered", "4 credits returned")
    assert drawn.missing == "Make the missing one · 4"


def test_a_withdrawn_output_is_returned_on_the_receipt():
    drawn = card("succeeded", "delivered", "withdrawn")
    assert drawn.state_words == "1 of 2 delivered"
    assert (drawn.receipt.strong, drawn.receipt.returned) == ("4 credits", "4 credits returned")
    assert drawn.tiles[1].title == "Withdrawn, the file was broken"


def test_when_all_was_withdrawn_nothing_was_charged_and_no_reason_is_invented():
    drawn = card("succeeded", "withdrawn")
    assert (drawn.state_words, drawn.receipt.strong, drawn.receipt.returned) == (
        "Withdrawn",
        "Not charged.",
        "4 credits returned",
    )
    assert drawn.problem is None


def test_a_failed_card_gives_the_reason_and_keeps_prompt_and_references():
    drawn = card("failed", "provider_no_answer", code="provider_no_answer", references=2)
    assert (drawn.state, drawn.state_words) == ("failed", "Failed")
    assert drawn.problem is not None
    assert drawn.problem.sentence == "The image service did not answer. This is on our side, not your prompt."
    assert drawn.problem.money == "4 credits are back in your balance."
    assert drawn.problem.retry
    assert drawn.tiles == ()
    assert [reference.alt for reference in drawn.references] == ["Reference 1, style", "Reference 2, style"]
    assert drawn.announcement.startswith("Failed, not charged: ")


@pytest.mark.parametrize("code", ["moderation_blocked", "output_withheld"])
def test_a_blocked_card_is_calm_and_offers_no_plain_retry(code):
    drawn = card("failed", code, code=code)
    assert (drawn.state, drawn.state_words) == ("blocked", "Blocked")
    assert drawn.problem is not None
    assert (drawn.problem.tone, drawn.problem.retry) == ("calm", False)


def test_a_canceled_card_keeps_what_was_delivered():
    nothing, some = card("canceled", "canceled"), card("canceled", "delivered", "canceled")
    assert nothing.problem is not None
    assert nothing.problem.sentence == "Canceled before a picture was made."
    assert some.problem is None
    assert some.state_words == "Canceled, 1 of 2 delivered"
    assert [tile.title for tile in some.tiles] == ["", "Canceled"]
    assert (some.receipt.strong, some.receipt.returned) == ("4 credits", "4 credits returned")


def test_what_may_not_be_seen_has_no_address():
    drawn = card("succeeded", "delivered", "trashed", "output_withheld")
    assert [tile.state for tile in drawn.tiles] == ["done", "missing", "withheld"]
    assert [bool(tile.picture) for tile in drawn.tiles] == [True, False, False]


def test_a_picture_is_offered_in_the_sizes_that_exist():
    small = cards.picture(Image(id=uuid.UUID(int=1), width=300, height=200), alt="", sizes="50vw")
    large = cards.picture(Image(id=uuid.UUID(int=1), width=1024, height=1536), alt="", sizes="50vw")
    among_four = cards.picture(Image(id=uuid.UUID(int=1), width=1024, height=1536), alt="")
    assert "srcset" not in small
    assert "variant=preview 853w" in large
    assert "variant=thumb 320w" in large
    assert "srcset" not in among_four


def test_what_was_typed_is_escaped_in_a_pictures_attributes():
    drawn = card("succeeded", "delivered", prompt="'\"><script>x</script>")
    assert "<script>" not in drawn.tiles[0].picture
    assert "&quot;&gt;&lt;script&gt;" in drawn.tiles[0].picture


def test_a_card_asks_the_database_nothing():
    # No database mark: pytest-django refuses any query here.
    assert card("succeeded", "delivered", references=5).model == "GPT Image 2"


def test_a_long_prompt_is_cut_so_that_a_page_of_cards_stays_small():
    drawn = card("succeeded", "delivered", prompt="A very long prompt, " * 1000)
    assert len(drawn.prompt) <= cards.CARD_LETTERS + 1
    assert drawn.prompt.startswith("A very long prompt, A very")


def test_the_same_again_says_what_it_costs_today(monkeypatch):
    rules = catalog.current()
    dearer = rules.prices.model_copy(update={"medium": 7})
    monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"prices": dearer}))
    assert card("succeeded", "delivered", "delivered").again == "14 credits"
    assert card("succeeded", "delivered", "bad_picture", code="bad_picture").missing == "Make the missing one · 7"
    monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"prices": dearer, "models": []}))
    assert card("succeeded", "delivered", "delivered").again == "8 credits"
