"""The catalogue: the shipped one is right, an operator's is laid over it, and every mistake is one sentence."""

import pytest

from gesso.core import catalog

MODEL = """
[[models]]
id = "own"
name = "Our own"
provider = "openai"
qualities = ["low"]
backgrounds = ["opaque"]
formats = ["png"]
references = 0
[models.sizes]
"1:1" = "512x512"
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "catalog.toml"
        path.write_text(text)
        return catalog.load(path)

    return load


def test_the_shipped_one_keeps_what_contracts_promise():
    shipped = catalog.load(None)
    limits = shipped.limits
    assert (limits.references, limits.reference_bytes, limits.request_bytes) == (5, 20_000_000, 60_000_000)
    assert (limits.image_side_min, limits.image_side_max, limits.image_pixels) == (16, 8192, 25_000_000)
    assert (limits.prompt_characters, limits.attempt_seconds, limits.generation_seconds) == (32_000, 600, 900)
    assert (limits.concurrent_free, limits.concurrent_paid, limits.queued_hours) == (4, 20, 24)
    for model in shipped.models:
        for width, height in model.sizes.values():
            assert limits.image_side_min <= min(width, height)
            assert width * height <= limits.image_pixels


def test_the_sandbox_is_usable_while_nothing_else_is():
    shipped = catalog.load(None)
    assert [model.provider for model in shipped.usable(openai=False)] == ["sandbox"]
    assert "sandbox" not in {model.provider for model in shipped.usable(openai=True)}


def test_the_sandbox_can_be_kept_or_forbidden(load):
    assert "sandbox" in {model.provider for model in load('[sandbox]\nuse = "on"').usable(openai=True)}
    assert load('[sandbox]\nuse = "off"').usable(openai=False) == ()


def test_an_overlay_changes_what_it_names_and_nothing_else(load):
    shipped, changed = catalog.load(None), load("[prices]\nhigh = 20\n")
    assert changed.prices.high == 20
    assert changed.prices.low == shipped.prices.low
    assert changed.models == shipped.models


def test_a_model_with_a_new_id_is_added_and_one_with_a_known_id_replaced(load):
    shipped = catalog.load(None)
    assert [model.id for model in load(MODEL).models] == [*(model.id for model in shipped.models), "own"]
    known = shipped.models[0].id
    replaced = load(MODEL.replace('"own"', f'"{known}"'))
    assert len(replaced.models) == len(shipped.models)
    assert next(model for model in replaced.models if model.id == known).name == "Our own"


def test_a_price_is_multiplied_for_a_dear_model(load):
    made = load(MODEL.replace("references = 0", "references = 0\nprice_multiplier = 3"))
    own = next(model for model in made.models if model.id == "own")
    assert own.price("medium", made.prices) == 3 * made.prices.medium


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[prices]\nlow = 0\n", "prices.low: should be greater than or equal to 1."),
        ("[prices]\nlow = 1.5\n", "prices.low: should be a valid integer."),
        ("[prices]\nultra = 5\n", "prices.ultra is not a setting of the catalogue."),
        ("[credit]\ndaily = 5\n", "credit is not a setting of the catalogue."),
        ("prices = 5\n", "prices: "),
        ('[[models]]\nid = "own"\n', "model own.name is missing."),
        (
            MODEL.replace("512x512", "512*512"),
            "model own.sizes: the size of 1:1 must look like 1024x1024, not '512*512'.",
        ),
        (
            MODEL.replace('"1:1"', '"4:1"').replace("512x512", "2048x512"),
            "model own.sizes: the size 2048x512 of 4:1 is outside",
        ),
        (MODEL.replace("512x512", "512x600"), "model own.sizes: the size 512x600 has not the shape 1:1."),
        ("[prices\n", "catalog.toml is not TOML: "),
        ('currency = "euro"\n', "currency: "),
    ],
)
def test_a_mistake_is_one_sentence_that_names_its_place(load, text, sentence):
    with pytest.raises(catalog.BadCatalog) as mistake:
        load(text)
    assert any(said.startswith(sentence) for said in mistake.value.mistakes), mistake.value.mistakes
    assert all(said.endswith(".") and "\n" not in said for said in mistake.value.mistakes)


def test_an_operator_says_what_providers_charge(load):
    said = load('[costs."gpt-image-2"]\ntokens = { text_in = "4", image_in = "7", image_out = "20.5" }\n')
    shipped = catalog.load(None)
    assert said.costs["gpt-image-2"].tokens.image_out == 20_500_000
    assert said.costs["gpt-image-2"].images == shipped.costs["gpt-image-2"].images
    own = load('[costs.own.images.any]\nlow = "0.001"\n' + MODEL)
    assert own.costs["own"].of_image("low", 512, 512) == 1_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[costs.own.images."1:1"]\nlow = "1"', "costs.own.images: '1:1' is not a size such as 1024x1024"),
        ("[costs.own.images.any]\nlow = 0.04", 'costs.own.images.any.low: must be a string such as "5" or "0.04"'),
        ('[costs.own.images.any]\nbest = "1"', "costs.own.images.any.best is not a setting of the catalogue."),
        ('[costs.own]\ntokens = { text_in = "5" }', "costs.own.tokens.image_in is missing."),
        ('[billing]\nusd_rate = "dear"', 'billing.usd_rate: must be a string such as "5" or "0.04"'),
    ],
)
def test_a_mistaken_cost_is_one_sentence(load, text, sentence):
    with pytest.raises(catalog.BadCatalog) as caught:
        load(text)
    assert sentence in str(caught.value)


def test_a_dollar_is_worth_what_the_operator_says(load):
    assert catalog.load(None).usd_rate == 1_000_000
    assert load('currency = "eur"').usd_rate is None
    assert load('currency = "eur"\n[billing]\nusd_rate = "0.86"').usd_rate == 860_000
    assert load('[billing]\nusd_rate = "2"').usd_rate == 1_000_000  # of dollars in dollars
