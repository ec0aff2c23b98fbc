"""What the fake provider can be told to do wrong, in the prompt or for everybody, and how often.

In a prompt: `[fake: 429 retry=2 times=1]`; for everybody: POST /_control {"faults": ["429 retry=2 times=1"]}.
A directive is one fault and options; several may stand in one prompt, and the first one whose turn it is counts.

Faults that refuse (an error in OpenAI's own words): any status (400 to 599), `moderation` (`stage=output`), `policy`
(the older code), `azure` (a filter that is known by its message), `user-error`, `billing` (429), `billing-limit` (400),
`spend-limit` (400), `bad-key` (401).
Faults of the answer: `hang` (silence until the client leaves), `stall` (half an answer, then silence), `trickle` (a byte
each second), `truncated` (half an answer, then the connection ends), `drop` (the connection ends without an answer),
`html`, `empty` (no pictures), `url` (an address instead of a picture), `data-url`, `error-200`, `not-base64`,
`not-json`, `wrapped` (base64 in lines).
Faults of the picture: `wrong-size` (half of each side), `bad-crc`, `half-picture`, `bomb` (says 30,000 pixels a side),
`not-picture`, `svg`, `gif`.
Faults of a stream: `stream-error` (an error event; `code=`), `stream-end` (ends without a picture), `bad-partial`,
`no-stream` (answers JSON all the same), `crlf` (lines end in CR LF), `type-last` (no event names, type at the end).
Options: `times=N` (only the first N calls of this prompt), `skip=N` (not the first N), `share=0.1` (by chance),
`retry=` and `retry-ms=` (the Retry-After headers, as they are given), `latency=S`, `fail-outputs=N` (the first N calls
fail for good; `as=user-error` instead of moderation).
For moderation: `flag=violence,hate` (this prompt is flagged), `flag-output=sexual` (the pictures made for it are), and
any fault that begins with `moderations`, such as `[fake: moderations 500 times=2]`.
"""

import collections
import dataclasses
import random
import re
from collections.abc import Iterator

_IN_PROMPT = re.compile(r"\[fake:\s*([^\]\n]*)\]", re.IGNORECASE)
_FLAGS = (
    "times",
    "skip",
    "share",
    "retry",
    "retry-ms",
    "latency",
    "fail-outputs",
    "as",
    "stage",
    "code",
    "flag",
    "flag-output",
)

REFUSALS: dict[str, tuple[int, str, str, str]] = {  # status, type, code, message
    "moderation": (400, "image_generation_user_error", "moderation_blocked", "Your request was rejected by the safety system."),
    "policy": (400, "invalid_request_error", "content_policy_violation", "Your request was rejected as a result of our safety system."),
    "azure": (400, "invalid_request_error", "bad_request", "Request rejected: safety_violations=[violence]."),
    "user-error": (400, "image_generation_user_error", "invalid_image_file", "Invalid image file or mode for image 1."),
    "billing": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "billing-limit": (400, "billing_limit_user_error", "billing_hard_limit_reached", "Billing hard limit has been reached."),
    "spend-limit": (400, "invalid_request_error", "project_spend_limit_exceeded", "The project's spend limit is reached."),
    "bad-key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
}  # fmt: skip
_STATUSES = {
    401: ("invalid_request_error", "invalid_api_key"), 404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}  # fmt: skip
OTHERS = frozenset({
    "hang", "stall", "trickle", "truncated", "drop", "html", "empty", "url", "data-url", "error-200", "not-base64",
    "not-json", "wrapped", "wrong-size", "bad-crc", "half-picture", "bomb", "not-picture", "svg", "gif", "stream-error",
    "stream-end", "bad-partial", "no-stream", "crlf", "type-last",
})  # fmt: skip


