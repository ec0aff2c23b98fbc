"""The bundles: every module is small, in one bundle at least, and served whole."""

import gzip

import pytest
from django.test import RequestFactory

from gesso.web import scripts

LARGEST = 5 * 1024


def test_every_module_is_small_and_used():
    files = {file.stem: file.stat().st_size for file in scripts.SOURCES.glob("*.js")}
    used = {module for modules in scripts.BUNDLES.values() for module in modules}
    assert used <= files.keys()
    assert {name: files[name] for name in used if files[name] >= LARGEST} == {}


def test_no_module_imports_or_exports():
    for module in {module for modules in scripts.BUNDLES.values() for module in modules}:
        lines = (scripts.SOURCES / f"{module}.js").read_text().splitlines()
        assert not [line for line in lines if line.startswith(("import ", "export "))]


@pytest.mark.parametrize("name", scripts.BUNDLES)
def test_a_bundle_is_kept_for_ever_under_its_digest(name):
    digest = scripts.address(name).removeprefix(f"/scripts/{name}-").removesuffix(".js")
    plain = scripts.serve(RequestFactory().get("/"), name, digest)
    packed = scripts.serve(RequestFactory().get("/", headers={"accept-encoding": "gzip"}), name, digest)
    assert plain.content == scripts.source(name) == gzip.decompress(packed.content)
    assert "immutable" in plain["Cache-Control"]
    assert "immutable" not in scripts.serve(RequestFactory().get("/"), name, "older")["Cache-Control"]
