"""What is wrong with how a page looks to everybody: axe's findings in light and dark, wide and narrow, and sideways scroll."""

import functools
import pathlib

from playwright.sync_api import Page

AXE = pathlib.Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE = (1440, 900), (390, 844)
WIDTHS = (320, 390, 768, 1024, 1440, 1920)
RUN = """async () => (await axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})).violations.map(found => `${found.id}: ${found.help}: ` + found.nodes.slice(0, 4).map(
  node => node.target.join(" ") + " " + node.failureSummary.split("\\n").slice(1).join(" ").trim()).join(" | "))"""


@functools.cache
def _axe() -> str:
    return AXE.read_text()


def wrong(page: Page) -> list[str]:
    """Return one line for each thing that is wrong with the page that is open. It is left wide and light."""
    found = [*_sideways(page)]
    page.evaluate(_axe())  # through the debugger: the page's own policy would refuse it
    for width, height in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{scheme}, {width} px: {line}" for line in page.evaluate(RUN)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    return found


def _sideways(page: Page) -> list[str]:
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > width:
            found.append(f"{width} px: needs {needed} px")
    return found
