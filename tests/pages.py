"""How much a page asks of its reader, and which rules of a page it breaks.

``python -m tests.pages notebooks/03_queue_vs_pubsub.ipynb`` prints both; of all pages if none is named.
"""

from __future__ import annotations

import ast
import functools
import json
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from helpers.notebooks import FRONT_DOOR, in_reading_order, paths

ROOT = Path(__file__).resolve().parents[1]
CLINIC = "10_clinic.ipynb"  # a reader comes back to it, for one patient at a time
PROJECTS = "11_projects.ipynb"  # has a section for each project
SKELETON = [
    *("What you'll learn", "What you'll need", "Set up"),
    *("Your turn", "Clean up", "Recap", "In production", "Next"),
]
BEFORE_SECTIONS = 3  # of these come first, the others last
LONGEST_SET_UP = 8  # lines
MOST_VERDICTS = 7
LONGEST_STRING = 3  # lines of Python in a string
BANNED = {
    r"\binspect\.getsource|\bgetsource\(": "source taken apart: write a program file",
    r"\bglobals\(\)\s*\[": "a look-up in globals(): name the function",
    r"(?<![.\w])(eval|exec)\(": "eval or exec: write the call",
    r"(?i)python\d?\s+-c\b|(python|executable),\s*[\"']-c[\"']": "a program as an argument: write a file",
    r"\{sys\.executable\}(?![\"'])": "a path that may hold a blank: put it in quotes",
    r"#\s*noqa": "a silenced linter: write it so that nothing has to be silenced",
}
GUIDE = re.compile(r"\b(the|this|our) guide\b|\bguide('s)? chapter", re.IGNORECASE)
TERM = re.compile(r"^- \*\*(?P<term>[^*]+)\*\*: (?P<text>.+?) \(\[[^\]]+\]\((?P<target>[^)]+)\)\)$")


# --- reading a page -----------------------------------------------------------------------------


@functools.lru_cache(maxsize=100)
def _read(path: Path, _changed: int) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def cells(path: Path, kind: str = "") -> list[dict[str, Any]]:
    """The cells of a notebook; with ``kind`` only those of that type."""
    every = _read(path, path.stat().st_mtime_ns)
    return [cell for cell in every if kind in ("", cell["cell_type"])]


def text(cell: dict[str, Any]) -> str:
    """What stands in a cell."""
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    """A cell's tags."""
    return cell["metadata"].get("tags", [])


def visible(path: Path, kind: str = "") -> list[dict[str, Any]]:
    """The cells that a reader meets: all but the solutions."""
    return [cell for cell in cells(path, kind) if "solution" not in tags(cell)]


def prose(path: Path) -> str:
    """The text of a page, with what Markdown adds to it."""
    return "\n\n".join(map(text, cells(path, "markdown")))


def headings(path: Path, level: int) -> list[str]:
    """The headings of one level, in their order."""
    return re.findall(rf"^{'#' * level} (.+)$", prose(path), re.MULTILINE)


