"""What a request costs, in credits: quality and model from the catalogue, times the number of images.

The quote on the button, the hold, and the receipt are this figure. Provider cost in money is not known here.
"""

import dataclasses

from gesso.core import catalog
from gesso.generations.spec import GenerationSpec


@dataclasses.dataclass(frozen=True)
class Quote:
    """Credits for one delivered image, how many are asked for, and the whole."""

    each: int
    count: int

    @property
    def total(self) -> int:
        """The whole price, held at submit."""
        return self.each * self.count


def quote(spec: GenerationSpec) -> Quote:
    """Return the price of `spec`, whose model is in the catalogue."""
    each = today(spec.model, spec.quality)
    assert each is not None
    return Quote(each=each, count=spec.count)


def today(model_id: str, quality: catalog.Quality) -> int | None:
    """Return what one image costs by the catalogue as it is now, None when the model has left it."""
    rules = catalog.current()
    model = next((model for model in rules.models if model.id == model_id), None)
    return model.price(quality, rules.prices) if model else None
