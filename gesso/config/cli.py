"""The `gesso` command: one line for each thing an operator does. It exits 0 or says in one sentence why not.

While `gesso run` is up, commands join its database; when nothing runs, they start the embedded one and stop it again.
Django is imported by the commands that need it, after the environment is known to be good.
"""

import argparse
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from gesso.config import embedded
from gesso.config.refusal import Refused
from gesso.core import env

JOIN_SECONDS = 30  # how long a command waits for a `gesso run` that is just starting

Command = Callable[[argparse.Namespace, env.Environment], int]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says, and exit: 1 when it could not be done, 2 when it makes no sense."""
    options = _parser().parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "gesso.config.settings"
    try:
        environment = env.read(os.environ)
        command: Command = options.command
        os.environ["PGAPPNAME"] = f"gesso {options.called}"  # what the database's list of connections says
        sys.exit(command(options, environment))
    except env.BadEnvironment as problem:
        _fail(problem, 2)
    except (Refused, embedded.AlreadyRunning, embedded.Unusable) as problem:
        _fail(problem, 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(problem: object, status: int) -> NoReturn:
    print(f"gesso: {problem}", file=sys.stderr)
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gesso", description="A self-hosted studio for AI images.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        within: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: Command, tells: str
    ) -> argparse.ArgumentParser:
        made = within.add_parser(name, help=tells, description=tells, allow_abbrev=False)
        made.set_defaults(command=does, called=name)
        return made

    command(commands, "run", _run, "Run everything: database, web and worker, until Ctrl-C.")
    web = command(commands, "web", _web, "Run a web process only, with a database that runs elsewhere.")
    web.add_argument("--socket", type=int, metavar="FD", help="serve this inherited listening socket")
    command(commands, "worker", _worker, "Run a worker only, with a database that runs elsewhere.")
    migrate = command(commands, "migrate", _migrate, "Bring the database up to date.")
    migrate.add_argument(
        "--owner-link", action="store_true", help="print the one-time owner link while there is no owner"
    )

    user = commands.add_parser("user", help="People.", description="People.").add_subparsers(
        required=True, metavar="ACTION"
    )
    add = command(user, "add", _user_add, "Make a person, or find them, and print a one-time sign-in link.")
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--staff", action="store_true", help="open the staff console to them")
    add.add_argument("--owner", action="store_true", help="make them the owner of this install")

    grant = command(
        commands, "grant", _grant, "Grant credits to a person's personal workspace and print the new balance."
    )
    grant.add_argument("email", metavar="EMAIL")
    grant.add_argument("credits", metavar="CREDITS", type=_credits)
    grant.add_argument("--reason", required=True, metavar="TEXT", help="shown in the statement")

    key = commands.add_parser("key", help="API keys.", description="API keys.").add_subparsers(
        required=True, metavar="ACTION"
    )
    create = command(key, "create", _key_create, "Make an API key of a person's personal workspace and print it, once.")
    create.add_argument("email", metavar="EMAIL")
    create.add_argument("--name", default="API key", help="what the key is for")

    doctor = command(commands, "doctor", _doctor, "Prove that credits, generations and images are in order.")
    doctor.add_argument("--json", action="store_true", help="print a JSON document instead of lines")
    return parser


def _credits(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 1000000, not {text!r}")
    return int(text)


# What runs


def _run(_options: argparse.Namespace, environment: env.Environment) -> int:
    from gesso.config import supervisor

    supervisor.run(environment)
    return 0


def _web(options: argparse.Namespace, environment: env.Environment) -> int:
    from gesso.config import web

    _require_database(environment)
    try:
        listener = (
            socket.socket(fileno=options.socket) if options.socket else web.listen(environment.host, environment.port)
        )
    except OSError as problem:
        _fail(f"Gesso can't listen at {environment.host}:{environment.port}: {problem.strerror}.", 1)
    with _sentences():
        web.run(listener)
    return 0


def _worker(_options: argparse.Namespace, environment: env.Environment) -> int:
    _require_database(environment)
    with _sentences():
        _set_up_django()
        from gesso.config import worker

        worker.run()
    return 0


# What ends


def _migrate(options: argparse.Namespace, environment: env.Environment) -> int:
    with _database(environment):
        from gesso.config import checks

        checks.advise()  # here, since every start passes here once
        if options.owner_link:
            from gesso.accounts import sign_in_links

            if link := sign_in_links.owner_link():
                print(link)
    return 0


def _user_add(options: argparse.Namespace, environment: env.Environment) -> int:
    with _database(environment):
        from gesso.config import people

        print(people.add(options.email, staff=options.staff, owner=options.owner))
    return 0


def _grant(options: argparse.Namespace, environment: env.Environment) -> int:
    with _database(environment):
        from gesso.config import people

        print(people.grant(options.email, options.credits, options.reason))
    return 0


def _key_create(options: argparse.Namespace, environment: env.Environment) -> int:
    with _database(environment):
        from gesso.config import people

        print(people.create_key(options.email, options.name))
    return 0


def _doctor(options: argparse.Namespace, environment: env.Environment) -> int:
    with _database(environment):
        from gesso.config import doctor

        return doctor.run(json=options.json)


# The database under them


@contextlib.contextmanager
def _database(environment: env.Environment) -> Iterator[None]:
    """Have Django and an up-to-date database for as long as the block lasts, whoever runs it."""
    with contextlib.ExitStack() as ours, _sentences():
        if environment.embedded:
            _join_or_start(embedded.location(environment.data_dir), ours)
        _set_up_django()
        from django.db import connections

        from gesso.config import migrating

        ours.callback(connections.close_all)
        migrating.migrate()
        yield


def _join_or_start(place: embedded.Location, ours: contextlib.ExitStack) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while not embedded.answers(place):
        try:
            ours.enter_context(embedded.running(place))
        except embedded.AlreadyRunning:  # it is starting or stopping
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _require_database(environment: env.Environment) -> None:
    if environment.embedded and not embedded.answers(embedded.location(environment.data_dir)):
        _fail("No database answers: `gesso run` starts it together with web and worker; or set DATABASE_URL.", 1)


def _set_up_django() -> None:
    import django

    from gesso.config import checks

    django.setup()
    checks.require()


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Turn the mistakes that an operator can mend into one sentence."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError

    try:
        yield
    except ImproperlyConfigured as problem:
        _fail(problem, 2)
    except OperationalError as problem:
        first = str(problem).strip().partition("\n")[0]
        _fail(f"The database can't be reached: {first}.", 1)
