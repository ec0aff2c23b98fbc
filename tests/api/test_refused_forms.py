"""Forms that the APIs refuse: edits and uploads, with which status and code, and that they leave nothing behind."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image as Pillow

from gesso.images import storage
from tests import world
from tests.api.callers import code, moved, named, pictures
from tests.api.refused import EDITS

pytestmark = pytest.mark.django_db


def animated():
    file = io.BytesIO()
    frames = [Pillow.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("fields", "wanted", "field"),
    [
        ({}, "image_missing", "image"),
        ({"image": "text"}, "bad_file", "image"),
        ({"image[]": pictures(*[(16, 16)] * 6)}, "too_many_references", "image"),
        ({"image": pictures((16, 16)), "mask": pictures((16, 16))}, "mask_unsupported", "mask"),
        ({"image": pictures((8, 8))}, "image_too_small", None),
        ({"image": SimpleUploadedFile("p.png", b"<svg/>", "image/png")}, "image_wrong_type", None),
        ({"image": SimpleUploadedFile("p.png", b"", "image/png")}, "image_empty", None),
        ({"image": SimpleUploadedFile("p.png", world.picture()[:-30], "image/png")}, "image_damaged", None),
        ({"image": [*pictures((64, 64)), SimpleUploadedFile("p.webp", animated(), "image/webp")]}, "image_animated", None),
        ({"image": pictures((64, 64)), "n": "five"}, "bad_n", "n"),
        ({"image": pictures((64, 64)), "n": "5"}, "bad_n", "n"),
        ({"image": pictures((64, 64)), "stream": "true"}, "stream_unsupported", "stream"),
        ({"image": pictures((64, 64)), "seed": "1"}, "unknown_field", "seed"),
        ({"image": pictures((64, 64)), "other": pictures((64, 64))}, "unknown_field", "other"),
        ({"image": pictures((64, 64)), "prompt": ""}, "prompt_missing", "prompt"),
        ({"image": pictures(*[(16, 16)] * 9)}, "too_many_files", None),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_edits_that_leave_nothing_behind(caller, who, fields, wanted, field):
    for file in [each for value in fields.values() for each in (value if isinstance(value, list) else [value])]:
        if not isinstance(file, str):
            file.seek(0)
    before, stored = moved(who), set(storage.current().keys(f"u/{who.workspace.id}"))
    answer = caller.form(EDITS, **{"prompt": "On linen", **fields})
    assert (answer.status_code, code(answer), named(answer)) == (400, wanted, field)
    assert moved(who) == before
    assert set(storage.current().keys(f"u/{who.workspace.id}")) == stored


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, "bad_file"),
        ({"file": "text"}, "bad_file"),
        ({"file": pictures((64, 64), (64, 64))}, "bad_file"),
        ({"file": pictures((64, 64)), "name": "x"}, "unknown_field"),
        ({"picture": pictures((64, 64))}, "unknown_field"),
        ({"file": SimpleUploadedFile("p.png", b"GIF89a", "image/png")}, "image_wrong_type"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_uploads_that_leave_nothing_behind(caller, who, fields, wanted):
    before = moved(who)
    answer = caller.form("/api/images", **fields)
    assert (answer.status_code, code(answer)) == (400, wanted)
    assert moved(who) == before


@pytest.mark.parametrize("path", ["/api/images", EDITS])
@pytest.mark.parametrize(
    ("body", "media_type", "status", "wanted"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x", "multipart/form-data", 400, "bad_multipart"),
        (b"x", "multipart/form-data; boundary=" + "b" * 300, 400, "bad_multipart"),
        (
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\xfd\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            400,
            "bad_multipart",
        ),
    ],
)
def test_forms_that_cannot_be_read(caller, who, path, body, media_type, status, wanted):
    before = moved(who)
    answer = caller.post(path, body, media_type=media_type)
    assert (answer.status_code, code(answer)) == (status, wanted)
    assert moved(who) == before
