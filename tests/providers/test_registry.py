"""Which providers a process has: by key and catalogue, one instance each."""

import dataclasses

import pytest

from gesso.core import catalog
from gesso.providers import openai, registry, sandbox


@pytest.fixture
def configured(settings, monkeypatch):
    """Return the providers with this key and this rule for the sandbox."""

    def configured(*, key, use="auto"):
        shipped = catalog.load(None)
        monkeypatch.setattr(
            catalog, "current", lambda: shipped.model_copy(update={"sandbox": catalog.Sandbox(use=use)})
        )
        settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key=key)
        registry.configured.cache_clear()
        return registry.configured()

    yield configured
    registry.configured.cache_clear()


def test_without_a_key_there_is_the_sandbox(configured):
    made = configured(key="")
    assert list(made) == ["sandbox"]
    assert isinstance(made["sandbox"], sandbox.Sandbox)


def test_with_a_key_there_is_openai_alone(configured):
    made = configured(key="sk-test")
    assert list(made) == ["openai"]
    assert isinstance(made["openai"], openai.OpenAI)


@pytest.mark.parametrize(
    ("key", "use", "names"),
    [("sk-test", "on", ["openai", "sandbox"]), ("", "off", []), ("sk-test", "off", ["openai"])],
)
def test_the_catalogue_keeps_or_forbids_the_sandbox(configured, key, use, names):
    made = configured(key=key, use=use)
    assert list(made) == names
    assert [provider.name for provider in made.values()] == names


def test_there_is_one_of_each_for_the_process(configured):
    first = configured(key="sk-test")
    assert registry.configured()["openai"] is first["openai"]
