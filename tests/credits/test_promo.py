"""Promo codes: who gets their credits and how often, what is refused and with which code, guessing, races."""

import datetime
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from gesso.core import networks
from gesso.credits import codes, promo
from gesso.credits.models import CodeGuess, CreditGrant, PromoCode, PromoUse
from tests import world
from tests.credits import books
from tests.credits.books import give, money
from tests.credits.clocks import Clock
from tests.credits.test_race import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("right_books")]


def spring(**changed: object) -> PromoCode:
    return promo.make(**({"word": "SPRING-25", "amount": 25, "uses_most": 10} | changed))  # type: ignore[arg-type]


def redeem(who: world.Person, text: str = "SPRING-25", address: str = "") -> CreditGrant | str:
    """Return the grant, or the code of the refusal."""
    with networks.coming_from(address):
        try:
            return promo.redeem(who.workspace, who.user, text)
        except codes.CodeRefused as refused:
            return refused.code


class TestMaking:
    def test_a_code_is_unguessable_unless_a_word_is_chosen(self) -> None:
        made = {promo.make(amount=1, uses_most=1).shown for _ in range(50)}
        assert len(made) == 50
        assert all(len(codes.spell(shown)) == 12 for shown in made)
        assert spring(word="spring 25").shown == "SPRING-25"

    @pytest.mark.parametrize(
        "changed",
        [
            {"word": "SPRIN"}, {"word": "A-B-C-D-E"}, {"word": "SPR\u00cdNG25"}, {"word": "\u0405\u0420R\u0406NG25"},
            {"word": "A" * 41},
            {"word": "SPRING'; DROP TABLE"}, {"word": "SPRING_25"}, {"word": "SPR\u0131NG25"},
            {"word": "-".join("A" * 40)}, {"amount": 0},
            {"amount": -1}, {"amount": 100_001}, {"uses_most": 0}, {"uses_most": 100_001}, {"credits_days": 0},
            {"credits_days": 3651}, {"expires_at": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)},
        ],
    )  # fmt: skip
    def test_what_makes_no_code_is_a_sentence(self, changed: dict[str, object]) -> None:
        with pytest.raises(promo.BadCode, match=r"\.$"):
            spring(**changed)
        assert not PromoCode.objects.exists()

    def test_a_spelling_is_given_once_also_after_its_end(self) -> None:
        promo.end(spring().pk)
        with pytest.raises(promo.BadCode, match="already"):
            spring(word="spring25")

    def test_one_number_makes_one_code(self) -> None:
        first = promo.make(amount=5, uses_most=1)
        with pytest.raises(promo.BadCode, match="already"):
            promo.make(amount=9, uses_most=1, code_id=first.pk)
        assert PromoCode.objects.get().credits == 5

    def test_the_database_refuses_one_use_too_many(self) -> None:
        code = spring()
        with pytest.raises(IntegrityError), transaction.atomic():
            PromoCode.objects.filter(pk=code.pk).update(uses=11)


class TestRedeeming:
    @pytest.mark.parametrize(
        "text", ["SPRING-25", "spring25", " Spring 25 ", "s p r i n g\u20132 5", "SPRING\u00a0\u201125\n", "spring-2-5"]
    )
    def test_spaces_dashes_and_capitals_do_not_matter(self, who: world.Person, text: str) -> None:
        spring()
        assert isinstance(redeem(who, text), CreditGrant)

    def test_credits_are_promo_with_their_own_life(self, who: world.Person, time: Clock) -> None:
        code = spring(credits_days=7)
        assert isinstance(redeem(who), CreditGrant)
        lot = CreditGrant.objects.get()
        assert (lot.source, lot.amount, lot.expires_at) == ("promo", 25, time.ahead(days=7))
        assert lot.reference == f"promo:{code.pk}:{who.workspace.pk}"
        entry = lot.entries.get()
        assert (entry.reason, entry.actor) == ("Code SPRING-25", str(who.user.pk))
        code.refresh_from_db()
        assert (code.uses, PromoUse.objects.get().grant) == (1, lot)
        time.later(days=7)
        assert money(who) == (0, 0, 0)

    def test_credits_last_90_days_where_nothing_is_said(self, who: world.Person, time: Clock) -> None:
        spring()
        redeem(who)
        assert CreditGrant.objects.get().expires_at == time.ahead(days=90)

    def test_a_workspace_and_a_person_use_a_code_once(self, who: world.Person) -> None:
        spring()
        redeem(who)
        assert redeem(who, "spring 25") == "code_used_here"
        other = world.person()
        assert redeem(world.Person(who.user, other.workspace)) == "code_used_here"  # the person's other workspace
        assert redeem(world.Person(other.user, who.workspace)) == "code_used_here"  # somebody else of this workspace
        assert money(who) == (25, 0, 0)
        assert PromoCode.objects.get().uses == 1

    def test_a_code_ends_at_its_moment_in_any_timezone(self, who: world.Person, time: Clock) -> None:
        kiritimati = datetime.timezone(datetime.timedelta(hours=14))
        spring(expires_at=time.ahead(hours=1).astimezone(kiritimati))
        time.later(minutes=59, seconds=59)
        assert isinstance(redeem(who), CreditGrant)
        time.later(seconds=1)
        assert redeem(world.person()) == "code_ended"

    def test_what_staff_ended_gives_nothing(self, who: world.Person) -> None:
        code = spring()
        assert [promo.end(code.pk), promo.end(code.pk)] == [True, False]
        assert redeem(who) == "code_ended"

    def test_used_up(self) -> None:
        spring(uses_most=1)
        assert isinstance(redeem(world.person()), CreditGrant)
        late = world.person()
        assert redeem(late) == "code_used_up"
        assert money(late) == (0, 0, 0)

    def test_a_code_for_new_workspaces(self) -> None:
        spring(for_new_only=True)
        old, other, new = world.person(), world.person(), world.person(credits=5)
        give(old, 10, "pack")
        promo.make(word="AUTUMN", amount=1, uses_most=5)
        redeem(other, "AUTUMN")
        assert [redeem(old), redeem(other)] == ["code_not_for_you"] * 2
        assert isinstance(redeem(new), CreditGrant)

    def test_an_invitation_code_gives_nothing_here(self, who: world.Person) -> None:
        promo.make(kind="invite", word="WELCOME", amount=5, uses_most=5)
        assert redeem(who, "WELCOME") == "code_wrong_place"

    @pytest.mark.parametrize(
        "text",
        [
            "", "-", "SPRING-26", "SPRING-2", "A" * 10_000, "\u0405\u0420R\u0406NG-25", "\u017fpring-25",
            "SPR\u0131NG-25", "\uff33\uff30\uff32\uff29\uff2e\uff27-25",
            "SPRING-25' OR '1'='1", "%", "SPRING%25", "a\0b", "\u202eSPRING-25", "SPRING-\uff125",
            "\U0001f4a5" * 6, "\ud800SPRING",
        ],
    )  # fmt: skip
    def test_whatever_is_no_code_is_unknown(self, who: world.Person, text: str) -> None:
        spring()
        assert redeem(who, text) == "code_unknown"
        assert money(who) == (0, 0, 0)


