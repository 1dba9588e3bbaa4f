"""Imports of the helpers run downwards: upkeep → exercises → helpers → brokers → settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
MODULES = sorted(HELPERS.rglob("*.py"))
FLOORS = {
    "settings": 0, "waiting": 0, "brokers": 1, "exercises": 3, "clinic": 3, "upkeep": 4,
    "__init__": 4, "__main__": 4,
}  # fmt: skip
A_LESSONS_OWN = 2  # every other module: ledger, charts, names and so on


def floor(path: Path) -> int:
    return FLOORS.get(path.relative_to(HELPERS).with_suffix("").parts[0], A_LESSONS_OWN)


def imported(module: Path) -> Iterator[Path]:
    """The modules and packages of the helpers that one imports, within functions too."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (
            node.level or str(node.module).startswith("helpers")
        ):
            above = module.parents[node.level - 1] if node.level else HELPERS.parent
            package = above.joinpath(*(node.module or "").split("."))
            for name in node.names:
                yield found(package / name.name) or found(package) or package
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "helpers":
                    yield HELPERS.parent.joinpath(*name.name.split("."))


def found(path: Path) -> Path | None:
    """The file of a module or of a package, if there is one."""
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(HELPERS)))
def test_imports_run_downwards_only(module):
    upwards = [path for path in imported(module) if floor(path) > floor(module)]
    assert upwards == []


def test_imports_are_found():
    assert {path.stem for path in imported(HELPERS / "names.py")} == {"settings", "__init__"}
    assert HELPERS / "brokers" / "progress_line.py" in imported(HELPERS / "upkeep" / "refresh.py")
