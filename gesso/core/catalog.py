"""The catalogue: which models there are, what they can do, what an image costs and where the limits are.

`load` reads the shipped `catalog.toml`, lays the operator's file over it and checks the whole; every mistake becomes
one sentence that names its place. The result is frozen data. What a provider does with a model is in `providers`.
"""

import functools
import pathlib
import re
import tomllib
from typing import Annotated, Any, Literal

import pydantic

from gesso.core import costs as provider_costs

SHIPPED = pathlib.Path(__file__).with_name("catalog.toml")
ROWS = ("models", "packs", "plans")  # lists whose rows have an id; a row of the operator's replaces the one with its id
COUNTS = (1, 2, 4)  # outputs of one generation that the studio offers

Quality = Literal["low", "medium", "high"]
Background = Literal["auto", "opaque", "transparent"]
Format = Literal["png", "webp", "jpeg"]
Role = Literal["subject", "style", "layout", "product"]


class BadCatalog(Exception):
    """The catalogue can't be used; `mistakes` holds a sentence for each thing that is wrong."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = mistakes


class _Table(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


Credits = Annotated[int, pydantic.Field(ge=1, le=100_000)]
Positive = Annotated[int, pydantic.Field(ge=1)]


class CreditRules(_Table):
    """Free credits: `daily` for each personal workspace and day (0 for none), `owner_grant` for the first owner."""

    daily: Annotated[int, pydantic.Field(ge=0, le=100_000)]
    owner_grant: Annotated[int, pydantic.Field(ge=0, le=1_000_000)]


Domain = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]


class FreeUse(_Table):
    """Limits on daily credits: workspaces of one network and day (0: no limit); mail domains that nobody joins with."""

    per_network: Annotated[int, pydantic.Field(ge=0, le=10_000)]
    blocked_domains: Annotated[tuple[Domain, ...], pydantic.Field(strict=False)]


class Prices(_Table):
    """Credits for one delivered image, by quality."""

    low: Credits
    medium: Credits
    high: Credits


class Limits(_Table):
    """Bounds of `contracts.md`; bytes, pixels, seconds and counts as their names say."""

    prompt_characters: Positive
    references: Annotated[int, pydantic.Field(ge=0, le=16)]
    reference_bytes: Positive
    request_bytes: Positive
    image_side_min: Positive
    image_side_max: Positive
    image_pixels: Positive
    uploads_per_hour: Positive
    concurrent_free: Positive
    concurrent_paid: Positive
    attempt_seconds: Positive
    generation_seconds: Positive
    queued_hours: Positive
    submits_per_minute: Annotated[int, pydantic.Field(ge=0)]


class Previews(_Table):
    """Partial pictures: whether, how many for each output (0 to 3), and their longest side in pixels."""

    enabled: bool
    count: Annotated[int, pydantic.Field(ge=0, le=3)]
    side: Annotated[int, pydantic.Field(ge=64, le=512)]


class Moderation(_Table):
    """Remote moderation: `auto`, `required` or `off`, and the model that judges."""

    remote: Literal["auto", "required", "off"]
    model: str


class Sandbox(_Table):
    """When the built-in sandbox provider may be used."""

    use: Literal["auto", "on", "off"]


Money = Annotated[int, pydantic.Field(ge=50, le=10_000_000)]  # smallest units of the currency (cents)
Id = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Billing(_Table):
    """How credits are sold: what is said about tax, how long plan credits outlive their month, the test checkout.

    `usd_rate` is what a dollar is worth in the catalogue's currency, in millionths; needed for margins in another one.
    """

    tax_note: Annotated[str, pydantic.Field(max_length=300)]
    grace_hours: Annotated[int, pydantic.Field(ge=0, le=24 * 14)]
    test_checkout: Literal["auto", "on", "off"]
    usd_rate: provider_costs.Millionths | None = None


class Pack(_Table):
    """Credits that are bought once. `creem_product` is its id at Creem, which keeps the list of products itself."""

    id: Id
    credits: Credits
    price: Money
    creem_product: str = ""

    @property
    def name(self) -> str:
        """What the pack is called on pages and receipts."""
        return f"{self.credits:,} credits"


class Plan(_Table):
    """Credits each month by subscription, with the limits of a workspace that has it (`members` 0: no limit)."""

    id: Id
    name: Annotated[str, pydantic.Field(min_length=1, max_length=40)]
    credits: Credits
    price: Money
    concurrent: Positive
    members: Annotated[int, pydantic.Field(ge=0, le=10_000)]
    creem_product: str = ""


class Model(_Table):
    """One image model: the provider that serves it and everything the composer may offer for it.

    `sizes` maps an aspect ratio such as `4:5` to (width, height) in pixels; its first row is the default.
    """

    id: Id
    name: Annotated[str, pydantic.Field(min_length=1, max_length=60)]
    provider: Literal["openai", "sandbox"]
    qualities: Annotated[tuple[Quality, ...], pydantic.Field(min_length=1, strict=False)]
    backgrounds: Annotated[tuple[Background, ...], pydantic.Field(min_length=1, strict=False)]
    formats: Annotated[tuple[Format, ...], pydantic.Field(min_length=1, strict=False)]
    references: Annotated[int, pydantic.Field(ge=0, le=16)]
    streams: bool = False
    price_multiplier: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    sizes: dict[str, tuple[int, int]]

    @pydantic.field_validator("sizes", mode="before")
    @classmethod
    def _pixels(cls, rows: object) -> dict[str, tuple[int, int]]:
        if not isinstance(rows, dict) or not rows:
            raise ValueError('must map at least one ratio to a size, such as "1:1" = "1024x1024"')
        return {str(ratio): _size(str(ratio), text) for ratio, text in rows.items()}

    def price(self, quality: Quality, prices: Prices) -> int:
        """Return the credits that one delivered image of `quality` costs with this model."""
        return int(getattr(prices, quality)) * self.price_multiplier


def _size(ratio: str, text: object) -> tuple[int, int]:
    shape = re.fullmatch(r"([1-9][0-9]?):([1-9][0-9]?)", ratio)
    if not shape:
        raise ValueError(f"{ratio!r} is not a ratio such as 4:5")
    found = re.fullmatch(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})", text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"the size of {ratio} must look like 1024x1024, not {text!r}")
    width, height = int(found[1]), int(found[2])
    if not 1 / 3 <= width / height <= 3:
        raise ValueError(f"the size {text} of {ratio} is outside 1:3 to 3:1")
    if abs(width / height / (int(shape[1]) / int(shape[2])) - 1) > 0.02:
        raise ValueError(f"the size {text} has not the shape {ratio}")
    return width, height


class Catalog(_Table):
    """The whole catalogue, checked."""

    currency: Annotated[str, pydantic.Field(pattern=r"^[a-z]{3}$")]
    credits: CreditRules
    free: FreeUse
    prices: Prices
    limits: Limits
    previews: Previews
    moderation: Moderation
    sandbox: Sandbox
    billing: Billing
    packs: Annotated[tuple[Pack, ...], pydantic.Field(strict=False)]
    plans: Annotated[tuple[Plan, ...], pydantic.Field(strict=False)]
    models: Annotated[tuple[Model, ...], pydantic.Field(min_length=1, strict=False)]
    costs: dict[Id, provider_costs.Costs] = {}

    @pydantic.field_validator("packs", "plans", "models")
    @classmethod
    def _once(cls, rows: tuple[Pack | Plan | Model, ...]) -> tuple[Pack | Plan | Model, ...]:
        ids = [row.id for row in rows]
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise ValueError(f"{min(twice)} stands there twice")
        return rows

    @property
    def offers(self) -> "tuple[Pack | Plan, ...]":
        """Everything that credits are sold in."""
        return (*self.packs, *self.plans)

    def pack(self, pack_id: str) -> Pack | None:
        """Return the pack of this id, or None."""
        return next((pack for pack in self.packs if pack.id == pack_id), None)

    @property
    def usd_rate(self) -> int | None:
        """What a dollar is worth in the catalogue's currency, in millionths; None when nobody has said."""
        return provider_costs.MILLION if self.currency == "usd" else self.billing.usd_rate

    def plan(self, plan_id: str) -> Plan | None:
        """Return the plan of this id, or None."""
        return next((plan for plan in self.plans if plan.id == plan_id), None)

    def usable(self, *, openai: bool) -> tuple[Model, ...]:
        """Return the models that can be asked now, the default first, given whether the openai provider has a key.

        The sandbox is usable only while no other provider is, unless `[sandbox] use` says otherwise.
        """
        real = tuple(model for model in self.models if model.provider == "openai" and openai)
        sandbox = tuple(model for model in self.models if model.provider == "sandbox")
        shown = self.sandbox.use == "on" or (self.sandbox.use == "auto" and not real)
        return real + (sandbox if shown else ())


