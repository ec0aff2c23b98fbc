"""Bad input of every field: a clear sentence, a stable code, all mistakes at once."""

import pytest

from gesso.generations import spec


def mistakes(**values: object) -> dict[str, str]:
    with pytest.raises(spec.BadSpec) as bad:
        spec.parse({"prompt": "A pear", **values})
    assert all(mistake.message.endswith((".", ")")) for mistake in bad.value.mistakes)
    return {mistake.field: mistake.code for mistake in bad.value.mistakes}


def test_what_is_missing_takes_the_default() -> None:
    made = spec.parse({"prompt": "  A pear\r\non a table "})
    assert made.prompt == "A pear\non a table"
    assert (made.aspect_ratio, made.quality, made.count, made.format) == ("1:1", "medium", 1, "png")
    assert (made.width, made.height) == (1024, 1024)


@pytest.mark.parametrize("prompt", ["", "   ", "\n", None])
def test_an_empty_prompt(prompt: object) -> None:
    assert mistakes(prompt=prompt) == {"prompt": "prompt_missing"}


@pytest.mark.parametrize("prompt", [5, True, [], {}, b"x"])
def test_a_prompt_of_another_type(prompt: object) -> None:
    assert mistakes(prompt=prompt)["prompt"] == "bad_prompt"


@pytest.mark.parametrize("prompt", ["a\x00b", "a\x1b[31m", "a\ud800b"])
def test_control_characters_and_lone_surrogates(prompt: str) -> None:
    assert mistakes(prompt=prompt) == {"prompt": "bad_prompt"}


def test_the_longest_prompt_and_one_more() -> None:
    assert len(spec.parse({"prompt": "x" * 32_000}).prompt) == 32_000
    assert mistakes(prompt="x" * 32_001) == {"prompt": "prompt_too_long"}


@pytest.mark.parametrize("count", [0, 3, 5, -1, 10**9, "2", 2.5, True, [1], float("nan"), {}])
def test_counts(count: object) -> None:
    assert mistakes(count=count) == {"count": "bad_count"}


def test_three_is_a_count_for_the_openai_api_only() -> None:
    assert spec.parse({"prompt": "x", "count": 3}, counts=(1, 2, 3, 4)).count == 3


@pytest.mark.parametrize("field", ["aspect_ratio", "quality", "background", "format", "model"])
@pytest.mark.parametrize("value", ["nonsense", "__proto__", "HIGH", 7, True, ["high"], {}])
def test_choices(field: str, value: object) -> None:
    code = "unknown_model" if field == "model" else f"bad_{field}"
    assert mistakes(**{field: value}) == {field: code}


@pytest.mark.parametrize("field", ["price", "credits", "state", "user_id", "workspace", "moderation", "api_base"])
def test_a_field_that_is_no_setting_is_refused(field: str) -> None:
    assert mistakes(**{field: 1}) == {field: "unknown_field"}


def test_references() -> None:
    one = {"image_id": "0192d7a0-0000-7000-8000-000000000001", "role": "style"}
    assert spec.parse({"prompt": "x", "references": [one]}).references[0].role == "style"
    assert mistakes(references=[one, one]) == {"references": "reference_twice"}
    assert mistakes(references=[one] * 6) == {"references": "too_many_references"}
    assert mistakes(references="x") == {"references": "bad_references"}
    assert mistakes(references=[{"image_id": "x"}]) == {"references": "bad_reference"}
    assert mistakes(references=[{**one, "role": "boss"}]) == {"references": "bad_reference"}
    assert mistakes(references=[{**one, "url": "http://169.254.169.254"}]) == {"references": "bad_reference"}


def test_transparent_jpeg() -> None:
    assert mistakes(background="transparent", format="jpeg") == {"format": "format_not_transparent"}


def test_every_mistake_at_once() -> None:
    assert set(mistakes(prompt="", quality="x", count=9)) == {"prompt", "quality", "count"}