def section(path: Path, heading: str) -> str:
    """What stands between a heading of the second level and the next one."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", prose(path), re.M | re.S)
    return found[1] if found else ""


def links(markdown: str) -> list[str]:
    """Where links and images lead: files beside the page, without the place within them."""
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", markdown)
    found += re.findall(r"""<img\b[^>]*\bsrc=["']([^"'#]+)""", markdown)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def images(path: Path) -> list[tuple[str, str]]:
    """The pictures that a page shows from files: alternative text and target."""
    found = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", prose(path))
    for tag in re.findall(r"<img\b[^>]*>", prose(path)):
        parts = dict(re.findall(r"""\b(alt|src)=["']([^"']*)["']""", tag))
        found.append((parts.get("alt", ""), parts.get("src", "")))
    return found


@functools.lru_cache(maxsize=2000)
def parsed(source: str) -> ast.Module:
    """A cell as Python, also where it calls a program with an exclamation mark."""
    return ast.parse(TransformerManager().transform_cell(source))


def calls(cell: dict[str, Any], name: str) -> list[ast.Call]:
    """Where a cell calls a function by its plain name."""
    return [
        node
        for node in ast.walk(parsed(text(cell)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def _id(call: ast.Call) -> str:
    return str(call.args[0].value) if call.args and isinstance(call.args[0], ast.Constant) else "?"


# --- where a page stands ------------------------------------------------------------------------


def kind(path: Path) -> str:
    """``chapter``, ``lab``, ``project`` or ``front door``."""
    if path.name == FRONT_DOOR:
        return "front door"
    if path.parent.parent.name == "projects":
        return "project"
    return "lab" if path.parent.name == "labs" else "chapter"


def name(path: Path) -> str:
    """How a page is called here: ``03_queue_vs_pubsub``, ``labs/04_listeners``."""
    return path.relative_to(_notebooks(path)).with_suffix("").as_posix()


def reading_order(notebooks: Path) -> list[Path]:
    """All pages: each chapter, then what goes deeper."""
    chapters = sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))
    return [page for chapter in chapters for page in (chapter, *deeper(chapter))]


def deeper(chapter: Path) -> list[Path]:
    """The labs of a chapter, or its projects, in the order of the map on the front door."""
    found = paths(chapter.parent, f"{chapter.name[:2]}_*.ipynb")
    return in_reading_order(set(found) - {chapter}, chapter.parent)


def _notebooks(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.name == "notebooks")


# --- how much it is -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """What a reader has to go through on one page."""

    lines: int
    cells: int
    words: int
    predictions: int
    exercises: int

    @property
    def words_per_line(self) -> float:
        """Words of prose for each visible line of code."""
        return self.words / max(self.lines, 1)

    @property
    def minutes(self) -> int:
        """How long it takes, rounded up to five minutes."""
        reading = Fraction(self.words, 180) + Fraction(self.lines, 10)
        return 5 * math.ceil((reading + self.predictions + 5 * self.exercises) / 5)


@dataclass(frozen=True)
class Budget:
    """The most, or the least, that a page may have."""

    lines: int
    cells: int
    words: int
    words_per_line: int
    minutes: int
    exercises: range


BUDGETS = {
    "chapter": Budget(180, 30, 2400, 10, 60, range(2, 4)),
    "lab": Budget(140, 22, 1600, 8, 45, range(1, 100)),
}


def size(path: Path) -> Size:
    """Count a page: solutions, fenced code, link targets and pictures don't count."""
    code = visible(path, "code")
    shown = "\n".join(map(text, code))
    return Size(
        lines=sum(bool(line.strip()) for line in shown.splitlines()),
        cells=len(code),
        words=words("\n\n".join(map(text, visible(path, "markdown")))),
        predictions=sum(len(calls(cell, "predict")) for cell in code),
        exercises=len({_id(call) for cell in code for call in calls(cell, "check")}),
    )


def words(markdown: str) -> int:
    """The words of a text; signs that stand alone are none."""
    for pattern in (r"^```.*?^```", r"!\[[^\]]*\]\([^)]*\)", r"(?<=\])\([^)]*\)", r"<[^>\n]+>"):
        markdown = re.sub(pattern, " ", markdown, flags=re.MULTILINE | re.DOTALL)
    return sum(bool(re.search(r"\w", word)) for word in markdown.split())


# --- the rules ----------------------------------------------------------------------------------


def title(path: Path) -> Iterator[str]:
    """There is one, at the top."""
    if len(headings(path, 1)) != 1 or not text(cells(path)[0]).startswith("# "):
        yield "one title, and it comes first"


def targets(path: Path) -> Iterator[str]:
    """Every link and picture leads somewhere; a picture says in words what it shows."""
    for target in links(prose(path)):
        if not (path.parent / target).exists():
            yield f"a dead link: {target}"
    for alternative, target in images(path):
        if not alternative.strip():
            yield f"{target} has no alternative text"


def budget(path: Path) -> Iterator[str]:
    """Not more than a sitting; the stated time is the computed one. A project takes what it takes."""
    if path.name == CLINIC or kind(path) == "project":
        return
    has, may = size(path), BUDGETS.get(kind(path) if path.name != PROJECTS else "")
    if may:
        for what in ("lines", "cells", "words", "minutes"):
            if getattr(has, what) > getattr(may, what):
                yield f"{getattr(has, what)} {what}: at most {getattr(may, what)}"
        if has.words_per_line < may.words_per_line:
            yield f"{has.words_per_line:.1f} words a line: at least {may.words_per_line}"
        if has.exercises not in may.exercises:
            most = f" to {may.exercises[-1]}" if kind(path) == "chapter" else " or more"
            yield f"{has.exercises} exercises: {may.exercises[0]}{most}"
    stated = re.findall(r"\*\*Time:\*\* (\d+) minutes", section(path, "What you'll need"))
    if stated != [str(has.minutes)]:
        yield f'"What you\'ll need" must say **Time:** {has.minutes} minutes, not {stated}'


def skeleton(path: Path) -> Iterator[str]:
    """The same headings on every page; Set up is one short cell; not too many claims."""
    found = headings(path, 2)
    first, last = SKELETON[:BEFORE_SECTIONS], SKELETON[BEFORE_SECTIONS:]
    if kind(path) == "front door":
        wanted = [heading for heading in SKELETON if heading != "In production"]
        if [heading for heading in found if heading in wanted] != wanted:
            yield f"headings must have in this order: {', '.join(wanted)}"
    elif found[: len(first)] != first or found[-len(last) :] != last:
        yield f"headings must begin {', '.join(first)} and end {', '.join(last)}"
    set_up = [len([line for line in lines if line.strip()]) for lines in _set_up(path)]
    if len(set_up) != 1 or set_up[0] > LONGEST_SET_UP:
        yield f"Set up must be one cell of at most {LONGEST_SET_UP} lines, not of {set_up}"
    count = sum(len(calls(cell, "verdict")) for cell in visible(path, "code"))
    if count > MOST_VERDICTS:
        yield f"{count} verdicts: at most {MOST_VERDICTS}"


def _set_up(path: Path) -> Iterator[list[str]]:
    """The lines of each cell between the heading Set up and the next one."""
    heading = ""
    for cell in visible(path):
        if cell["cell_type"] == "markdown":
            heading = ([heading, *re.findall(r"^## (.+)$", text(cell), re.MULTILINE)])[-1]
        elif heading == "Set up":
            yield text(cell).splitlines()


def way_on(path: Path) -> Iterator[str]:
    """From each page to the next, to what goes deeper and back."""
    there = _notebooks(path)
    order = reading_order(there)
    chapters = [page for page in order if page.parent == there]
    leads_to = {(path.parent / link).resolve() for link in links(section(path, "Next"))}
    if kind(path) in ("chapter", "front door"):
        wanted = [*_next(path, chapters), *deeper(path)]
    else:
        wanted = [page for page in chapters if page.name[:2] == path.name[:2]]
        later = order[order.index(path) + 1 :] or [there / FRONT_DOOR]
        if leads_to.isdisjoint(page.resolve() for page in later):
            yield "Next must link to a page that comes later"
    for page in wanted:
        if page.resolve() not in leads_to:
            yield f"Next must link to {name(page)}"


def _next(path: Path, chapters: list[Path]) -> list[Path]:
    """The chapter that follows; after the last one the front door."""
    return [[*chapters, chapters[0]][chapters.index(path) + 1]]


def plain_code(path: Path) -> Iterator[str]:
    """Programs are files: none in a string, none glued together, no class changed from elsewhere."""
    classes: dict[str, int] = {}
    for number, cell in enumerate(cells(path, "code")):
        first = text(cell).strip().partition("\n")[0]
        for pattern, why in BANNED.items():
            if re.search(pattern, text(cell)):
                yield f"{why} ({first})"
        for node in ast.walk(parsed(text(cell))):
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, number)
            elif (written := _string(node)) and is_program(written):
                yield f"a program in a string: write a file ({first})"
        for changed in _changed(cell):
            if classes.get(changed, number) != number:
                yield f"{changed} is changed after its cell: write it whole ({first})"


def tasks(path: Path) -> Iterator[str]:
    """A task names the function that is to be written as its stub does."""
    texts = dict(re.findall(r"### Exercise (\d+\.\d+)(.*?)(?=### |\Z)", prose(path), re.S))
    for cell in visible(path, "code"):
        written = {
            node.name for node in parsed(text(cell)).body if isinstance(node, ast.FunctionDef)
        }
        for call in calls(cell, "check"):
            for asked in call.args[1:]:
                called = asked.id if isinstance(asked, ast.Name) else ""
                if called in written and f"`{called}(" not in texts.get(_id(call), ""):
                    yield f"the task of {_id(call)} must say `{called}(…)`, as its stub does"


def _string(node: ast.AST) -> str:
    """What a literal says; where an f-string has a value, a name."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_string(part) or "value" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def is_program(written: str) -> bool:
    """Is it Python that does something, and more than a line or two of it?"""
    if sum(bool(line.strip()) for line in written.splitlines()) <= LONGEST_STRING:
        return False
    try:
        body = ast.parse(textwrap.dedent(written)).body
    except (SyntaxError, ValueError):
        return False
    compound = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.For, ast.While)
    return any(isinstance(node, (*compound, ast.If, ast.With, ast.Try)) for node in body)


def _changed(cell: dict[str, Any]) -> Iterator[str]:
    """The names of which a cell sets an attribute, as in ``Name.attribute = …`` or by ``setattr``."""
    for node in ast.walk(parsed(text(cell))):
        match node:
            case ast.Attribute(value=ast.Name(id=changed), ctx=ast.Store()):
                yield changed
    for call in calls(cell, "setattr"):
        if isinstance(call.args[0], ast.Name):
            yield call.args[0].id


def predictions(path: Path) -> Iterator[str]:
    """Before a verdict something is predicted, and what is predicted is left for the reader."""
    known: dict[str, set[str]] = {}
    for cell in visible(path, "code"):
        for call in calls(cell, "verdict"):
            claim, measured = _id(call), _measured(call)
            if claim not in known:
                yield f'verdict("{claim}") has no predict("{claim}", …) in an earlier cell'
            elif measured is None:
                yield f'verdict("{claim}"): write measured={{"name": value}} with its names'
            elif unknown := measured - known[claim]:
                yield f'verdict("{claim}") measures what nobody predicted: {", ".join(unknown)}'
        for call in calls(cell, "predict"):
            told = [ast.unparse(keyword) for keyword in call.keywords if not _dots(keyword)]
            if told or not call.keywords:
                yield f'predict("{_id(call)}") must leave names to fill in, as lost=...: {told}'
            asked = {keyword.arg for keyword in call.keywords if keyword.arg}
            known.setdefault(_id(call), set()).update(asked)


def _dots(keyword: ast.keyword) -> bool:
    value = keyword.value
    return keyword.arg is not None and isinstance(value, ast.Constant) and value.value is ...


def _measured(call: ast.Call) -> set[str] | None:
    """The names that a verdict measures; none if it measures nothing by name, None if they aren't
    written there."""
    [value] = [k.value for k in call.keywords if k.arg == "measured"] or [ast.Dict([], [])]
    if not isinstance(value, ast.Dict):
        return None
    names = {key.value for key in value.keys if isinstance(key, ast.Constant)}
    return names if len(names) == len(value.keys) else None


def diagram(path: Path) -> Iterator[str]:
    """In each chapter there is one at least."""
    svg = [target for _, target in images(path) if re.fullmatch(r"images/[^/]+\.svg", target)]
    if kind(path) == "chapter" and not svg:
        yield "no diagram: show one SVG from images/ at least"


def terms(path: Path) -> Iterator[str]:
    """A term of the glossary is bold where it is explained, and on no page before that.

    What a page promises and what it sums up explains nothing: there bold words are for the eye."""
    order = reading_order(_notebooks(path))
    lists = {section(path, heading) for heading in ("What you'll learn", "Recap")} - {""}
    explained = functools.reduce(lambda rest, part: rest.replace(part, ""), lists, prose(path))
    for entry in glossary(_notebooks(path)):
        where = (_notebooks(path) / entry["target"]).resolve()
        bold = re.search(rf"\*\*{re.escape(entry['term'])}(e?s)?\*\*", explained, re.IGNORECASE)
        if where == path.resolve() and not bold:
            yield f"the glossary has {entry['term']} explained here, but nothing here is bold so"
        elif bold and where in order and order.index(path) < order.index(where):
            yield f"{entry['term']} is bold here, before {entry['target']}, which the glossary names"


def glossary(notebooks: Path) -> list[dict[str, str]]:
    """The entries of GLOSSARY.md: ``term``, ``text``, and ``target``, the page that explains it.

    Raises:
        ValueError: a line of the list has another form.
    """
    file = notebooks / "GLOSSARY.md"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    entries = [(line, TERM.match(line)) for line in lines if line.startswith(("-", "*"))]
    if wrong := [line for line, entry in entries if not entry]:
        raise ValueError(f"not of the form - **term**: a sentence ([where](page)): {wrong[0]}")
    return [entry.groupdict() for _, entry in entries if entry]


def no_guide(path: Path) -> Iterator[str]:
    """Readers have never seen the guide that the claims come from."""
    for cell in cells(path):
        said = [str(output.get("text", output.get("data"))) for output in cell.get("outputs", [])]
        for found in GUIDE.finditer("\n".join([text(cell), *said])):
            yield f'"{found[0]}": say whose claim it is in other words'


Rule = Callable[[Path], Iterator[str]]
RULES: tuple[Rule, ...] = (
    *(title, targets, budget, skeleton, way_on),
    *(plain_code, tasks, predictions, diagram, terms, no_guide),
)


def broken(path: Path, rules: Sequence[Rule] = RULES) -> list[str]:
    """What a page breaks of some rules, in a sentence each that says how."""
    return [f"{rule.__name__}: {said}" for rule in rules for said in rule(path)]


def main(arguments: Sequence[str]) -> int:
    """Print size and broken rules of pages; returns 1 if a rule is broken."""
    chosen = [Path(a).resolve() for a in arguments] or reading_order(ROOT / "notebooks")
    found = {path: broken(path) for path in chosen}
    print(f"{'page':32} {'lines':>5} {'cells':>5} {'words':>5} {'words/line':>10} {'minutes':>7}")
    for path, said in found.items():
        has = size(path)
        print(
            f"{name(path):32} {has.lines:5} {has.cells:5} {has.words:5} "
            f"{has.words_per_line:10.1f} {has.minutes:7}"
        )
        if arguments:
            print(*(f"  - {each}" for each in said), sep="\n", end="\n" if said else "")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
