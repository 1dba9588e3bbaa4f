"""The rules of a page, each seen broken; then every page of the course under all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.notebooks import FRONT_DOOR
from tests import pages
from tests.pages import ROOT, broken, glossary, images, name, reading_order

NOTEBOOKS = ROOT / "notebooks"
PAGES = reading_order(NOTEBOOKS)

every_page = pytest.mark.parametrize("path", PAGES, ids=name)


# --- the course's pages -------------------------------------------------------------------------


@every_page
def test_a_page_keeps_the_rules(path):
    said = broken(path)
    assert not said, "\n".join(said)


def test_every_page_has_its_place():
    folders = "", "labs/", "projects/*/"
    assert set(PAGES) == {path for f in folders for path in NOTEBOOKS.glob(f"{f}*.ipynb")}


def test_the_map_on_the_front_door_has_each_lab_in_its_place():
    listed = re.findall(r"labs/(\w+\.ipynb)", (NOTEBOOKS / FRONT_DOOR).read_text(encoding="utf-8"))
    assert [path.name for path in PAGES if path.parent.name == "labs"] == listed


def test_every_diagram_is_shown():
    drawn = {path.name for path in NOTEBOOKS.glob("images/*.svg")}
    shown = {Path(target).name for path in PAGES for _, target in images(path)}
    assert drawn <= shown


def test_the_glossary_is_a_list_by_alphabet_of_one_sentence_each():
    entries = glossary(NOTEBOOKS)
    found = [entry["term"] for entry in entries]
    assert len(found) >= 30
    assert found == sorted(set(found), key=str.casefold)
    assert {entry["target"] for entry in entries} <= {f"{name(path)}.ipynb" for path in PAGES}
    for entry in entries:
        assert re.fullmatch(r"[^.]+(\.\w[^.]*)*", entry["text"]), "one sentence, no full stop"


# --- the rules, seen broken ---------------------------------------------------------------------

CHAPTER = [
    "# A title\n\nOne sentence.",
    "## What you'll learn\n\nMuch.",
    "## What you'll need\n\n**Time:** 15 minutes",
    "## Set up\n\nNothing.",
    ">brokers = up()",
    "## A claim\n\n![Two boxes and an arrow](images/one.svg) The **queue** of it.",
    "word " * 170,
    '>predict("1.1", lost=..., twice=...)',
    ">class Worker:\n    busy = False\n\n\nlost = 0",
    ">worker = Worker()",
    '>verdict("1.1", measured={"lost": lost}, held=lost == 0)',
    '## Your turn\n\n```python\ncheck("1.9", "a fence is no prose")\n```',
    '>check("1.1", ...)',
    '>check("1.2", ...)',
    ">#solution\n" + 'check("1.1", "anything")\n' * 90,
    "## Clean up\n\nNothing.",
    "## Recap\n\nMuch.",
    "## In production\n\nMore.",
    "## Next\n\n[Two](02_two.ipynb), or deeper: [a lab](labs/01_lab.ipynb#claim)",
]
LAB = [
    *CHAPTER[:12],
    '>check("1.3", ...)',
    *CHAPTER[15:18],
    "## Next\n\n[Back](../01_one.ipynb), or [on](../02_two.ipynb)",
]
LAST = ["# Two", "## Next\n\nThe [map](00_start_here.ipynb)"]
PROGRAM = "import sys\n\nwhile True:\n    line = sys.stdin.readline()\n    print(line)"


def write(path: Path, page: list[str]) -> Path:
    """A notebook of texts; those that begin with > are code."""
    made = []
    for source in page:
        tags = ["solution"] if source.startswith(">#solution") else []
        cell = {"cell_type": "code" if source[0] == ">" else "markdown", "metadata": {"tags": tags}}
        made.append({**cell, "source": source.removeprefix(">")})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")
    return path


@pytest.fixture
def course(tmp_path) -> Path:
    """A course whose chapter 1 and its lab keep every rule."""
    notebooks = tmp_path / "notebooks"
    write(notebooks / "00_start_here.ipynb", ["# Start\n\nA **broker** stands between."])
    write(notebooks / "01_one.ipynb", CHAPTER)
    lab = [source.replace("(images", "(../images") for source in LAB]
    write(notebooks / "labs/01_lab.ipynb", [s.replace("15 minutes", "10 minutes") for s in lab])
    write(notebooks / "02_two.ipynb", LAST)
    (notebooks / "images").mkdir()
    (notebooks / "images/one.svg").touch()
    terms = "- **broker**: it stands between ([where](00_start_here.ipynb))\n"
    terms += "- **queue**: it waits ([where](01_one.ipynb))\n"
    (notebooks / "GLOSSARY.md").write_text(terms)
    return notebooks


def test_a_good_page_breaks_no_rule(course):
    assert broken(course / "01_one.ipynb") == []
    assert broken(course / "labs/01_lab.ipynb") == []


def test_the_clinic_and_projects_have_no_budget(course):
    long = ["# Long", "word " * 5000]
    assert list(pages.budget(write(course / "labs/02_long.ipynb", long)))
    assert not list(pages.budget(write(course / "labs" / pages.CLINIC, long)))
    assert not list(pages.budget(write(course / "projects/shop/11_shop.ipynb", long)))
    long.append("## What you'll need\n\n**Time:** 30 minutes")
    assert not list(pages.budget(write(course / pages.PROJECTS, long)))


def test_a_project_goes_deeper_into_its_chapter(course):
    project = write(course / "projects/shop/02_shop.ipynb", ["# Shop", "## Next\n\nNothing"])
    said = "Next must link to a page that comes later", "Next must link to 02_two"
    assert list(pages.way_on(project)) == list(said)
    assert list(pages.way_on(course / "02_two.ipynb")) == [
        "Next must link to projects/shop/02_shop"
    ]
    links = ["# Shop", "## Next\n\n[Up](../../02_two.ipynb) [map](../../00_start_here.ipynb)"]
    assert not list(pages.way_on(write(project, links)))


def test_the_size_of_a_page(course):
    found = pages.size(course / "01_one.ipynb")
    assert (found.lines, found.cells, found.predictions, found.exercises) == (9, 7, 1, 2)
    assert found.words == 4 + 4 + 6 + 3 + 6 + 170 + 2 + 3 + 2 + 3 + 6
    assert found.minutes == 15  # 209/180 + 9/10 + 1 + 10 is 13.1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# A title", "## A title", "title: one title"),
        ("Nothing.", "# Another", "title: one title"),
        ("(images/one.svg)", "(images/two.svg)", "targets: a dead link: images/two.svg"),
        ("labs/01_lab.ipynb#claim", "labs/02_lab.ipynb#claim", "targets: a dead link: labs/02"),
        ("Much.", '<img alt="x" src="images/no.svg">', "targets: a dead link: images/no.svg"),
        ("Much.", '<img src="images/one.svg">', "targets: images/one.svg has no alternative"),
        ("Two boxes and an arrow", " ", "targets: images/one.svg has no alternative text"),
        ("lost = 0", "lost = 0\n" * 180, "budget: 188 lines: at most 180"),
        ("Worker()", "Worker()\n" * 14, "budget: 9.5 words a line: at least 10"),
        ("word " * 170, "word " * 2371, "budget: 2410 words: at most 2400"),
        ("Worker()", "Worker()\n" * 180 + 'predict("1.2", a=...)\n' * 40, "budget: 75 minutes: at most"),
        ('check("1.2"', 'check("1.1"', "budget: 1 exercises: 2 to 3"),
        ("15 minutes", "20 minutes", "must say **Time:** 15 minutes, not ['20']"),
        ("## Recap", "### Recap", "skeleton: headings must begin"),
        ("## What you'll learn", "## First\n\n## What you'll learn", "skeleton: headings must begin"),
        ("## Next", "## Last\n\n## Next", "skeleton: headings must begin"),
        ("up()", "up()\n" * 9, "skeleton: Set up must be one cell of at most 8 lines, not of [9]"),
        ("## A claim", "### A claim", "skeleton: Set up must be one cell"),
        ("lost = 0", 'verdict("1.1")\n' * 7, "skeleton: 8 verdicts: at most 7"),
        ("(02_two.ipynb)", "(00_start_here.ipynb)", "way_on: Next must link to 02_two"),
        ("labs/01_lab.ipynb#claim", "02_two.ipynb", "way_on: Next must link to labs/01_lab"),
        ("lost = 0", f"SOURCE = {PROGRAM!r}", "plain_code: a program in a string"),
        ("lost = 0", f"SOURCE = f{PROGRAM!r}".replace("line)", "{x})"), "a program in a string"),
        ("lost = 0", "a = 'for b in c:\\n  d(b)\\n  e(b)\\n  f(b)'", "a program in a string"),
        ("lost = 0", "inspect.getsource(Worker)", "plain_code: source taken apart"),
        ("lost = 0", 'globals()["a"]()', "plain_code: a look-up in globals"),
        ("lost = 0", 'eval("1")', "plain_code: eval or exec"),
        ("lost = 0", 'exec("1")', "plain_code: eval or exec"),
        ("lost = 0", '[sys.executable, "-c", source]', "plain_code: a program as an argument"),
        ("lost = 0", "!python -c 'print(1)'", "plain_code: a program as an argument"),
        ("lost = 0", "!{sys.executable} -m helpers", "plain_code: a path that may hold a blank"),
        ("lost = 0", "f = lambda: 1  # noqa", "plain_code: a silenced linter"),
        ("worker = Worker()", "Worker.run = run", "plain_code: Worker is changed after its cell"),
        ("worker = Worker()", 'Worker.a, b = 1, 2', "plain_code: Worker is changed after its cell"),
        ("worker = Worker()", 'setattr(Worker, "a", 1)', "plain_code: Worker is changed after its cell"),
        ('check("1.1", ...)', 'def f(a):\n    raise NotImplementedError\n\n\ncheck("1.1", f)',
         "tasks: the task of 1.1 must say `f(…)`"),
        ('predict("1.1"', 'predict("1.2"', 'predictions: verdict("1.1") has no predict("1.1", …)'),
        ("lost=...", "lost=0", 'predictions: predict("1.1") must leave names to fill in'),
        (", lost=..., twice=...", "", 'predictions: predict("1.1") must leave names to fill in'),
        ("lost=..., twice", "twice", "predictions: verdict(\"1.1\") measures what nobody predicted: lost"),
        ('{"lost": lost}', "dict(lost=lost)", 'predictions: verdict("1.1"): write measured='),
        ("(images/one.svg)", "(labs/../images/one.svg)", "diagram: no diagram"),
        ("**queue**", "queue", "terms: the glossary has queue explained here"),
        ("Much.", "What the guide claims.", 'no_guide: "the guide"'),
        ("Much.", "**Guide chapter:** 3", 'no_guide: "Guide chapter"'),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(course, old, new, said):
    page = [source.replace(old, new, 1) for source in CHAPTER]
    assert page != CHAPTER
    found = broken(write(course / "01_one.ipynb", page))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[Back](../01_one.ipynb)", "Back", "way_on: Next must link to 01_one"),
        ("(../02_two.ipynb)", "(../01_one.ipynb)", "way_on: Next must link to a page that comes"),
        ('check("1.3", ...)', "1", "budget: 0 exercises: 1 or more"),
        ("lost = 0", "lost = 0\n" * 140, "budget: 147 lines: at most 140"),
    ],
)
def test_a_broken_rule_of_a_lab_is_named(course, old, new, said):
    page = [source.replace(old, new, 1) for source in LAB]
    assert page != LAB
    found = broken(write(course / "labs/01_lab.ipynb", page))
    assert any(said in each for each in found), found


def test_the_prediction_comes_in_an_earlier_cell(course):
    page = [source for source in CHAPTER if "predict" not in source]
    page = [s.replace(">verdict", '>predict("1.1", lost=...)\nverdict') for s in page]
    found = broken(write(course / "01_one.ipynb", page))
    assert any('has no predict("1.1", …) in an earlier cell' in said for said in found), found


def test_a_term_is_bold_on_no_page_before_the_one_that_explains_it(course):
    front = write(course / "00_start_here.ipynb", ["# Start\n\nA **broker** has **queues**."])
    assert any("terms: queue is bold here, before 01_one" in said for said in broken(front))


def test_what_a_page_promises_or_sums_up_explains_no_term(course):
    page = [source.replace("**queue**", "queue") for source in CHAPTER]
    page = [source.replace("Much.", "- **Queue** this.") for source in page]
    found = broken(write(course / "01_one.ipynb", page))
    assert any("terms: the glossary has queue explained here" in said for said in found), found


def test_the_front_door_is_free_of_the_budget_but_says_its_time(course):
    page = ["# Start\n\n" + "word " * 900, *CHAPTER[1:5], *CHAPTER[11:13], *CHAPTER[15:17]]
    page += ["## Next\n\n[One](01_one.ipynb)", "A **broker**"]
    assert broken(write(course / "00_start_here.ipynb", page)) == []


@pytest.mark.parametrize(
    "written",
    ["SELECT 1\nFROM a\nWHERE b\nLIMIT 1", '{"type":\n"record",\n"name":\n"a"}', "a = 1\n" * 9,
     "import sys\nprint(sys.path)", "for my part\nI think\nthat it\nwill do"],
)  # fmt: skip
def test_what_is_no_program(written):
    assert not pages.is_program(written)


def test_the_command_says_size_and_broken_rules(course, capsys):
    write(course / "01_one.ipynb", [*CHAPTER, ">eval('1')"])
    assert pages.main([str(course / "01_one.ipynb")]) == 1
    _, row, *said = capsys.readouterr().out.splitlines()
    assert row.split() == ["01_one", "10", "8", "209", "20.9", "15"]
    assert said == ["  - plain_code: eval or exec: write the call (eval('1'))"]
    assert pages.main([str(course / "labs/01_lab.ipynb")]) == 0