@dataclasses.dataclass
class Settings:
    """What holds for every call: latencies in seconds, faults as directives, categories that are always flagged."""

    latency: float = 0.0
    image_bytes: int = 0  # 0: small pictures, each of its own colour; else one of noise for each size
    faults: list[str] = dataclasses.field(default_factory=list)
    moderation_latency: float = 0.0
    moderation_faults: list[str] = dataclasses.field(default_factory=list)
    flag: list[str] = dataclasses.field(default_factory=list)  # texts
    flag_pictures: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Directive:
    """One thing to do wrong. `fault` is empty when it only has options."""

    fault: str
    options: dict[str, str]
    moderations: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do with one call: the fault ("" for none), its options, seconds to wait, categories for its pictures."""

    fault: str = ""
    options: dict[str, str] = dataclasses.field(default_factory=dict)
    latency: float = 0.0
    flags: tuple[str, ...] = ()

    @property
    def refusal(self) -> tuple[int, dict[str, object]] | None:
        """Return status and error of a fault that refuses."""
        return refusal(self.fault, self.options) if self.fault.isdigit() or self.fault in REFUSALS else None


def parse(text: str) -> Directive:
    """Return the directive that `text` (without the brackets) means. Raises ValueError for one that nobody knows."""
    words = text.split()
    moderations = bool(words) and words[0] == "moderations"
    options = dict(word.partition("=")[::2] for word in words if "=" in word)
    faults = [word for word in words[moderations:] if "=" not in word]
    unknown = [name for name in options if name not in _FLAGS]
    unknown += [
        name
        for name in faults
        if not re.fullmatch("[45][0-9][0-9]", name) and name not in REFUSALS | dict.fromkeys(OTHERS)
    ]
    if unknown or len(faults) > 1 or not words:
        raise ValueError(f"The fake provider does not know [fake: {text}].")
    fault = faults[0] if faults else ""
    if "fail-outputs" in options:
        fault = options.get("as", "moderation")
        options["times"] = options["fail-outputs"]
    return Directive(fault, options, moderations)


def refusal(fault: str, options: dict[str, str]) -> tuple[int, dict[str, object]]:
    """Return the status and the `error` of OpenAI's answer."""
    if fault.isdigit():
        status = int(fault)
        kind, code = _STATUSES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        return status, {"message": f"The fake provider answers {fault}.", "type": kind, "param": None, "code": code}
    status, kind, code, message = REFUSALS[fault]
    error: dict[str, object] = {"message": message, "type": kind, "param": None, "code": code}
    if fault == "moderation":
        error["moderation_details"] = {"moderation_stage": options.get("stage", "input"), "categories": ["violence"]}
    return status, error


class Script:
    """Counts the calls of each prompt and says what to do with the next one."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._first = dataclasses.replace(settings)
        self.settings = settings
        self._seed = seed
        self.forget()

    def forget(self) -> None:
        """Forget which prompts were seen."""
        self._seen: collections.Counter[tuple[str, ...]] = collections.Counter()
        self._chance = random.Random(self._seed)

    def reset(self) -> None:
        """Go back to the settings it began with."""
        self.change(dataclasses.asdict(self._first))

    def change(self, words: dict[str, object]) -> dict[str, object]:
        """Set what `words` name, return everything. Raises ValueError for what is unknown."""
        for name in words:
            if name not in {field.name for field in dataclasses.fields(Settings)}:
                raise ValueError(f"{name} is not a setting of the fake provider.")
        changed = dataclasses.replace(self.settings, **words)  # type: ignore[arg-type]
        for text in [*changed.faults, *changed.moderation_faults]:
            parse(text)
        self.settings = changed
        self._seen = collections.Counter({key: count for key, count in self._seen.items() if key[0] == "prompt"})
        return dataclasses.asdict(changed)

    def for_images(self, prompt: str) -> Plan:
        """Return the plan for the next call for an image of this prompt."""
        own = [one for one in _in_prompt(prompt) if not one.moderations]
        plan = self._plan("images", prompt, own, self.settings.faults, self.settings.latency)
        flags = tuple(name for one in own for name in one.options.get("flag-output", "").split(",") if name)
        return dataclasses.replace(plan, flags=flags)

    def for_moderation(self, text: str) -> Plan:
        """Return the plan for the next question about `text` ("" for a picture)."""
        every = list(_in_prompt(text))
        own = [one for one in every if one.moderations]
        settings = self.settings
        plan = self._plan("moderations", text, own, settings.moderation_faults, settings.moderation_latency)
        flags = [name for one in every for name in one.options.get("flag", "").split(",") if name]
        return dataclasses.replace(plan, flags=(*flags, *(settings.flag if text else settings.flag_pictures)))

    def _plan(self, door: str, prompt: str, own: list[Directive], everybody: list[str], latency: float) -> Plan:
        options: dict[str, str] = {}
        fault = ""
        scripted: list[tuple[tuple[str, ...], Directive]] = [
            (("prompt", door, prompt, str(place)), one) for place, one in enumerate(own)
        ]
        scripted += [(("all", door, str(place)), parse(text)) for place, text in enumerate(everybody)]
        for key, one in scripted:
            latency = float(one.options.get("latency", latency))
            if not one.fault:
                continue
            before = self._seen[key]
            self._seen[key] += 1
            skip = int(one.options.get("skip", "0"))
            due = skip <= before < skip + int(one.options.get("times", "1000000000"))
            if due and not fault and self._chance.random() < float(one.options.get("share", "1")):
                fault, options = one.fault, one.options
        return Plan(fault, options, latency)


def _in_prompt(prompt: str) -> Iterator[Directive]:
    for found in _IN_PROMPT.finditer(prompt):
        yield parse(found[1])
