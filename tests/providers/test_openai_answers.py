"""OpenAI's adapter over real HTTP: what it sends, what it hands over, what it reads."""

import pytest

from gesso.providers import openai, protocol
from tests import world
from tests.fakes import provider_requests
from tests.providers import asking


@pytest.fixture
def adapter(fake):
    return openai.OpenAI("sk-test", fake.url)


def reference(colour, family="PNG", role=""):
    media_type = f"image/{family.lower()}"
    return protocol.Reference(data=world.picture(40, 30, colour, family), media_type=media_type, role=role)


def middle(data):
    image = asking.opened(data).convert("RGB")
    return "#{:02x}{:02x}{:02x}".format(*image.getpixel((image.width // 2, image.height // 2)))


def test_a_picture_is_asked_for_once_in_every_particular(fake, adapter):
    asked = asking.request(
        "A poster, 60 by 90 cm 🖼", width=1024, height=1536, quality="high", background="opaque", format="webp"
    )
    raw, partials = asking.answered(adapter, asked)
    (call,) = fake.images()
    assert call["path"] == "/v1/images/generations"
    assert call["answered"] is True
    told = ("prompt", "model", "size", "quality", "background", "format", "n", "stream", "partials", "end_user")
    assert [call[name] for name in told] == [
        "A poster, 60 by 90 cm 🖼", "gpt-image-2", "1024x1536", "high", "opaque", "webp", 1, False, 0, "somebody",
    ]  # fmt: skip
    assert "idempotency-key" not in call["headers"]
    assert "cookie" not in call["headers"]
    picture = adapter.read(raw)
    assert provider_requests.digest(picture.data) == call["made"][0]
    image = asking.opened(picture.data)
    assert (image.size, image.format or "WEBP") == ((1024, 1536), "WEBP")
    assert raw.kind == openai.JSON_ANSWER
    assert raw.request_id.startswith("req_")
    assert partials == []


def test_what_was_used_is_told(fake, adapter):
    raw, _ = asking.answered(adapter, asking.request(quality="high"))
    usage = adapter.read(raw).usage
    assert usage["output_tokens"] == 7024
    assert usage["total_tokens"] == usage["input_tokens"] + 7024


def test_each_picture_is_another_one(fake):
    seen = {
        middle(adapter.read(asking.answered(adapter, asking.request())[0]).data)
        for adapter in (openai.OpenAI("sk-test", fake.url) for _ in range(3))
    }
    assert seen == {call["colours"][0] for call in fake.images()}
    assert len(seen) == 3


def test_references_are_sent_once_each_and_in_order(fake, adapter):
    references = (reference("red"), reference("lime", "JPEG"), reference("blue", "WEBP"))
    raw, _ = asking.answered(adapter, asking.request(references=references))
    (call,) = fake.images()
    assert call["path"] == "/v1/images/edits"
    assert [one["sha256"] for one in call["references"]] == [provider_requests.digest(one.data) for one in references]
    assert [one["media_type"] for one in call["references"]] == ["image/png", "image/jpeg", "image/webp"]
    assert [one["name"] for one in call["references"]] == ["reference-1.png", "reference-2.jpg", "reference-3.webp"]
    assert (call["prompt"], call["end_user"], call["n"]) == ("Three pears in a bowl", "somebody", 1)
    assert adapter.read(raw).usage["input_tokens_details"]["image_tokens"] == 3000


def test_roles_are_said_in_a_line_before_the_prompt(fake, adapter):
    references = (reference("#aa0000", role="style"), reference("#00aa00"), reference("#0000aa", role="product"))
    asking.answered(adapter, asking.request("A vase", references=references))
    [call] = fake.images()
    first, _, prompt = call["prompt"].partition("\n\n")
    assert prompt == "A vase"
    assert first == "Of the images given, image 1 gives the style, image 3 shows the product, which must stay as it is."


def test_the_prompt_goes_beside_references_unharmed(fake, adapter):
    prompt = 'A "quoted" prompt;\r\n--boundary\r\nname="model"\n  with spaces at its end  '
    asking.answered(adapter, asking.request(prompt, references=(reference("red"),)))
    (call,) = fake.images()
    assert call["prompt"] == prompt
    assert call["model"] == "gpt-image-2"


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("references", [(), (reference("red"),)], ids=["generation", "edit"])
def test_partial_pictures_come_before_the_whole_one(fake, adapter, count, references):
    raw, partials = asking.answered(adapter, asking.request(previews=count, references=references))
    (call,) = fake.images()
    assert (call["stream"], call["partials"], call["answered"]) == (True, count, True)
    assert [asking.opened(partial).size for partial in partials] == [(1024, 1024)] * count
    assert raw.kind == openai.EVENT_ANSWER
    assert raw.request_id.startswith("req_")
    picture = adapter.read(raw)
    assert middle(picture.data) == call["colours"][0]
    assert picture.usage["output_tokens"] == 196 + 100 * count


@pytest.mark.parametrize("habit", ["crlf", "type-last"])
def test_streams_in_other_hands_are_read_as_well(fake, adapter, habit):
    raw, partials = asking.answered(adapter, asking.request(f"[fake: {habit}]", previews=2))
    assert len(partials) == 2
    assert middle(adapter.read(raw).data) == fake.images()[0]["colours"][0]


def test_a_server_that_does_not_stream_is_read_as_well(fake, adapter):
    raw, partials = asking.answered(adapter, asking.request("[fake: no-stream]", previews=2))
    assert (raw.kind, partials) == (openai.JSON_ANSWER, [])
    assert middle(adapter.read(raw).data) == fake.images()[0]["colours"][0]


def test_a_broken_partial_does_not_lose_the_picture(fake, adapter):
    raw, partials = asking.answered(adapter, asking.request("[fake: bad-partial]", previews=2))
    assert partials == []
    assert middle(adapter.read(raw).data) == fake.images()[0]["colours"][0]


def test_a_picture_in_a_data_address_is_read(fake, adapter):
    raw, _ = asking.answered(adapter, asking.request("[fake: data-url]"))
    assert middle(adapter.read(raw).data) == fake.images()[0]["colours"][0]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("html", "not_json"), ("not-json", "not_json"), ("empty", "no_picture"), ("url", "no_picture"),
        ("not-base64", "not_base64"), ("wrapped", "not_base64"),
    ],
)  # fmt: skip
def test_an_answer_without_a_picture_is_handed_over_and_found_out_by_reading(fake, adapter, fault, code):
    raw, _ = asking.answered(adapter, asking.request(f"[fake: {fault}]"))
    assert raw.body
    for _ in range(2):  # reading is repeatable
        with pytest.raises(protocol.ProviderFailure) as failed:
            adapter.read(raw)
        assert (failed.value.kind, failed.value.code) == ("malformed", code)
    assert len(fake.images()) == 1


def test_a_picture_that_is_broken_is_none_of_the_adapters_business(fake, adapter):
    raw, _ = asking.answered(adapter, asking.request("[fake: half-picture]"))
    assert provider_requests.digest(adapter.read(raw).data) == fake.images()[0]["made"][0]


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'"x"', b'{"data": {"b64_json": "eA=="}}', b'{"data": [7]}', b"[" * 9999]
)
def test_strange_json_is_malformed_and_nothing_worse(adapter, body):
    with pytest.raises(protocol.ProviderFailure) as failed:
        adapter.read(protocol.Raw(kind=openai.JSON_ANSWER, body=body))
    assert failed.value.kind == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [{"b64_json": "+/+/"}]}',
        b'{"data":[{"b64_json"\n:\t"+/+/"}]}',
        b'{"data": [{"b64_json": "+\\/+\\/"}]}',  # some servers escape the slash
        b'{"data": [{"revised_prompt": "a \\"b64_json\\": \\"AAAA\\" on a wall", "b64_json": "+/+/"}]}',
        b'{"data": [{"b64_json": "+/+/"}, {"b64_json": "AAAA"}]}',
        b'{"usage": {"b64_json": 7}, "data": [{"b64_json": "+/+/"}]}',
        b'{"data": [{"b64_json": "", "url": "data:image/png;base64,+/+/"}]}',
        b'{"preview": {"b64_json": "AAAA"}, "data": [{"b64_json": "", "url": "data:image/png;base64,+/+/"}]}',
    ],
)
def test_the_first_picture_is_found_however_it_is_written(adapter, body):
    assert adapter.read(protocol.Raw(kind=openai.JSON_ANSWER, body=body)).data == b"\xfb\xff\xbf"


@pytest.mark.parametrize(
    "body",
    [
        b'{"preview": {"b64_json": "+/+/"}, "data": [{"url": ""}]}',
        b'{"data": [{"partial": {"b64_json": "+/+/"}, "b64_json": ""}]}',
        b'{"data": [{"b64_json": "<apart>"}]}',
        b'{"data": [{"b64_json": null}, {"b64_json": "+/+/"}]}',
        b'{"data": [{"b64_json": "+/+/',
        b'{"data": [{"b64_json": "+/+/\xff"}]}',
        b'{"data": [{"b64_json": "+/ +/"}]}',
        b'{"b64_json": "+/+/"}',
    ],
)
def test_no_other_picture_is_taken_for_it_and_no_half_one(adapter, body):
    with pytest.raises(protocol.ProviderFailure) as failed:
        adapter.read(protocol.Raw(kind=openai.JSON_ANSWER, body=body))
    assert failed.value.kind == "malformed"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/openai/v1"])
def test_the_base_url_is_honoured(fake, path):
    adapter = openai.OpenAI("sk-test", fake.url.removesuffix("/v1") + path)
    asking.answered(adapter, asking.request())
    assert [call["path"] for call in fake.images()] == [path.rstrip("/") + "/images/generations"]
