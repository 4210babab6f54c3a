"""What axe-core finds in a page that has come to rest."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# What is still fading in has less contrast than what it becomes; what moves without an end is not waited for.
_AT_REST = """Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime !== Infinity).map((each) => each.finished))"""


def violations(page: Page) -> list[tuple]:
    """Of each: the rule, where, and what is wrong."""
    page.evaluate(f"async () => {{ await {_AT_REST}; }}")
    found = Axe().run(page).response["violations"]
    return [(rule["id"], node["target"], node.get("failureSummary")) for rule in found for node in rule["nodes"]]
