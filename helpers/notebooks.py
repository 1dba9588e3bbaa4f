"""Reading notebooks: for the scorecard, the progress, and the check that knows its own solutions."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FRONT_DOOR = "00_start_here.ipynb"
_LINK = re.compile(r"\]\(([^)#]+\.ipynb)\)")


def paths(folder: Path, names: str = "*.ipynb") -> list[Path]:
    """The notebooks under a folder, but for JupyterLab's own copies of them."""
    return [path for path in sorted(folder.rglob(names)) if ".ipynb_checkpoints" not in path.parts]


def extras(notebook: Path) -> list[str]:
    """What a notebook needs beside the course's own, by its metadata: names of ``EXTRAS``."""
    about: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    return list(about.get("breaking_brokers", {}).get("extras", []))


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


def in_reading_order(notebooks: Iterable[Path], course: Path) -> list[Path]:
    """Each chapter before what goes deeper, which comes as the map on the front door has it.

    Args:
        notebooks: of the course, or some of them.
        course: the folder of its chapters and of the front door.
    """
    front = cells(course, "markdown", FRONT_DOOR)
    mapped = [course / link for _, text, _ in front for link in _LINK.findall(text)]
    place = {path: number for number, path in reversed(list(enumerate(mapped)))}
    last = len(mapped)
    return sorted(
        notebooks,
        key=lambda path: (path.name[:2], path.parent != course, place.get(path, last), path.name),
    )
