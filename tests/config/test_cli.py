"""The `gesso` command: every command has help, does its one thing, and says in one sentence why it can't."""

import re
import subprocess

import pytest

from gesso.config import cli
from tests import instance
from tests.instance import until

COMMANDS = [
    ["run"], ["web"], ["worker"], ["migrate"], ["user", "add"], ["grant"], ["key", "create"], ["doctor"],
]  # fmt: skip


@pytest.fixture(scope="module")
def stopped(places):
    """Run commands on a data directory where nothing runs; each starts the database and stops it again."""
    data_dir = places()

    def run(*words, **variables):
        return _run(data_dir, *words, **variables)

    return run


def _run(data_dir, *words, **variables):
    return subprocess.run(
        [*instance.COMMAND, *words], env=instance.environment(data_dir, **variables), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert f"usage: gesso {' '.join(words)}" in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for words in COMMANDS:
        assert re.search(rf"^ +{words[0]} ", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"GESSO_COLOUR": "red"}, "GESSO_COLOUR is not a variable that Gesso knows; the README lists them all."),
        ({"GESSO_PORT": "http"}, "GESSO_PORT must be a whole number from 1 to 65535, not 'http'."),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with postgres:// or postgresql://."),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["grant", "a@example.com", "1", "--reason", "x"]])
def test_a_bad_environment_is_one_sentence(stopped, command, variables, sentence):
    said = stopped(*command, **variables)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == f"gesso: {sentence}\n"


def test_a_bad_catalogue_is_one_sentence(stopped, tmp_path):
    catalogue = tmp_path / "catalog.toml"
    catalogue.write_text("[prices]\nlow = 0\n")
    said = stopped("migrate", GESSO_CATALOG=str(catalogue))
    assert said.returncode == 2
    assert said.stderr.startswith("gesso: prices.low")
    assert said.stderr.count("\n") == 1


def test_a_database_that_can_not_be_reached_is_one_sentence(stopped, tmp_path):
    said = stopped("migrate", DATABASE_URL=f"postgresql:///gesso?host={tmp_path}", GESSO_SECRET_KEY="x" * 32)
    assert said.returncode == 1
    assert said.stderr.startswith("gesso: The database can't be reached: ")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("part", ["web", "worker"])
def test_a_part_alone_says_that_it_needs_a_database(tmp_path, part):
    said = _run(tmp_path, part)
    assert said.returncode == 1
    assert said.stderr.startswith("gesso: No database answers")


def test_what_an_operator_does_for_a_person_while_nothing_runs(stopped):
    link = stopped("user", "add", "Ada@example.com", "--owner")
    assert (link.returncode, link.stderr) == (0, "")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/sign-in/[\w-]{43}\n", link.stdout)

    again = stopped("user", "add", "ada@example.com")
    assert again.returncode == 0
    assert again.stdout != link.stdout

    granted = stopped("grant", "ADA@example.com", "250", "--reason", "welcome")
    assert (granted.returncode, granted.stdout) == (0, "1250\n")  # the owner begins with 1,000

    key = stopped("key", "create", "ada@example.com", "--name", "laptop")
    assert key.returncode == 0
    assert re.fullmatch(r"gsk_[\w-]{43}\n", key.stdout)

    assert stopped("migrate", "--owner-link").stdout == ""  # there is an owner


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["user", "add", "nobody"], "'nobody' is not an email address."),
        (["user", "add", f"{'a' * 300}@example.com"], f"'{'a' * 300}@example.com' is not an email address."),
        (["grant", "nobody@example.com", "5", "--reason", "x"], "Nobody here has the email nobody@example.com"),
        (["key", "create", "nobody@example.com"], "Nobody here has the email nobody@example.com"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(stopped, words, sentence):
    said = stopped(*words)
    assert said.returncode == 1
    assert said.stderr.startswith(f"gesso: {sentence}")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("amount", ["0", "-1", "1.5", "ten", "1000001"])
def test_only_a_whole_number_of_credits_can_be_granted(amount, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["grant", "ada@example.com", amount, "--reason", "x"])
    assert ended.value.code == 2
    capsys.readouterr()


def test_an_install_has_one_owner(stopped):
    assert stopped("user", "add", "first@example.com", "--owner").returncode in {
        0,
        1,
    }  # another test may have been first
    second = stopped("user", "add", "second@example.com", "--owner")
    assert second.returncode == 1
    assert second.stderr == "gesso: This install has an owner already.\n"
    assert stopped("grant", "second@example.com", "1", "--reason", "x").returncode == 1  # nothing of it remains


@pytest.mark.crash
def test_commands_join_the_database_of_a_running_instance(place_for_data):
    with instance.running(place_for_data) as gesso:
        until(lambda: len(gesso.said) == 2, what="the owner link")
        link = gesso.run("user", "add", "ada@example.com")
        assert link.stdout.startswith(f"{gesso.url}/sign-in/")
        assert gesso.run("grant", "ada@example.com", "10", "--reason", "x").stdout == "10\n"
        assert gesso.well()
