"""A browser for tests, and what would keep somebody from reading its page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
# The theme of the book has its own navigation outside of HTML's landmarks; no text of ours is there.
THEIRS = {"region": {"enabled": False}}


@contextmanager
def opened(**look: Any) -> Iterator[Page]:
    """A tab of a browser that knows nobody; ``look`` is what Playwright's ``new_page`` takes."""
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=sandbox)
        yield browser.new_page(**look)
        browser.close()


def barriers(tab: Page, within: str = "html") -> list[str]:
    """What axe finds in the parts of a page that a CSS selector names: the rule, and the first place."""
    # On their way to a dark page's colours, texts have too little contrast.
    tab.wait_for_function("!document.getAnimations().some(one => one instanceof CSSTransition)")
    found = Axe().run(tab, within, {"resultTypes": ["violations"], "rules": THEIRS})
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]]
