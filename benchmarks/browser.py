"""What a real browser sees: the weight of the studio's first load, and how soon a picture stands on the page."""

import asyncio
import dataclasses
import json
import time
import urllib.parse
import urllib.request
from typing import Any

import playwright.async_api

from benchmarks import people, rows, stack
from tests import chromium

LOADS = 9  # one takes from half to twice as long as another

# Notes when each delivered picture of the feed has been loaded and could be painted.
_WATCH = """
window.seen = {};
const look = (image) => {
  const card = image.closest("article[id^=g-]");
  if (!card || !image.closest("a[href^='/images/']")) return;
  const note = () => requestAnimationFrame(() => { window.seen[card.id.slice(2)] ??= Date.now() / 1000; });
  image.complete && image.naturalWidth ? note() : image.addEventListener("load", note, { once: true });
};
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) {
      if (node instanceof Element) node.querySelectorAll("img").forEach(look);
    }
  }).observe(document.body, { childList: true, subtree: true });
});
"""


@dataclasses.dataclass
class FirstLoad:
    """The studio's first load with an empty cache, pictures apart: on the wire, and until something was painted."""

    kilobytes: float
    requests: int
    paint_ms: float


async def first_load(here: stack.Stack, who: people.Person, path: str = "/studio") -> FirstLoad:
    """Open a page in a fresh browser `LOADS` times; returns the median load by paint."""
    loads = []
    async with playwright.async_api.async_playwright() as running:
        browser = await _launched(running)
        for _ in range(LOADS):
            page = await _page(browser, here, who)
            finished: list[playwright.async_api.Request] = []

            def note(
                request: playwright.async_api.Request, into: list[playwright.async_api.Request] = finished
            ) -> None:
                into.append(request)

            page.on("requestfinished", note)
            await page.goto(f"{here.url}{path}", wait_until="load")
            await page.wait_for_timeout(500)
            paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            counted = [request for request in finished if request.resource_type != "image"]
            sizes = [await request.sizes() for request in counted]
            total = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)
            loads.append(FirstLoad(total / 1000, len(counted), paint))
            await page.context.close()
        await browser.close()
    return sorted(loads, key=lambda load: load.paint_ms)[LOADS // 2]


@dataclasses.dataclass
class Seen:
    """Milliseconds: from pressing Generate to the card on the page, and from the provider's answer to the picture."""

    first_event_ms: list[float]
    visible_ms: list[float]


async def visible(here: stack.Stack, who: people.Person, *, total: int) -> Seen:
    """Generate `total` pictures one after the other from the page itself, and time what the page shows."""
    seen = Seen([], [])
    async with playwright.async_api.async_playwright() as running:
        browser = await _launched(running)
        page = await _page(browser, here, who)
        await page.add_init_script(_WATCH)
        await page.goto(f"{here.url}/studio")
        await page.get_by_text("Low", exact=True).first.click()
        for number_of in range(total):
            words = f"Pear number {number_of} on a table"  # the same again at once would be a double press
            await page.get_by_role("textbox", name="Prompt").fill(words)
            at = time.time()
            await page.get_by_role("textbox", name="Prompt").press("Control+Enter")
            card = page.locator("#feed article", has_text=words).first
            await card.wait_for(state="attached")
            seen.first_event_ms.append((time.time() - at) * 1000)
            number = (await card.get_attribute("id") or "").removeprefix("g-")
            shown = await page.wait_for_function("(id) => window.seen[id]", arg=number, timeout=30_000)
            while (call := (await _journal(here))[-1])["seconds"] is None:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.01)  # it notes the end of its answer a moment after we have it
            answered = float(call["at"]) + float(call["seconds"])
            seen.visible_ms.append((float(await shown.json_value()) - answered) * 1000)
        await browser.close()
    with rows.connected(here) as database:
        while rows.counts(database) != (0, 0):
            time.sleep(0.2)  # noqa: ASYNC251 (nothing else runs)
    return seen


async def _journal(here: stack.Stack) -> list[dict[str, Any]]:
    def ask() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{here.provider_url}/_journal", timeout=10) as answer:
            rows_: list[dict[str, Any]] = json.load(answer)
            return rows_

    return await asyncio.to_thread(ask)


async def _launched(running: playwright.async_api.Playwright) -> playwright.async_api.Browser:
    return await running.chromium.launch(executable_path=str(chromium.executable()), args=chromium.arguments())


async def _page(
    browser: playwright.async_api.Browser, here: stack.Stack, who: people.Person
) -> playwright.async_api.Page:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    host = urllib.parse.urlsplit(here.url).hostname or ""
    cookies = [pair.split("=", 1) for pair in who.cookie.split("; ")]
    await context.add_cookies([{"name": name, "value": value, "domain": host, "path": "/"} for name, value in cookies])
    return await context.new_page()
