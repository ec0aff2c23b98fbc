"""What the APIs refuse: bodies, fields, parameters, each with the code that it gets. `test_refusals` sends them."""

NATIVE, COMPAT, EDITS = "/api/generations", "/v1/images/generations", "/v1/images/edits"
PROMPT = {"prompt": "Three pears"}
DEEP = b'{"prompt": ' + b"[" * 5000 + b"]" * 5000 + b"}"

BODIES = [  # refused by both APIs before anything is looked at
    (b"", 400, "bad_json"),
    (b"null", 400, "bad_json"),
    (b"[]", 400, "bad_json"),
    (b'"prompt"', 400, "bad_json"),
    (b"1", 400, "bad_json"),
    (b"{", 400, "bad_json"),
    (b'{"prompt": "\xff\xfe"}', 400, "bad_json"),
    (b'{"prompt": "\\ud800"}', 400, "bad_json"),
    (b'{"prompt": "Pears", "count": NaN}', 400, "bad_json"),
    (b'{"prompt": "Pears", "count": Infinity}', 400, "bad_json"),
    (b"\xef\xbb\xbf{}", 400, "bad_json"),
    (DEEP, 400, "bad_json"),
    (b'{"prompt": "' + b"x" * 1_000_001 + b'"}', 413, "request_too_large"),
]

FIELDS = [  # of the native API
    ({}, "prompt_missing", "prompt"),
    ({"prompt": None}, "prompt_missing", "prompt"),
    ({"prompt": ""}, "prompt_missing", "prompt"),
    ({"prompt": " \n\t "}, "prompt_missing", "prompt"),
    ({"prompt": 5}, "bad_prompt", "prompt"),
    ({"prompt": ["Pears"]}, "bad_prompt", "prompt"),
    ({"prompt": {"text": "Pears"}}, "bad_prompt", "prompt"),
    ({"prompt": "Pe\0ars"}, "bad_prompt", "prompt"),
    ({"prompt": "Pe\x1b[31mars"}, "bad_prompt", "prompt"),
    ({"prompt": "x" * 32_001}, "prompt_too_long", "prompt"),
    *[
        ({**PROMPT, "count": value}, "bad_count", "count")
        for value in (0, 3, 5, -1, 10**9, 10**30, "2", 2.0, 2.5, True, [1], {})
    ],
    *[({**PROMPT, "quality": value}, "bad_quality", "quality") for value in ("ultra", "HIGH", 1, ["low"], True)],
    *[({**PROMPT, "aspect_ratio": value}, "bad_aspect_ratio", "aspect_ratio") for value in ("5:1", "1024x1024", 1, {})],
    ({**PROMPT, "background": "red"}, "bad_background", "background"),
    ({**PROMPT, "format": "gif"}, "bad_format", "format"),
    ({**PROMPT, "format": "jpeg", "background": "transparent"}, "format_not_transparent", "format"),
    ({**PROMPT, "model": "gpt-image-2"}, "unknown_model", "model"),
    ({**PROMPT, "model": 7}, "unknown_model", "model"),
    ({**PROMPT, "model": []}, "unknown_model", "model"),
    ({**PROMPT, "price": 0}, "unknown_field", "price"),
    ({**PROMPT, "__proto__": {}}, "unknown_field", "__proto__"),
    ({**PROMPT, "workspace": "x"}, "unknown_field", "workspace"),
    ({**PROMPT, "references": "x"}, "bad_references", "references"),
    ({**PROMPT, "references": {}}, "bad_references", "references"),
    ({**PROMPT, "references": [None]}, "bad_reference", "references"),
    ({**PROMPT, "references": [{"image_id": "x"}]}, "bad_reference", "references"),
    ({**PROMPT, "references": [{"image_id": "0198c0de-0000-7000-8000-000000000000", "role": "wall"}]}, "bad_reference", "references"),
    ({**PROMPT, "references": [{"image_id": "0198c0de-0000-7000-8000-000000000000", "role": ["style"]}]}, "bad_reference", "references"),
    ({**PROMPT, "references": [{"image_id": "0198c0de-0000-7000-8000-000000000000", "role": {"a": 1}}]}, "bad_reference", "references"),
    ({**PROMPT, "references": [{"image_id": "0198c0de-0000-7000-8000-000000000000"}]}, "unknown_reference", "references"),
    ({**PROMPT, "references": [{}] * 6}, "too_many_references", "references"),
]  # fmt: skip

