"""Which pages the book has, and in which order: made from the files and the map on the front door."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from helpers.notebooks import in_reading_order, paths

LANDING = "README.md"


@dataclass(frozen=True)
class Page:
    """A page of the book.

    Attributes:
        source: its file, from the root of the course.
        title: its first heading.
        below: the pages that stand under it in the table of contents: a chapter's labs or projects.
    """

    source: str
    title: str
    below: tuple[Page, ...] = ()

    @property
    def entry(self) -> str:
        """What the table of contents calls it: a chapter with its number."""
        number = re.match(r"notebooks/(\d\d)_", self.source)
        return f"{int(number[1])}. {self.title}" if number else self.title


def contents(root: Path) -> dict[str, list[Page]]:
    """The table of contents: the parts of the book, and the pages of each."""
    return {
        "The course": list(_chapters(root)),
        "To look up": [_page(root, source) for source in _texts(root, "notebooks")],
        "To carry on": [_page(root, source) for source in _texts(root, ".") if source != LANDING],
    }


def every_page(root: Path) -> list[Page]:
    """All pages in the order in which one leads to the next, the landing page first."""
    pages = [_page(root, LANDING)]
    for part in contents(root).values():
        for page in part:
            pages += [page, *page.below]
    return pages


def _chapters(root: Path) -> Iterator[Page]:
    course = root / "notebooks"
    ordered = in_reading_order(paths(course), course)
    for _, chapter in groupby(ordered, key=lambda path: path.name[:2]):
        first, *deeper = (path.relative_to(root).as_posix() for path in chapter)
        yield _page(root, first, tuple(_page(root, source) for source in deeper))


def _texts(root: Path, folder: str) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / folder).glob("*.md"))


def _page(root: Path, source: str, below: tuple[Page, ...] = ()) -> Page:
    text = (root / source).read_text(encoding="utf-8")
    if source.endswith(".ipynb"):
        text = "".join(json.loads(text)["cells"][0]["source"])
    title = re.match(r"# (.+)", text)
    if not title:
        raise ValueError(f"{source} has no title: a page begins with a line `# …`.")
    return Page(source, title[1], below)
