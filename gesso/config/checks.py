"""What must be so before Gesso starts, beyond the environment's own rules: each mistake is one sentence.

The environment is checked where it is read (`core.env`), the catalogue where it is loaded (`core.catalog`); here is
what needs both. What is only strange is said in the log, and nothing is refused for it.
"""

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gesso.core import catalog
from gesso.generations import underpriced


def require() -> None:
    """Return if this instance can start. Raises ImproperlyConfigured with a sentence for the first mistake."""
    try:
        chosen = catalog.current()
    except catalog.BadCatalog as problem:
        raise ImproperlyConfigured(problem.mistakes[0]) from None
    if chosen.moderation.remote == "required" and not settings.GESSO.openai_api_key:
        raise ImproperlyConfigured(
            "The catalogue requires moderation (moderation.remote), which needs OPENAI_API_KEY; set it or choose auto."
        )
    if not catalog.usable_models():
        raise ImproperlyConfigured(
            "No model of the catalogue can be used: set OPENAI_API_KEY or allow the sandbox (sandbox.use)."
        )


def advise() -> None:
    """Say in the log which prices are below cost by the catalogue, of what can be asked and charges us."""
    charged = [model for model in catalog.usable_models() if model.provider != "sandbox"]
    for sentence in underpriced.warnings(catalog.current(), charged) if charged else ():
        structlog.get_logger().warning("price_below_cost", sentence=sentence)
