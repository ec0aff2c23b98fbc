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
    """Return the price of `spec`."""
    rules = catalog.current()
    model = next(model for model in rules.models if model.id == spec.model)
    return Quote(each=model.price(spec.quality, rules.prices), count=spec.count)
