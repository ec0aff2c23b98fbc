"""Which providers this process can ask, made once from the environment and the catalogue."""

import functools

from django.conf import settings

from gesso.core import catalog
from gesso.providers import protocol


@functools.cache
def configured() -> dict[str, protocol.Provider]:
    """Return the usable providers by name: those whose models the catalogue offers now."""
    wanted = {model.provider for model in catalog.usable_models()}
    return {name: _make(name) for name in sorted(wanted)}


def _make(name: str) -> protocol.Provider:
    if name == "openai":
        from gesso.providers import openai  # the SDK is large: loaded only where it is used

        return openai.OpenAI(settings.GESSO.openai_api_key, settings.GESSO.openai_base_url)
    from gesso.providers import sandbox

    return sandbox.Sandbox()
