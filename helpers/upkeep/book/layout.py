"""Lays the pages out for Sphinx: as they are, but for what a page can't know of the book it stands in."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from .contents import Page, contents, every_page

_LINK = re.compile(r"\]\(([^)\s#]+)")


def lay_out(root: Path, target: Path) -> None:
    """Write the book's sources into a new folder: its pages, and the files that these show or link to."""
    files: dict[str, bytes] = {}
    for page in every_page(root):
        text = (root / page.source).read_text(encoding="utf-8")
        files |= {name: (root / name).read_bytes() for name in _linked(root, page, text)}
    for page in every_page(root):  # after all files, among which are pages that others link to
        files[page.source] = _adapted(root, page).encode()
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def _linked(root: Path, page: Page, text: str) -> set[str]:
    """The files of the course that a page shows or links to."""
    folder = posixpath.dirname(page.source)
    named = {posixpath.normpath(posixpath.join(folder, link)) for link in _LINK.findall(text)}
    return {name for name in named if (root / name).is_file()}


def _adapted(root: Path, page: Page) -> str:
    text = (root / page.source).read_text(encoding="utf-8")
    if page.source.endswith(".ipynb"):
        return _notebook(json.loads(text), page)
    if page == every_page(root)[0]:
        text += "".join(_toctree(page, below, part) for part, below in contents(root).items())
    return text


def _notebook(notebook: dict[str, Any], page: Page) -> str:
    """Solutions are folded, figures and tables can be read out, and a chapter leads to its labs."""
    notebook["metadata"]["language_info"]["pygments_lexer"] = "ipython3"  # knows `!command`
    for cell in notebook["cells"]:
        if "solution" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("hide-cell")
        for output in cell.get("outputs", []):
            if table := "".join(
                output.get("data", {}).get("text/html", "")
            ):  # pandas' empty corner
                output["data"]["text/html"] = table.replace("<th></th>", "<td></td>")
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            cell["metadata"]["mystnb"] = {"image": {"alt": _figure_text("".join(cell["source"]))}}
    if page.below:
        last = {"cell_type": "markdown", "id": "book-below", "metadata": {}}
        notebook["cells"].append(last | {"source": _toctree(page, page.below)})
    return json.dumps(notebook, indent=1, ensure_ascii=False)


def _figure_text(source: str) -> str:
    """For who can't see a figure: its title, and where its facts stand."""
    titles = [
        word.value.value
        for node in ast.walk(ast.parse(re.sub(r"^!.*", "", source, flags=re.MULTILINE)))
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "title"
        and isinstance(word.value, ast.Constant)
        and isinstance(word.value.value, str)
    ]
    return f"Figure “{titles[-1] if titles else 'What was measured'}”: the text says what it shows."


def _toctree(page: Page, below: tuple[Page, ...] | list[Page], caption: str = "") -> str:
    folder = posixpath.dirname(page.source) or "."
    entries = "".join(f"{p.entry} <{posixpath.relpath(p.source, folder)}>\n" for p in below)
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return f"\n\n```{{toctree}}\n{options}\n{entries}```\n"