def load(overlay: pathlib.Path | None) -> Catalog:
    """Return the shipped catalogue with the operator's file at `overlay` laid over it.

    Raises BadCatalog with a sentence for each mistake.
    """
    tables = tomllib.loads(SHIPPED.read_text())
    if overlay:
        try:
            tables = _merged(tables, tomllib.loads(overlay.read_text()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadCatalog([f"{overlay.name} is not TOML: {error}."]) from error
    try:
        return Catalog.model_validate(tables)
    except pydantic.ValidationError as error:
        raise BadCatalog([_sentence(mistake, tables) for mistake in error.errors()]) from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = below.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _merged(old, value)
        elif name in ROWS and isinstance(old, list) and isinstance(value, list):
            rows = {row.get("id"): row for row in old}
            rows.update({row.get("id"): row for row in value if isinstance(row, dict)})
            merged[name] = list(rows.values())
        else:
            merged[name] = value
    return merged


def _sentence(mistake: Any, tables: dict[str, Any]) -> str:
    place = list(mistake["loc"])
    if len(place) > 1 and place[0] in ROWS and isinstance(place[1], int):
        row, word = tables[place[0]][place[1]], str(place[0]).removesuffix("s")
        place[:2] = [f"{word} {row.get('id', place[1] + 1)}" if isinstance(row, dict) else f"{word} {place[1] + 1}"]
    where = ".".join(str(part) for part in place)
    if mistake["type"] == "extra_forbidden":
        return f"{where} is not a setting of the catalogue."
    if mistake["type"] == "missing":
        return f"{where} is missing."
    said = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {said}."


@functools.cache
def current() -> Catalog:
    """Return this process's catalogue (GESSO_CATALOG over the shipped one), read once."""
    from django.conf import settings  # read lazily: `load` itself needs no Django

    return load(settings.GESSO.catalog)


def usable_models() -> tuple[Model, ...]:
    """Return the models that this instance can ask now, the default first."""
    from django.conf import settings

    return current().usable(openai=bool(settings.GESSO.openai_api_key))
