"""The limits on daily credits: a network has so many places a day, a mailbox one, however its address is written."""

import datetime
from functools import partial

import pytest
from django.db import IntegrityError
from django.test import Client

from gesso.accounts import mailboxes
from gesso.core import catalog, networks
from gesso.credits import allowances
from gesso.credits.models import CreditGrant, DailyPlace
from gesso.generations import recovery
from tests import world
from tests.credits.books import money
from tests.credits.clocks import Clock
from tests.credits.test_race import at_once, refusals

pytestmark = pytest.mark.django_db

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(autouse=True)
def two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a network have two places a day."""
    rules = catalog.current()
    free = rules.free.model_copy(update={"per_network": 2})
    monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"free": free}))


def verified(email: str = "", **fields: object) -> world.Person:
    who = world.person(email=email)
    world.verify(who)
    type(who.user).objects.filter(id=who.user.id).update(**fields) if fields else None
    return who


def ask(who: world.Person, address: str) -> str:
    with networks.coming_from(address):
        return allowances.ensure(who.workspace)


class TestNetworks:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("203.0.113.77", "203.0.113.0/24"), ("::ffff:203.0.113.9", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2002:cb00:7109::1", "203.0.113.0/24"),
            ("fe80::1%eth0", "fe80::/64"), ("", ""), ("unix:", ""), ("203.0.113.77:80", ""), ("1.2.3.4, 5.6.7.8", ""),
            ("x" * 10_000, ""), ("٢٠٣.0.113.1", ""),
        ],
    )  # fmt: skip
    def test_an_address_has_one_network(self, address: str, network: str) -> None:
        assert networks.of(address) == network

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "172.16.4.4", "100.64.0.3", "fd00::1", "fe80::1", ""]
    )
    def test_loopback_and_private_ones_are_not_public(self, address: str) -> None:
        with networks.coming_from(address):
            assert networks.current_public() == ""

    def test_a_digest_says_nothing_and_is_for_one_purpose(self) -> None:
        one, other = networks.digest("a", "8.8.8.0/24"), networks.digest("b", "8.8.8.0/24")
        assert one != other
        assert len(one) == 32
        assert b"8.8" not in one


class TestPerNetwork:
    def test_the_third_of_a_network_reads_why_and_has_nothing(self, time: Clock) -> None:
        first, second, third = (verified() for _ in range(3))
        assert ask(first, "8.8.8.1") == ask(second, "8.8.8.200") == ""
        assert ask(third, "::ffff:8.8.8.3") == allowances.CROWDED
        assert money(third) == (0, 0, 0)
        assert ask(first, "8.8.8.1") == ""  # those who have theirs keep them
        assert ask(third, "8.8.9.3") == ""  # from elsewhere it is another network
        assert money(third)[0] == catalog.current().credits.daily

    def test_one_64_of_ipv6_is_one_network(self, time: Clock) -> None:
        addresses = ["2600:1:2:3::1", "2600:1:2:3:ffff::9", "2600:1:2:3:abcd::"]
        assert [ask(verified(), address) for address in addresses] == ["", "", allowances.CROWDED]
        assert ask(verified(), "2600:1:2:4::1") == ""

    @pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.5", "10.0.0.1", "::1", ""])
    def test_homes_offices_and_callers_without_a_request_are_not_counted(self, address: str, time: Clock) -> None:
        assert [ask(verified(), address) for _ in range(4)] == [""] * 4

    def test_staff_are_not_counted(self, time: Clock) -> None:
        assert [ask(verified(is_staff=True), "8.8.8.1") for _ in range(3)] == [""] * 3
        assert [ask(verified(), "8.8.8.1") for _ in range(3)] == ["", "", allowances.CROWDED]

    def test_zero_is_no_limit(self, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        rules = catalog.current()
        free = rules.free.model_copy(update={"per_network": 0})
        monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"free": free}))
        assert [ask(verified(), "8.8.8.1") for _ in range(4)] == [""] * 4

    def test_the_unproved_take_no_place(self, time: Clock) -> None:
        assert ask(world.person(), "8.8.8.1") == allowances.UNPROVED
        assert not DailyPlace.objects.exists()

    def test_places_are_new_at_the_instances_midnight(self, time: Clock, settings: object) -> None:
        settings.TIME_ZONE = "Pacific/Auckland"  # type: ignore[attr-defined] # midnight there is 11:00 UTC
        people = [verified() for _ in range(3)]
        assert [ask(who, "8.8.8.1") for who in people] == ["", "", allowances.CROWDED]
        time.later(minutes=59, seconds=59)
        assert ask(people[2], "8.8.8.1") == allowances.CROWDED
        time.later(seconds=1)
        assert [ask(who, "8.8.8.1") for who in reversed(people)] == ["", "", allowances.CROWDED]

    def test_a_day_that_a_clock_change_shortens_is_one_day(self, time: Clock, settings: object) -> None:
        settings.TIME_ZONE = "Europe/Berlin"  # type: ignore[attr-defined] # 29 March 2026 has 23 hours there
        time.moment = datetime.datetime(2026, 3, 28, 23, 0, tzinfo=datetime.UTC)
        who = verified()
        ask(who, "8.8.8.1")
        assert CreditGrant.objects.get().expires_at == datetime.datetime(2026, 3, 29, 22, tzinfo=datetime.UTC)
        time.later(hours=22, minutes=59)
        ask(who, "8.8.8.1")
        assert CreditGrant.objects.count() == 1
        time.later(minutes=1)
        ask(who, "8.8.8.1")
        assert CreditGrant.objects.count() == 2

    def test_no_address_is_kept_and_nothing_longer_than_a_week(self, time: Clock) -> None:
        ask(verified(), "8.8.8.1")
        row = DailyPlace.objects.get()
        assert b"8.8.8" not in bytes(row.network)
        time.later(days=7)
        assert allowances.forget() == 0
        ask(verified(), "8.8.8.1")
        assert bytes(DailyPlace.objects.latest("id").network) != bytes(row.network)  # another day, another key
        time.later(days=1)
        recovery.tidy()
        assert DailyPlace.objects.count() == 1

    def test_the_database_refuses_what_the_code_would_not_do(self, time: Clock) -> None:
        ask(verified(), "8.8.8.1")
        row = DailyPlace.objects.get()
        with pytest.raises(IntegrityError):
            DailyPlace.objects.create(
                workspace=verified().workspace, day=row.day, mailbox=b"x", network=row.network, place=row.place
            )


class TestMailboxes:
    @pytest.mark.parametrize(
        ("written", "mailbox"),
        [
            ("Ada@Example.com", "ada@example.com"), ("ada+1@example.com", "ada@example.com"),
            ("a.d.a@example.com", "a.d.a@example.com"), ("A.d.a+x+y@GoogleMail.com", "ada@gmail.com"),
            ("ada@gmail.com", "ada@gmail.com"), ("+ada@example.com", "+ada@example.com"),
            ('"a@b"@example.com', '"a@b"@example.com'),
        ],
    )  # fmt: skip
    def test_spellings(self, written: str, mailbox: str) -> None:
        assert mailboxes.same(written) == mailbox

    def test_one_mailbox_gets_one_daily_grant(self, time: Clock) -> None:
        first, second = verified("a.da@gmail.com"), verified("ada+more@googlemail.com")
        assert ask(first, "") == ""
        assert ask(second, "8.8.8.8") == allowances.ELSEWHERE
        assert money(second) == (0, 0, 0)
        assert ask(first, "") == ""
        time.later(days=1)
        assert ask(second, "") == ""  # whoever comes first

    @pytest.mark.parametrize(
        ("email", "blocked"),
        [
            ("a@mail.test", True), ("a@MAIL.Test", True), ("a@x.mail.test", True), ("a@mail.test.", True),
            ("a@notmail.test", False), ("a@mail.test.example", False), ("mail.test@example.com", False),
        ],
    )  # fmt: skip
    def test_domains_that_are_blocked(self, email: str, blocked: bool) -> None:
        assert mailboxes.is_blocked(email, ("mail.test",)) is blocked


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_network_never_has_more_than_its_places(self) -> None:
        people = [verified() for _ in range(12)]
        answers = at_once(*[partial(ask, who, f"8.8.8.{number}") for number, who in enumerate(people)])
        assert sorted(answers) == [""] * 2 + [allowances.CROWDED] * 10
        assert CreditGrant.objects.filter(source="daily").count() == 2

    def test_one_workspace_takes_one_place(self) -> None:
        who = verified()
        assert refusals(at_once(*[partial(ask, who, "8.8.8.1")] * 8)) == []
        assert DailyPlace.objects.count() == CreditGrant.objects.count() == 1

    def test_one_mailbox_from_many_networks_is_served_once(self) -> None:
        people = [verified(f"ada+{number}@gmail.com") for number in range(6)]
        answers = at_once(*[partial(ask, who, f"8.8.{number}.8") for number, who in enumerate(people)])
        assert sorted(answers) == [""] + [allowances.ELSEWHERE] * 5


class TestThroughTheDoors:
    def test_pages_and_api_count_the_address_of_the_connection_not_what_a_client_claims(self) -> None:
        people = [verified() for _ in range(3)]
        for number, who in enumerate(people):
            client = Client(REMOTE_ADDR="8.8.8.8", HTTP_X_FORWARDED_FOR=f"9.9.{number}.9")
            client.force_login(who.user, backend=BACKEND)
            assert client.get("/studio").status_code == 200
        assert [money(who)[0] for who in people] == [catalog.current().credits.daily] * 2 + [0]
        assert networks.current() == ""  # forgotten after the answer

    def test_once_granted_a_look_asks_for_the_time_and_for_the_grant_only(
        self, django_assert_num_queries: object
    ) -> None:
        who = verified()
        ask(who, "8.8.8.1")
        with django_assert_num_queries(2):  # type: ignore[operator]
            ask(who, "8.8.8.1")
