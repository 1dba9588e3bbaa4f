"""The web book as a reader has it: in a real browser, light and dark, on a desk and on a phone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import _seed
from helpers import settings
from tests.chromium import BROWSER, barriers, opened

pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="needs a Chromium: install chromium"),
    pytest.mark.lengthy,
]
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 390)]


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    """All pages of the book, made anew."""
    subprocess.run(["make", "book"], cwd=settings.CHECKOUT, check=True)
    html = settings.CHECKOUT / "build/book/html"
    return sorted(page for page in html.rglob("*.html") if "_static" not in page.parts)


@pytest.mark.parametrize("look", range(len(LOOKS)), ids=[f"{s} {w}" for s, w in LOOKS])
def test_no_page_keeps_anybody_from_reading_it(pages, look, pytestconfig):
    (scheme, width), first = LOOKS[look], (look + _seed(pytestconfig)) % len(LOOKS)
    found = {}
    with opened(viewport={"width": width, "height": 900}, color_scheme=scheme) as tab:
        for page in pages[first :: len(LOOKS)]:
            tab.goto(page.as_uri())
            found[page.name] = barriers(tab)
            wide = tab.evaluate("document.documentElement.scrollWidth")
            found[page.name] += [f"{wide} pixels wide"] if wide > width else []
    assert len(found) > 5
    assert {name: what for name, what in found.items() if what} == {}
