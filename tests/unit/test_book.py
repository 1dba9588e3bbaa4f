"""The web book, but for what Sphinx makes of it: which pages it has, and what they are given."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.notebooks import paths
from helpers.upkeep.book.contents import Page, contents, every_page
from helpers.upkeep.book.layout import lay_out

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    laid = tmp_path_factory.mktemp("book")
    lay_out(ROOT, laid)
    return laid


def test_every_notebook_and_every_page_beside_them_is_in_the_contents_once():
    pages = [page.source for page in every_page(ROOT)]
    written = [path.relative_to(ROOT).as_posix() for path in paths(ROOT / "notebooks")]
    names = ("GLOSSARY", "NUMBERS", "SCORECARD", "SETTINGS")
    written += [f"notebooks/{name}.md" for name in names]
    assert {*written, "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "TEACHING.md"} <= set(pages)
    assert len(set(pages)) == len(pages)


def test_no_two_pages_have_the_same_title():
    titles = [page.title for page in every_page(ROOT)]
    assert all(titles)
    assert sorted(set(titles)) == sorted(titles)


def test_a_chapter_has_its_number_and_its_labs_below_it():
    by_source = {page.source: page for page in contents(ROOT)["The course"]}
    kafka = by_source["notebooks/04_kafka.ipynb"]
    assert kafka.entry == f"4. {kafka.title}"
    assert kafka.below[0].source == "notebooks/labs/04_loss_matrix.ipynb"
    assert kafka.below[0].entry == kafka.below[0].title
    assert all(source.startswith("notebooks/") for source in by_source)


def test_each_page_is_laid_out_and_led_to_once(book):
    led_to = []
    for page in every_page(ROOT):
        folder = Path(page.source).parent
        for block in re.findall(r"```{toctree}[^`]*```", _text(book, page)):
            led_to += [(folder / link).as_posix() for link in re.findall(r"<(.+)>", block)]
    assert sorted(led_to) == sorted(page.source for page in every_page(ROOT)[1:])


def test_what_a_page_shows_or_links_to_is_laid_beside_it(book):
    for page in every_page(ROOT):
        for link in re.findall(r"\]\(([^)\s#:]+)[)#]", _text(book, page)):
            if ((ROOT / page.source).parent / link).is_file():
                assert ((book / page.source).parent / link).is_file(), (page.source, link)


def test_solutions_are_folded_and_figures_have_a_text(book):
    page = "notebooks/03_queue_vs_pubsub.ipynb"
    cells = {cell["id"]: cell for cell in json.loads((book / page).read_text())["cells"]}
    assert cells["ex1-solution"]["metadata"]["tags"] == ["solution", "hide-cell"]
    (title,) = re.findall(r'title="(.+)"', "".join(cells["one-figure"]["source"]))
    alt = cells["one-figure"]["metadata"]["mystnb"]["image"]["alt"]
    assert alt == f"Figure “{title}”: the text says what it shows."


def test_no_table_has_a_header_that_says_nothing(book):
    laid = [book / page.source for page in every_page(ROOT)]
    assert any("<th>lag</th>" in path.read_text() for path in laid)
    assert not [path.name for path in laid if "<th></th>" in path.read_text()]
    assert not [
        path.name for path in laid if re.search(r'^ *"?\| \|.*\n.*\|---', path.read_text(), re.M)
    ]


def test_a_page_without_a_title_is_named(tmp_path):
    (tmp_path / "README.md").write_text("No title\n")
    with pytest.raises(ValueError, match=r"README\.md has no title"):
        every_page(tmp_path)


def _text(book: Path, page: Page) -> str:
    text = (book / page.source).read_text(encoding="utf-8")
    if page.source.endswith(".md"):
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
