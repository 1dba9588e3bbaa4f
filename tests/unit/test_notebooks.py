"""The rules of notebooks that hold whoever reads them; ``test_pages.py`` has those of a page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.notebooks import paths
from tests.pages import cells, parsed, prose, tags, text

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = paths(ROOT / "notebooks")
LONGEST_CELL = 25  # lines, but for a class or a function, which stands whole in a cell of its own
BANNED = {
    r"\A(?![\s\S]*consumer_timeout_ms)[\s\S]*for \w+ in consumer:": "an unbounded receive: set a deadline",
    r"start_consuming\(": "an unbounded receive: use connection.sleep or process_data_events",
    r"\btime\.sleep\(": "sleep as synchronisation: wait for a state with wait_until",
    r";\s*$": "a trailing semicolon: nbval shows what it hides",
    r"\binput\(": "input(): nothing answers it in a test",
    r"^from \S+ import \*": "a star import",
    r"sys\.path": "an edit of sys.path",
    r"clear_output|display_id": "output that nbval can't compare",
}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_names_are_two_digits_and_lower_case(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name)


@every_notebook
def test_stored_outputs_are_there_and_without_errors(path):
    for cell in cells(path, "code"):
        assert cell["execution_count"], f"not run: {text(cell)[:60]}"
        if "raises-exception" not in tags(cell):
            assert all(o["output_type"] != "error" for o in cell["outputs"]), text(cell)[:60]


@every_notebook
def test_what_is_drawn_is_shown(path):
    """A figure that is no cell's last expression is drawn for nobody; nbval does not miss it."""
    for cell in cells(path, "code"):
        stored = any("image/png" in output.get("data", {}) for output in cell["outputs"])
        drawn = any(name.startswith(("charts.", "plt.", "pyplot.")) for name in called(text(cell)))
        assert stored == drawn, text(cell)


@every_notebook
def test_what_a_cell_says_is_stored(path):
    """Where nothing is stored, nbval has nothing to compare."""
    for cell in cells(path, "code"):
        says = {"print", "display", "verdict", "check"} & set(called(text(cell)))
        assert cell["outputs"] or not says, text(cell)


def called(source: str) -> Iterator[str]:
    """What a cell calls when it runs, by name: not what is called within its functions."""
    waiting: list[ast.AST] = [parsed(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


@every_notebook
def test_no_warnings_in_stored_outputs(path):
    for cell in cells(path, "code"):
        assert all(o.get("name") != "stderr" for o in cell["outputs"]), text(cell)[:60]


@every_notebook
def test_cells_are_short(path):
    for cell in cells(path, "code"):
        whole = [
            isinstance(node, ast.FunctionDef | ast.ClassDef) for node in parsed(text(cell)).body
        ]
        assert whole == [True] or len(text(cell).splitlines()) <= LONGEST_CELL, text(cell)[:80]


@every_notebook
def test_nothing_banned(path):
    for cell in cells(path, "code"):
        for pattern, why in BANNED.items():
            assert not re.search(pattern, text(cell), re.MULTILINE), f"{why}:\n{text(cell)}"


@every_notebook
def test_ignored_output_is_rare(path):
    ignored = [cell for cell in cells(path, "code") if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) <= 2


@every_notebook
def test_each_exercise_has_a_solution(path):
    asked = re.findall(r"^### Exercise (\d+\.\d+)", prose(path), re.MULTILINE)
    solved = [
        found
        for cell in cells(path, "code")
        if "solution" in tags(cell)
        for found in re.findall(r'check\("(\d+\.\d+)"', text(cell))
    ]
    assert solved == asked
    for cell in cells(path, "code"):
        if "solution" in tags(cell):
            assert cell["metadata"]["jupyter"]["source_hidden"]


@every_notebook
def test_metadata_is_plain_and_ids_are_unique(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names)
    assert not any("execution" in cell["metadata"] for cell in notebook["cells"])


def test_readme_lists_every_notebook():
    listed = re.findall(r"\]\((notebooks/[^)]+\.ipynb)\)", (ROOT / "README.md").read_text())
    assert sorted(set(listed)) == [str(path.relative_to(ROOT)) for path in NOTEBOOKS]


def test_the_front_door_leads_to_every_notebook():
    front, *others = NOTEBOOKS
    led_to = re.findall(r"\]\(([^)]+\.ipynb)\)", prose(front))
    assert set(led_to) == {str(path.relative_to(front.parent)) for path in others}


def test_the_scorecard_is_current():
    from helpers import claims

    page = (ROOT / "notebooks" / "SCORECARD.md").read_text()
    assert claims.scorecard(ROOT / "notebooks") in page
