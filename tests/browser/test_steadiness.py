"""What stands on the studio's page stays where it is: long words inside their box, cards below one that changes."""

import pytest

pytestmark = pytest.mark.browser

WATCH = """card => {
    const tops = window.tops = [];
    const look = () => {
        const top = Math.round(card.getBoundingClientRect().top);
        if (tops.at(-1) !== top) tops.push(top);
        requestAnimationFrame(look);
    };
    look();
}"""


@pytest.mark.parametrize(
    "viewport", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}], ids=["1440", "390"]
)
def test_a_word_without_an_end_stays_in_its_box(desk, viewport):
    who = desk(credits=10, viewport=viewport)
    who.write("https://example.com/" + "pears" * 60)
    composer = who.page.locator(".composer").bounding_box()
    prompt = who.page.get_by_role("textbox", name="Prompt").bounding_box()
    assert composer["x"] <= prompt["x"]
    assert prompt["x"] + prompt["width"] <= composer["x"] + composer["width"]


def test_what_stands_below_a_live_card_does_not_jump_back_and_forth(desk):
    who = desk(credits=100)
    first = "A jug that is there already"
    who.delivered(who.generate(first), 1)
    who.page.wait_for_timeout(300)
    second = "Four pears, one after the other [fake: latency=1]"
    made = who.generate(second, count=4)
    who.card(first).evaluate(WATCH)
    who.delivered(made, 4)
    who.page.wait_for_timeout(300)
    tops = who.page.evaluate("window.tops")
    assert len(tops) == len(set(tops)), tops
