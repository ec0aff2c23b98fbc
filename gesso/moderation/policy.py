"""What may be asked for and shown: local rules always, OpenAI's moderation when it is on, and Creem's where credits are
sold through it. No answer means no.

The local rules are few and blunt on purpose: they catch what no install may make, on any provider. Text is compared
after NFKC, without invisible characters, in lower case, with look-alike digits read as letters.
"""

import re
import unicodedata
from collections.abc import Sequence

import structlog
from django.conf import settings

from gesso.core import catalog
from gesso.moderation import creem, openai
from gesso.moderation.verdict import Unavailable, Verdict, allowed

__all__ = ["Moderator", "Unavailable", "judge_prompt_locally"]

QUESTION = "Three pears in a bowl"  # what nobody could mind

log = structlog.get_logger()

# Sexual content with minors: both halves must be there, close together.
_MINORS = (
    r"child(?:ren)?|kids?|minors?|toddlers?|infants?|bab(?:y|ies)|preteens?|underage\w*|schoolgirls?|schoolboys?"
    r"|lolitas?|lolis?|shotas?|(?:[1-9]|1[0-7])[\s-]*(?:years?|yrs?|yo)[\s-]*olds?|(?:1[0-7]|[5-9])\s*yo|teen(?:age)?\s*(?:girls?|boys?)"
    r"|little\s*(?:girls?|boys?)|young\s*(?:girls?|boys?)"
)
_SEXUAL = (
    r"nud(?:e|es|ity)|naked|sex|sexual\w*|sexy|porn\w*|erotic\w*|hentai|nsfw|orgasm\w*|genital\w*|topless|masturbat\w*"
    r"|lingerie|aroused|intercourse|fetish"
)
_NEAR = r"(?:\W+\w+){0,12}?\W+"
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("sexual/minors", re.compile(rf"\b(?:{_MINORS})\b(?:{_NEAR}|\W+)(?:{_SEXUAL})\b")),
    ("sexual/minors", re.compile(rf"\b(?:{_SEXUAL})\b(?:{_NEAR}|\W+)(?:{_MINORS})\b")),
    ("sexual/minors", re.compile(r"\b(?:child\s*porn\w*|csam|pedo(?:phil\w*)?|paedophil\w*|jailbait)\b")),
)
_BLANKS = "\u115f\u1160\u2800"  # letters and symbols by category, but drawn as nothing
_LOOK_ALIKES = str.maketrans("013457@$", "oieastas")


def judge_prompt_locally(prompt: str) -> Verdict:
    """Return the local rules' verdict about a prompt. Quick, offline, the same everywhere."""
    for text in _readings(prompt):
        for category, rule in _RULES:
            if rule.search(text):
                return Verdict(allowed=False, categories=(category,), source="local")
    return allowed("local")


def _readings(prompt: str) -> Sequence[str]:
    """Return the prompt as it may be meant: plain, with look-alikes read as letters, and with split letters joined.

    An invisible character may hide inside a word or stand for the space between two, so both are read.
    """
    folded = unicodedata.normalize("NFKC", prompt)
    folded = unicodedata.normalize("NFD", folded)
    folded = "".join(" " if letter in _BLANKS else letter for letter in folded)
    marks = {"Mn", "Me"}
    seen = ["".join(letter for letter in folded if unicodedata.category(letter) not in {*marks, "Cf"})]
    if any(unicodedata.category(letter) == "Cf" for letter in folded):
        spaced = (" " if unicodedata.category(letter) == "Cf" else letter for letter in folded)
        seen.append("".join(letter for letter in spaced if unicodedata.category(letter) not in marks))
    readings = []
    for text in seen:
        plain = re.sub(r"\s+", " ", text.lower())
        joined = re.sub(r"\b(?:\w[\s.\-_*]){2,}\w\b", lambda match: re.sub(r"[\s.\-_*]", "", match[0]), plain)
        readings += [plain, plain.translate(_LOOK_ALIKES), joined, joined.translate(_LOOK_ALIKES)]
    return readings


class Moderator:
    """The judge of one worker process. OpenAI's moderation is on when the catalogue and a key say so, whatever Creem's
    is: that is asked about every prompt as long as its keys are configured.
    """

    def __init__(self) -> None:
        rules = catalog.current().moderation
        key = settings.GESSO.openai_api_key
        self.active = rules.remote == "required" or (rules.remote == "auto" and bool(key))
        self._remote = openai.Moderations(key, settings.GESSO.openai_base_url, rules.model) if self.active else None
        shop = settings.GESSO.creem
        self._seller = creem.Prompts(shop.api_key, shop.base_url) if shop else None

    async def judge_request(
        self, prompt: str, pictures: Sequence[tuple[bytes, str]], *, reference: str = ""
    ) -> Verdict:
        """Judge a prompt and its references (bytes, media type). Raises Unavailable: then nothing may be sent.

        `reference` is the generation's id, for the records of whoever judges. All must allow it; the first that does
        not is the last that is asked.
        """
        verdict = judge_prompt_locally(prompt)
        if verdict.allowed and self._seller:
            verdict = await self._seller.judge(prompt, reference=reference)
        if verdict.allowed and self._remote:
            verdict = await self._remote.judge(prompt, pictures)
        return verdict

    async def check(self) -> None:
        """Ask once, and log why no answer came: an operator should hear of it at the start, not from those who wait."""
        if self._remote:
            try:
                await self._remote.judge(QUESTION, [])
            except Unavailable as unavailable:
                log.error("no generation can be made: moderation does not answer", reason=str(unavailable))
            except Exception:  # whatever it is: the first generation meets it too, and is no reason to end the worker
                log.exception("moderation could not be asked at the start")

    def judge_at_once(self, prompt: str) -> Verdict | None:
        """Return the verdict about a prompt without references where nobody else has to be asked, else None."""
        return None if self._seller or self._remote else judge_prompt_locally(prompt)

    async def judge_output(self, data: bytes, media_type: str) -> Verdict:
        """Judge a picture that came back. Raises Unavailable: then nobody may see it yet."""
        return await self._remote.judge("", [(data, media_type)]) if self._remote else allowed("off")

    async def close(self) -> None:
        """Give back connections."""
        for judge in (self._remote, self._seller):
            if judge:
                await judge.close()
