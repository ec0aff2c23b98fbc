"""The rules of the house that a reader can check in the text of a file: size, names, docstrings, what nobody writes."""

import ast
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parents[2]
GESSO = ROOT / "gesso"
OURS = ("gesso", "tests", "benchmarks")
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 70
NAMED_BY_DJANGO = "gesso/core/postgres/base.py"  # where it looks for a database backend
VAGUE = {"utils", "helpers", "common", "base", "manager", "services", "misc", "types", "constants"}
PRINT = {"cli.py", "doctor.py", "supervisor.py"}
MARKERS = {"__init__.py", "apps.py"}  # a package's mark and Django's: nothing to explain


def sources(*places: str) -> list[pathlib.Path]:
    """Return the Python files of these places, without migrations, which Django writes."""
    found = [path for place in places for path in (ROOT / place).rglob("*.py") if "migrations" not in path.parts]
    assert found
    return sorted(found)


def name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(), path)


def functions(path: pathlib.Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def lines(path: pathlib.Path) -> int:
    return len(path.read_text().splitlines())


def test_files_are_short():
    assert {name(path): lines(path) for path in sources(*OURS) if lines(path) > LONGEST_FILE} == {}


def test_functions_are_short():
    long = {
        f"{name(path)}: {found.name}": length
        for path in sources(*OURS)
        for found in functions(path)
        if (length := (found.end_lineno or 0) - found.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_files_are_named_for_what_happens_in_them():
    ours = [path for path in sources(*OURS) if name(path) != NAMED_BY_DJANGO]
    words = {name(path): set(path.stem.split("_")) | {path.parent.name} for path in ours}
    assert {path: vague for path, found in words.items() if (vague := found & VAGUE)} == {}


def test_modules_say_what_they_are_for():
    missing = [
        name(path)
        for path in sources("gesso")
        if not ast.get_docstring(tree(path)) and not (path.name in MARKERS and lines(path) <= 8)
    ]
    assert missing == []


def test_public_functions_say_what_they_do():
    missing = []
    for path in sources("gesso"):
        for node in tree(path).body:
            inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
            missing += [
                f"{name(path)}: {found.name}"
                for found in inside
                if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef))
                and not found.name.startswith("_")
                and not ast.get_docstring(found)
                and not decorated_as_overload(found)
            ]
    assert missing == []


def decorated_as_overload(found: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("overload" in ast.unparse(mark) for mark in found.decorator_list)


def test_nobody_listens_to_signals():
    """Sending them is fine: the server tells Django where a request begins and ends."""
    listening = re.compile(r"(signals?\.\w+|(pre|post|request|user|m2m|got|email|social)_\w+)\.connect$")
    found = [
        f"{name(path)}:{node.lineno}"
        for path in sources("gesso")
        for node in ast.walk(tree(path))
        if (isinstance(node, (ast.Import, ast.ImportFrom)) and "django.dispatch" in ast.unparse(node))
        or (isinstance(node, ast.Call) and listening.search(ast.unparse(node.func)))
    ]
    assert found == []


def test_saving_a_row_does_what_django_says():
    found = [
        f"{name(path)}: {kind.name}.{found.name}"
        for path in sources("gesso")
        for kind in ast.walk(tree(path))
        if isinstance(kind, ast.ClassDef)
        for found in kind.body
        if isinstance(found, ast.FunctionDef) and found.name in {"save", "delete", "asave", "adelete"}
        if "models.py" in path.name or any("Model" in ast.unparse(parent) for parent in kind.bases)
    ]
    assert found == []


def test_only_commands_print():
    found = [
        f"{name(path)}:{node.lineno}"
        for path in sources("gesso")
        if path.name not in PRINT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_nothing_is_left_for_later():
    found = []
    for path in sources(*OURS):
        with path.open("rb") as file:
            found += [
                f"{name(path)}:{token.start[0]}"
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string)
            ]
    texts = [path for kind in ("js", "css", "html", "toml") for path in GESSO.rglob(f"*.{kind}")]
    found += [name(path) for path in texts if re.search(r"\b(TODO|FIXME)\b", path.read_text())]
    assert found == []


def test_no_test_is_skipped():
    pattern = re.compile(r"mark\.(skip|xfail)|pytest\.(skip|xfail|importorskip)\(")
    here = pathlib.Path(__file__)
    assert [name(path) for path in sources("tests") if path != here and pattern.search(path.read_text())] == []


def test_a_silenced_rule_says_why():
    bare = re.compile(r"#\s*noqa(?!: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* \()")
    found = []
    for path in sources("gesso"):
        with path.open("rb") as file:
            found += [
                f"{name(path)}:{token.start[0]}"
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.COMMENT and bare.search(token.string)
            ]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_requirements_name_no_place_to_fetch_from(path):
    found = [
        line
        for line in path.read_text().splitlines()
        if re.search(r"--(extra-)?index-url|--find-links|--trusted-host|://|^-i\s|^-f\s", line)
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed(path):
    wanted = re.findall(r"^([A-Za-z0-9._-]+)(\[[a-z,]+\])?(\S*)", path.read_text(), re.MULTILINE)
    assert wanted
    assert [package for package, _, version in wanted if not version.startswith("==")] == []
    packages = re.split(r"^(?=[A-Za-z0-9])", path.read_text(), flags=re.MULTILINE)[1:]
    assert [text.split("==")[0] for text in packages if "--hash=sha256:" not in text] == []
