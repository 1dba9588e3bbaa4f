"""``make refresh``: run notebooks again and store their outputs.

A notebook whose outputs are those that it had, as nbval compares them, is left byte for byte as it
was: pictures differ by a pixel and ignored cells by the time of day, and neither is news.
"""

import atexit
import copy
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbval import plugin as nbval

from .. import extras, notebooks, settings
from ..brokers import files
from ..brokers.progress_line import Progress

SANITIZE = settings.CHECKOUT / "tests" / "sanitize.cfg"
CELL_SECONDS = 120
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
WIPED_OUT = re.compile(r"\r[^\n]*\r")  # see Progress
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted")
NOT_COMPARED = {  # by nbval
    "metadata", "traceback", "prompt_number", "output_type", "name", "execution_count",
    "application/vnd.jupyter.widget-view+json", "image/png", "image/jpeg",
}  # fmt: skip


class RefreshError(RuntimeError):
    """A notebook did not run to its end; the text says which cell, and why."""


def main(named: Sequence[str]) -> int:
    """Refresh the notebooks named, or all. Returns 0 if each ran to its end, else 1."""
    chosen = [Path(path) for path in named] or notebooks.paths(settings.NOTEBOOKS)
    failed = 0
    for path in chosen:
        try:
            if missing := extras.missing(*notebooks.extras(path)):
                said = f"left as it is; it needs {missing}"
            else:
                said = "stored anew" if refresh(path) else "unchanged"
            print(f"{path.name}: {said}", flush=True)
        except (RefreshError, OSError, nbformat.ValidationError) as error:
            print(f"{path.name}: NOT refreshed. {error}", flush=True)
            failed += 1
    return 1 if failed else 0


def refresh(path: Path) -> bool:
    """Run one notebook in its folder; True if it was written, False if that was not needed.

    Raises:
        RefreshError: a cell failed; nothing is written.
    """
    text = path.read_text(encoding="utf-8")
    stored = nbformat.reads(text, as_version=4)
    run = copy.deepcopy(stored)
    _execute(run, path)
    normalise(run)
    tidy = copy.deepcopy(stored)
    normalise(tidy)
    if tidy == stored and same_outputs(stored, run) and not _sources_edited(stored, path):
        return False
    files.write(path, nbformat.writes(run) + "\n")
    return True


def normalise(notebook: NotebookNode) -> None:
    """Remove what differs from run to run and machine to machine, and number the cells."""
    notebook.metadata.update(copy.deepcopy(METADATA))
    count = 0
    for cell in notebook.cells:
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        if cell.source.strip():
            count += 1
        cell.execution_count = count if cell.source.strip() else None
        cell.outputs = _merged(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def same_outputs(stored: NotebookNode, run: NotebookNode) -> bool:
    """Would nbval, comparing strictly, find no difference?"""
    patterns = nbval.get_sanitize_patterns(SANITIZE.read_text()) if SANITIZE.exists() else []
    return all(
        _compared(old, patterns) == _compared(new, patterns)
        for old, new in zip(stored.cells, run.cells, strict=True)
        if old.cell_type == "code" and not _ignored(old)
    )


def _compared(cell: NotebookNode, patterns: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """What nbval compares of a cell: values by key, so the order among keys is no matter."""
    found: dict[str, list[Any]] = defaultdict(list)
    outputs = nbval.coalesce_streams(copy.deepcopy(cell.outputs))
    for output in nbval.transform_streams_for_comparison(outputs):
        flat = {**output, **output.get("data", {})}
        for key in flat.keys() - NOT_COMPARED - {"data"}:
            value = flat[key]
            for pattern, replacement in patterns if isinstance(value, str) else ():
                value = re.sub(pattern, replacement, value)
            found[key].append(value)
    return found


def _ignored(cell: NotebookNode) -> bool:
    marks = dict(nbval.find_comment_markers(cell.source))
    marks.update(nbval.find_metadata_tags(cell.metadata))
    return marks.get("check") is False or marks.get("skip") is True


def _merged(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Neighbours of one stream become one output: how they were cut up is chance.

    What progress wrote and wiped out again is wiped out here too."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = WIPED_OUT.sub("", output.text)
    return [output for output in merged if output.get("text") != ""]


def _sources_edited(stored: NotebookNode, path: Path) -> bool:
    """Were cells edited since the last commit? Then a picture may be news, though not compared."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    try:
        shown = subprocess.run(command, cwd=path.parent, capture_output=True, check=True).stdout
        committed = nbformat.reads(shown.decode(), as_version=4)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return False
    return [c.source for c in committed.cells] != [c.source for c in stored.cells]


def _execute(notebook: NotebookNode, path: Path) -> None:
    """Run all cells, with the Python of this process as the kernel.

    Raises:
        RefreshError: a cell raised and was not meant to, took too long, or ended the kernel.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun: list[NotebookNode] = []

    def begin(cell: NotebookNode, cell_index: int) -> None:  # noqa: ARG001 - nbclient's names
        if cell.cell_type == "code":
            begun.append(cell)
            progress.update(f"code cell {len(begun)} of {len(code)}")

    sockets = tempfile.TemporaryDirectory(prefix="kernel-")  # which no other user can reach
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            transport="ipc",
            ip=str(Path(sockets.name, "port")),
        ),
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_start=begin,
    )
    try:
        with sockets, Progress(f"Running {path.name}") as progress:
            client.execute(cleanup_kc=True)  # and end the kernel, which is ours
    except CellExecutionError as error:
        raise RefreshError(f"{_where(begun)} raised {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise RefreshError(f"{_where(begun)} took more than {CELL_SECONDS} s.") from error
    except DeadKernelError as error:
        raise RefreshError(f"{_where(begun)} ended the kernel.") from error
    except RuntimeError as error:  # nbclient's word for a kernel that does not come up
        raise RefreshError(f"{_where(begun)} does not answer ({error}). Run it again.") from error
    finally:
        atexit.unregister(client._cleanup_kernel)  # nbclient forgets it if no kernel came up


def _where(begun: Sequence[NotebookNode]) -> str:
    if not begun:
        return "The kernel"
    first_line = begun[-1].source.strip().partition("\n")[0]
    return f"Code cell {len(begun)} ({first_line!r})"