class TestGuessing:
    def test_five_wrong_ones_a_minute(self, who: world.Person, time: Clock) -> None:
        spring()
        assert [redeem(who, f"WRONG{number}") for number in range(6)] == ["code_unknown"] * 5 + ["code_attempts"]
        assert redeem(who) == "code_attempts"  # the right one has to wait as well
        assert isinstance(redeem(world.person()), CreditGrant)  # but nobody else
        time.later(minutes=1)
        assert isinstance(redeem(who), CreditGrant)

    def test_the_right_one_after_four_wrong_ones(self, who: world.Person, time: Clock) -> None:
        spring()
        for number in range(4):
            redeem(who, f"WRONG{number}")
        assert isinstance(redeem(who), CreditGrant)

    def test_twenty_wrong_ones_an_hour(self, who: world.Person, time: Clock) -> None:
        answers = []
        for number in range(25):
            answers.append(redeem(who, f"WRONG{number}"))
            time.later(minutes=1)
        assert answers == ["code_unknown"] * 20 + ["code_attempts"] * 5
        time.later(minutes=36)
        assert redeem(who, "WRONG-AGAIN") == "code_unknown"

    def test_a_network_guesses_as_little_as_a_person(self, time: Clock) -> None:
        answers = [redeem(world.person(), "WRONG-ONE", f"8.8.8.{number}") for number in range(7)]
        assert answers == ["code_unknown"] * 5 + ["code_attempts"] * 2
        assert redeem(world.person(), "WRONG-ONE", "8.8.9.1") == "code_unknown"
        office = [redeem(world.person(), "WRONG-ONE", "192.168.1.5") for _ in range(7)]
        assert office == ["code_unknown"] * 7  # people behind one proxy don't lock each other out

    def test_a_right_one_is_never_counted_as_a_guess(self, time: Clock) -> None:
        spring(uses_most=100)
        assert all(isinstance(redeem(world.person(), address="8.8.8.8"), CreditGrant) for _ in range(12))
        assert not CodeGuess.objects.exists()

    def test_guesses_are_forgotten_after_an_hour_and_name_nobody(self, who: world.Person, time: Clock) -> None:
        redeem(who, "WRONG1", "8.8.8.8")
        assert {len(bytes(guess.who)) for guess in CodeGuess.objects.all()} == {32}
        time.later(hours=1, seconds=1)
        codes.forget()
        assert not CodeGuess.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_hundred_people_and_ten_uses(self) -> None:
        spring(uses_most=10)
        people = [world.person() for _ in range(100)]
        pairs = [people[start : start + 2] for start in range(0, 100, 2)]
        answers = at_once(*[lambda pair=pair: [redeem(who, address="8.8.8.8") for who in pair] for pair in pairs])
        flat = [answer for pair in answers for answer in pair]  # type: ignore[attr-defined]
        assert sum(isinstance(answer, CreditGrant) for answer in flat) == 10
        assert [answer for answer in flat if isinstance(answer, str)] == ["code_used_up"] * 90
        assert (PromoCode.objects.get().uses, PromoUse.objects.count()) == (10, 10)
        assert sum(money(who)[0] for who in people) == 250
        books.check()

    def test_one_workspace_many_times(self, who: world.Person) -> None:
        spring()
        answers = at_once(*[partial(redeem, who)] * 20)
        assert sum(isinstance(answer, CreditGrant) for answer in answers) == 1
        assert answers.count("code_used_here") == 19
        assert money(who) == (25, 0, 0)

    def test_many_guesses_in_one_moment_are_five(self, who: world.Person) -> None:
        answers = at_once(*[partial(redeem, who, f"WRONG{number}") for number in range(20)])
        assert sorted(answers) == ["code_attempts"] * 15 + ["code_unknown"] * 5  # type: ignore[type-var]
