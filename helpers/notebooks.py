"""Reading notebooks: for the scorecard, the progress, and the check that knows its own solutions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def paths(folder: Path, names: str = "*.ipynb") -> list[Path]:
    """The notebooks under a folder, but for JupyterLab's own copies of them."""
    return [path for path in sorted(folder.rglob(names)) if ".ipynb_checkpoints" not in path.parts]


def cells(folder: Path, kind: str, names: str = "*.ipynb") -> Iterator[tuple[Path, str, list[str]]]:
    """The cells of the notebooks under a folder.

    Args:
        kind: ``"code"`` or ``"markdown"``.
        names: a pattern of the notebooks' names.

    Yields:
        the notebook, what stands in the cell, and its tags.
    """
    for path in paths(folder, names):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            if cell["cell_type"] == kind:
                yield path, "".join(cell["source"]), cell.get("metadata", {}).get("tags", [])