PARAMETERS = [  # of OpenAI's API
    ({}, "prompt_missing", "prompt"),
    ({"prompt": 5}, "bad_prompt", "prompt"),
    *[({**PROMPT, "n": value}, "bad_n", "n") for value in (0, 5, -1, 10**9, "2", 1.5, True, [1])],
    *[({**PROMPT, "size": value}, "bad_size", "size") for value in ("256x256", "1024X1024", "1:1", 1024, [], "x" * 9999)],
    ({**PROMPT, "quality": "ultra"}, "bad_quality", "quality"),
    ({**PROMPT, "quality": 1}, "bad_quality", "quality"),
    ({**PROMPT, "output_format": "gif"}, "bad_output_format", "output_format"),
    ({**PROMPT, "background": "red"}, "bad_background", "background"),
    ({**PROMPT, "model": "dall-e-3"}, "unknown_model", "model"),
    ({**PROMPT, "stream": True}, "stream_unsupported", "stream"),
    ({**PROMPT, "stream": 0}, "stream_unsupported", "stream"),
    ({**PROMPT, "partial_images": 2}, "partial_images_unsupported", "partial_images"),
    ({**PROMPT, "response_format": "url"}, "response_format_unsupported", "response_format"),
    ({**PROMPT, "moderation": "low"}, "moderation_unsupported", "moderation"),
    ({**PROMPT, "output_compression": 50}, "output_compression_unsupported", "output_compression"),
    ({**PROMPT, "style": "vivid"}, "style_unsupported", "style"),
    ({**PROMPT, "input_fidelity": "high"}, "input_fidelity_unsupported", "input_fidelity"),
    ({**PROMPT, "user": 5}, "bad_user", "user"),
    ({**PROMPT, "seed": 5}, "unknown_field", "seed"),
    ({**PROMPT, "aspect_ratio": "1:1"}, "unknown_field", "aspect_ratio"),
]  # fmt: skip

LISTS = [
    ("/api/generations", {"state": "done"}, "bad_state"),
    ("/api/generations", {"quality": "ultra"}, "bad_quality"),
    ("/api/generations", {"ratio": "1x1"}, "bad_ratio"),
    ("/api/generations", {"model": "a\0b"}, "bad_model"),
    ("/api/generations", {"q": "a\0b"}, "bad_q"),
    ("/api/generations", {"q": "x" * 201}, "bad_q"),
    ("/api/generations", {"before": "yesterday"}, "bad_before"),
    ("/api/generations", {"after": "2026-01-01T00:00:00"}, "bad_after"),
    ("/api/generations", {"after": "0001-01-01T00:00:00+14:00"}, "bad_time"),
    ("/api/generations", {"favourite": "perhaps"}, "bad_favourite"),
    ("/api/generations", {"limit": "0"}, "bad_limit"),
    ("/api/generations", {"limit": "101"}, "bad_limit"),
    ("/api/generations", {"limit": "many"}, "bad_limit"),
    ("/api/generations", {"sort": "price"}, "unknown_field"),
    ("/api/generations", {"collection": "1"}, "unknown_field"),
    *[("/api/generations", {"cursor": text}, "bad_cursor") for text in ("x", "e30", "\0", "é", "WzEsMl0", "x" * 201)],
    *[("/api/images", {"cursor": text}, "bad_cursor") for text in ("x", "1-2", "9" * 16 + "-" + "0" * 36)],
    ("/api/images", {"q": "a\0b"}, "bad_q"),
    ("/api/images", {"origin": "elsewhere"}, "bad_origin"),
    ("/api/images", {"state": "x"}, "unknown_field"),
    ("/api/credits/entries", {"cursor": "-1"}, "bad_cursor"),
    ("/api/credits/entries", {"cursor": "9" * 19}, "bad_cursor"),
    ("/api/credits/entries", {"limit": "1e3"}, "bad_limit"),
]

ADDRESSES = [
    ("post", NATIVE), ("get", NATIVE), ("get", f"{NATIVE}/x"), ("post", f"{NATIVE}/x/cancel"),
    ("post", f"{NATIVE}/x/retry"), ("get", "/api/images"), ("post", "/api/images"), ("get", "/api/images/x"),
    ("get", "/api/images/x/content"), ("delete", "/api/images/x"), ("post", "/api/images/x/restore"),
    ("get", "/api/credits"), ("get", "/api/credits/entries"), ("get", "/api/events"),
    ("post", COMPAT), ("post", EDITS), ("get", "/v1/models"), ("get", "/v1/models/sandbox"),
]  # fmt: skip
