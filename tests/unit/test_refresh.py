"""Refresh: a notebook changes on disk if what nbval compares changed, and not otherwise."""

import atexit
import functools
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest
from ipykernel import kernelspec
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.upkeep import refresh as module
from helpers.upkeep.refresh import RefreshError, main, refresh


@pytest.fixture(autouse=True)
def _seconds_are_not_compared(tmp_path, monkeypatch):
    sanitize = tmp_path / "sanitize.cfg"
    sanitize.write_text("regex: \\d+ ms\nreplace: N ms\n")
    monkeypatch.setattr(module, "SANITIZE", sanitize)


def stored(folder: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    """A notebook of these cells, the last with these tags, run and stored once."""
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    cells[-1].metadata.tags = list(tags)
    path = folder / "my notebook ü.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    assert refresh(path)
    return path


def outputs(path: Path) -> list:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.outputs for cell in cells if cell.cell_type == "code"]


def test_outputs_are_stored_in_one_normal_form(tmp_path):
    path = stored(tmp_path, "print(1, flush=True)\nprint(2)", "", "6 * 7")
    notebook = nbformat.read(path, as_version=4)
    first, empty, last = notebook.cells[1:]
    assert [o.text for o in first.outputs] == ["1\n2\n"]
    assert last.outputs[0].data == {"text/plain": "42"}
    assert [c.execution_count for c in (first, empty, last)] == [1, None, 2]
    assert last.outputs[0].execution_count == 2
    assert notebook.metadata.kernelspec == module.METADATA["kernelspec"]
    assert "version" not in notebook.metadata.language_info
    assert "execution" not in first.metadata


def test_an_unchanged_notebook_stays_byte_for_byte(tmp_path):
    path = stored(tmp_path, "print('same')")
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    assert not refresh(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, time)


def test_what_is_sanitised_or_ignored_or_a_picture_is_no_change(tmp_path):
    picture = "import os\nfrom IPython.display import Image\nImage(os.urandom(9), format='png')"
    path = stored(
        tmp_path,
        "import time\nprint(time.time_ns(), 'ms')",
        picture,
        "print(time.time_ns())",
        tags=("nbval-ignore-output",),
    )
    assert not refresh(path)


def test_a_changed_output_is_stored(tmp_path):
    counter = "from pathlib import Path\nn = Path('n')\nn.write_text(n.exists() * 'x' + 'y')"
    path = stored(tmp_path, counter + "\nprint(n.read_text())")
    assert refresh(path)
    assert "xy" in outputs(path)[0][0].text


def test_cell_ids_survive(tmp_path):
    path = stored(tmp_path, "import time; print(time.time_ns())")
    before = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert refresh(path)
    assert [cell.id for cell in nbformat.read(path, as_version=4).cells] == before


def test_timestamps_and_odd_counts_in_a_stored_notebook_are_put_right(tmp_path):
    path = stored(tmp_path, "print('same')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata.execution = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    notebook.cells[1].execution_count = 17
    nbformat.write(notebook, path)
    assert refresh(path)
    assert not refresh(path)


def test_an_edited_cell_is_news_even_if_only_a_picture_differs(tmp_path):
    path = stored(tmp_path, "a = 1")

    def git(*words: str) -> None:
        settings = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *settings, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "x")
    assert not refresh(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "a = 2"
    nbformat.write(notebook, path)
    assert refresh(path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", ["Code cell 2", "1 / 0", "ZeroDivisionError"]),
        ("import os; os._exit(1)", ["Code cell 2", "kernel"]),
    ],
)
def test_a_failing_cell_is_named_and_nothing_is_written(tmp_path, capsys, source, words):
    path = stored(tmp_path, "print('same')", "print('fine')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source = source
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert path.read_bytes() == before
    said = capsys.readouterr().out
    assert all(word in said for word in [path.name, *words])


def test_a_cell_that_takes_too_long_is_named(tmp_path, monkeypatch):
    path = tmp_path / "slow.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("import time; time.sleep(60)")]), path)
    monkeypatch.setattr(module, "CELL_SECONDS", 1)
    with pytest.raises(RefreshError, match=r"Code cell 1 .* more than 1 s"):
        refresh(path)


def test_a_meant_failure_is_an_output(tmp_path):
    path = stored(tmp_path, "1 / 0", tags=("raises-exception",))
    assert outputs(path)[0][0].ename == "ZeroDivisionError"
    assert not refresh(path)


def test_the_kernel_is_this_python_in_the_notebooks_folder(tmp_path):
    path = stored(tmp_path, "import os, sys\nprint(sys.prefix, os.getcwd(), sep='\\n')")
    where = outputs(path)[0][0].text.splitlines()
    assert where == [os.path.realpath(sys.prefix), os.path.realpath(tmp_path)]


@pytest.mark.parametrize("source", ["1", "1 / 0"])
def test_no_kernel_is_left(tmp_path, source):
    path = tmp_path / "any.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    before = set(psutil.Process().children(recursive=True))
    with suppress(RefreshError):
        refresh(path)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_what_progress_wiped_out_is_not_stored():
    told = nbformat.v4.new_output("stream", name="stdout", text="\rStarting … 2 s\r      \r")
    said = nbformat.v4.new_output("stream", name="stdout", text="\rWaiting … 2 s\r   \rup\n")
    only_progress, with_words = (
        new_code_cell("1", outputs=[told]),
        new_code_cell("2", outputs=[said]),
    )
    notebook = new_notebook(cells=[only_progress, with_words])
    module.normalise(notebook)
    assert notebook.cells[0].outputs == []
    assert notebook.cells[1].outputs[0].text == "up\n"


def test_a_kernel_that_does_not_come_up_is_named_and_ended(tmp_path, monkeypatch):
    path = tmp_path / "mute.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    mute = [sys.executable, "-c", "import time; time.sleep(60)", str(path)]
    monkeypatch.setattr(kernelspec, "make_ipkernel_cmd", lambda *_, **__: mute)
    impatient = functools.partial(module.NotebookClient, startup_timeout=1)
    monkeypatch.setattr(module, "NotebookClient", impatient)
    left_for_the_end: list = []
    monkeypatch.setattr(atexit, "register", left_for_the_end.append)
    monkeypatch.setattr(atexit, "unregister", left_for_the_end.remove)
    with pytest.raises(RefreshError, match="The kernel does not answer"):
        refresh(path)
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if str(path) in (p.info["cmdline"] or ())
    ]
    assert left_for_the_end == []
