"""What a page may be made of: small modules, nothing inline, nothing from other people's hosts."""

import pathlib
import re
from html.parser import HTMLParser

import pytest

GESSO = pathlib.Path(__file__).parents[2] / "gesso"
TEMPLATES = sorted(GESSO.rglob("templates/**/*.html"))
SCRIPTS = sorted(GESSO.rglob("static/**/*.js"))
STYLES = sorted(GESSO.rglob("static/**/*.css"))
LARGEST_SCRIPT = 5 * 1024  # bytes
LOADS = {"src", "srcset", "href", "action", "poster", "data", "formaction"}


class Reader(HTMLParser):
    """Gathers what a template's markup has inline, and the hosts it loads from."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self._script = False

    def handle_starttag(self, tag, attrs):
        names = {name for name, _ in attrs}
        self._script = tag == "script" and "src" not in names
        if tag == "style":
            self.inline.append("<style>")
        self.inline += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        self.inline += [f"{tag} {name}" for name, value in attrs if (value or "").strip().startswith("javascript:")]
        # A link that a person follows may lead elsewhere; what the browser fetches by itself may not.
        self.loaded += [
            value
            for name, value in attrs
            if name in LOADS and value and not (tag == "a" and name == "href") and re.match(r"(https?:)?//", value)
        ]

    def handle_data(self, data):
        if self._script and data.strip():
            self.inline.append(f"script {data.strip()[:40]}")

    def handle_endtag(self, tag):
        self._script = False


def read(path: pathlib.Path) -> Reader:
    # Tags of the template language go: their quotes and signs are not markup.
    text = re.sub(r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}", "", path.read_text(), flags=re.DOTALL)
    reader = Reader()
    text = re.sub(r"\{%.*?%\}", " ", text, flags=re.DOTALL)
    reader.feed(re.sub(r"\{\{.*?\}\}", "_", text, flags=re.DOTALL))
    reader.close()
    return reader


def ids(path: pathlib.Path) -> str:
    return str(path.relative_to(GESSO))


def test_there_is_something_to_look_at():
    assert TEMPLATES
    assert SCRIPTS
    assert STYLES


@pytest.mark.parametrize("path", TEMPLATES, ids=ids)
def test_templates_have_nothing_inline_and_load_from_us_alone(path):
    reader = read(path)
    assert reader.inline == []
    assert reader.loaded == []


@pytest.mark.parametrize("path", TEMPLATES, ids=ids)
def test_templates_escape_what_they_show(path):
    text = path.read_text().replace(
        "{{ totp_svg|safe }}", ""
    )  # drawn by the second factor's library from our own secret
    assert re.findall(r"\|\s*safe(?:seq)?\b|autoescape\s+off", text) == []


@pytest.mark.parametrize("path", [*TEMPLATES, *STYLES], ids=ids)
def test_nothing_names_a_plain_http_host(path):
    # A vocabulary's name is never fetched, and a fresh install answers on this machine.
    ours = r"(?!www\.w3\.org/|127\.0\.0\.1[:/]|localhost[:/])"
    assert re.findall(rf"http://{ours}[^\s\"')<]*", path.read_text()) == []


@pytest.mark.parametrize("path", STYLES, ids=ids)
def test_styles_load_from_us_alone(path):
    assert re.findall(r"@import|url\(\s*[\"']?(?:https?:)?//[^)]*\)", path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=ids)
def test_modules_are_small_and_build_no_code(path):
    assert path.stat().st_size < LARGEST_SCRIPT
    assert re.findall(r"\beval\(|new Function\(|\.innerHTML\s*=|document\.write\(", path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=ids)
def test_modules_ask_us_alone(path):
    assert re.findall(r"[\"'`](?:https?:|wss?:)?//[a-z0-9.-]+\.[a-z]{2,}", path.read_text()) == []


@pytest.mark.parametrize(
    "markup",
    [
        "<style>a {}</style>",
        '<p style="color: red">',
        '<img src="/a" onerror="x()">',
        "<script>x()</script>",
        '<a href="javascript:x()">',
        '<p {% if a %}style="b"{% endif %}>',
    ],
)
def test_what_is_inline_is_seen(tmp_path, markup):
    page = tmp_path / "page.html"
    page.write_text(markup)
    assert len(read(page).inline) == 1


@pytest.mark.parametrize("markup", ['<script src="https://cdn.example/a.js"></script>', '<img src="//cdn.example/a">'])
def test_what_is_foreign_is_seen(tmp_path, markup):
    page = tmp_path / "page.html"
    page.write_text(markup)
    assert len(read(page).loaded) == 1
