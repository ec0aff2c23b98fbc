"""A person at a browser: what they do in the studio, and every complaint that a page makes meanwhile."""

import io
import pathlib
import re

from PIL import Image
from playwright.sync_api import BrowserContext, Download, Locator, Page, expect

from tests import instance

PATIENCE = 30_000  # milliseconds: the machine is shared, so waits are long and counts are what is asserted
PASSWORD = "a long enough password"
GENERATE = re.compile("^Generate")


def picture(place: pathlib.Path, name: str, colour: str, size: tuple[int, int] = (320, 240)) -> pathlib.Path:
    """Return a picture file; its format is what `name` ends in."""
    path = place / name
    Image.new("RGB", size, colour).save(path)
    return path


def opened(download: Download) -> Image.Image:
    """Return a downloaded picture, decoded whole."""
    path = download.path()
    image = Image.open(io.BytesIO(pathlib.Path(path).read_bytes()))
    image.load()
    return image


class Desk:
    """One person at one browser. `complaints` collects console errors, uncaught exceptions and policy violations."""

    def __init__(self, site: instance.Instance, context: BrowserContext, email: str) -> None:
        self.site, self.context, self.email = site, context, email
        self.complaints: list[str] = []
        self._expected: list[str] = []
        context.set_default_timeout(PATIENCE)
        context.on("console", lambda said: self._hear(said.type, said.text, said.location.get("url", "")))
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        self.page = self.tab()

    def tab(self) -> Page:
        """Return a new tab of the same browser."""
        return self.context.new_page()

    def _hear(self, kind: str, text: str, where: str) -> None:
        if kind == "error" or "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.complaints.append(f"{text} ({where})")

    def expect_status(self, status: int) -> None:
        """Let answers of this status pass: a browser writes every one of 400 and above to the console."""
        self._expected.append(f"status of {status} ")

    def unexpected(self) -> list[str]:
        """Return what the pages complained about and nobody expected."""
        return [said for said in self.complaints if not any(part in said for part in self._expected)]

    def come_in(self, link: str) -> None:
        """Use a sign-in link, as the person it was made for."""
        self.page.goto(link)
        self.page.get_by_role("button", name="Open the studio").click()
        self.page.wait_for_url("**/studio*")

    def go(self, path: str, page: Page | None = None) -> Page:
        """Open a page of the site."""
        page = page or self.page
        page.goto(self.site.url + path)
        return page

    def choose(self, *, quality: str = "low", count: int = 1, page: Page | None = None) -> None:
        """Set quality and number of images in the composer."""
        page = page or self.page
        for name, value in (("quality", quality), ("count", str(count))):
            page.locator(f'.composer label:has(input[name="{name}"][value="{value}"])').click()

    def write(self, prompt: str, page: Page | None = None) -> None:
        """Write the prompt."""
        (page or self.page).get_by_role("textbox", name="Prompt").fill(prompt)

    def press_generate(self, page: Page | None = None) -> None:
        """Press the button."""
        (page or self.page).get_by_role("button", name=GENERATE).click()

    def generate(self, prompt: str, *, quality: str = "low", count: int = 1) -> Locator:
        """Ask for images and return the card that appears."""
        self.write(prompt)
        self.choose(quality=quality, count=count)
        self.press_generate()
        card = self.card(prompt)
        expect(card).to_be_visible(timeout=PATIENCE)
        return card

    def card(self, prompt: str, page: Page | None = None) -> Locator:
        """Return the card of the newest generation with this prompt."""
        return (page or self.page).get_by_role("article", name=prompt).first

    def cards(self, page: Page | None = None) -> Locator:
        """Return all cards of the feed."""
        return (page or self.page).locator("#feed > article")

    def delivered(self, card: Locator, count: int) -> None:
        """Wait until the card has ended with so many pictures, each of them shown."""
        self.ended(card)
        expect(card.locator("li.tile > a > img")).to_have_count(count, timeout=PATIENCE)

    def ended(self, card: Locator) -> None:
        """Wait until the card's generation has ended."""
        expect(card).not_to_have_attribute("data-in-hand", "1", timeout=PATIENCE)

    def has_credits(self, amount: int, page: Page | None = None) -> None:
        """Wait until the page shows this balance."""
        shown = (page or self.page).locator("#balance")
        expect(shown).to_have_attribute("data-available", str(amount), timeout=PATIENCE)

    def leave(self) -> list[str]:
        """Close the browser and return what was wrong on the way."""
        self.context.close()
        return self.unexpected()
