"""A run of notebooks under nbval: what it says of a failure, and that no broker and no file outlives it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from conftest import containers
from helpers import settings, wait_until
from helpers.brokers import marks

WRONG = "Kafka and RabbitMQ are down.\n"


@pytest.fixture
def space() -> Iterator[Path]:
    """Where a run has its temporary files."""
    with tempfile.TemporaryDirectory(prefix="bb-") as folder:
        yield Path(folder)


def environment(space: Path) -> dict[str, str]:
    """Of a run that has brokers of its own."""
    own = ("BREAKING_BROKERS_OWNER", "BREAKING_BROKERS_PORT_OFFSET", "PYTEST_CURRENT_TEST")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {**kept, "TMPDIR": str(space)}


def start(notebooks: Path, space: Path) -> subprocess.Popen:
    """A run of pytest like that of all notebooks, in two processes."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "conftest", "-n", "1"),
            *("--nbval", "--nbval-current-env", str(notebooks)),
        ],
        cwd=settings.CHECKOUT,
        env=environment(space),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def brokers_of(run: Path) -> set[int | str]:
    if settings.forced_backend() == "compose":
        return containers(run.name)
    return {found.pid for found, mark in marks.ours() if Path(mark.node).is_relative_to(run)}


def write(notebook: Path, *cells: nbformat.NotebookNode) -> None:
    for n, cell in enumerate(cells, 1):
        cell.execution_count = n
    nbformat.write(new_notebook(cells=list(cells)), notebook)


def test_a_failure_shows_the_cell_the_difference_and_the_logs(tmp_path, space):
    said = [new_output("stream", name="stdout", text=WRONG)]
    first = new_code_cell("from helpers import up\nbrokers = up()", outputs=said)
    write(tmp_path / "wrong.ipynb", first, new_code_cell("1 / 0"))
    data = {"text/plain": "'a picture'", "image/png": "AAAA"}
    drawn = [new_output("execute_result", data=data, execution_count=1)]
    write(tmp_path / "picture.ipynb", new_code_cell("'a picture'", outputs=drawn))
    output, _ = start(tmp_path, space).communicate()
    assert "2 failed, 1 skipped" in output
    assert "draws 0 pictures, not 1" in output
    for words in ("wrong.ipynb::Cell 0", "brokers = up()", WRONG, "Kafka and RabbitMQ are up."):
        assert words in output
    for name in ("kafka", "rabbitmq"):
        assert re.search(rf"-- log of {name} --+\n.*\w", output)


def test_no_temporary_file_outlives_a_run(tmp_path, space):
    source = "import tempfile\nopen(tempfile.mkdtemp() + '/file', 'w').write('left') and None"
    write(tmp_path / "leaves.ipynb", new_code_cell(source))
    output, _ = start(tmp_path, space).communicate()
    assert "1 passed" in output
    assert list(space.iterdir()) == []


def test_brokers_and_files_end_with_a_run_that_is_killed(tmp_path, space):
    notebook, told = tmp_path / "long.ipynb", tmp_path / "run"
    source = f"""
from pathlib import Path
from helpers import settings, up
up()
Path({str(told)!r}).write_text(str(settings.run_dir()))
__import__("threading").Event().wait(600)
"""
    write(notebook, new_code_cell(source))
    killed = start(notebook, space)
    run = Path(wait_until(lambda: told.is_file() and told.read_text(), "brokers", timeout=90))
    assert len(brokers_of(run)) >= 2
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    wait_until(lambda: not run.exists(), "the end of its brokers", timeout=60)
    wait_until(lambda: not list(space.iterdir()), "the end of its files", timeout=60)
    assert brokers_of(run) == set()


@pytest.mark.native_files
def test_a_soak_kills_kernel_and_brokers_before_a_notebook_and_then_it_runs(space):
    build = settings.CHECKOUT / "build"
    build.mkdir(exist_ok=True)
    up = new_output("stream", name="stdout", text="Kafka and RabbitMQ are up.\n")
    with tempfile.TemporaryDirectory(dir=build, prefix="soak-") as folder:
        notebook = Path(folder) / "sound.ipynb"
        first = new_code_cell("from helpers import up\nbrokers = up()", outputs=[up])
        write(notebook, first, new_code_cell("pass"))
        output = subprocess.run(
            [sys.executable, "-m", "tests.soak", "--rounds", "1", "--seed", "7", str(notebook)],
            cwd=settings.CHECKOUT,
            env=environment(space),
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    assert "sound.ipynb: kernel killed after cell 1; killed: ['" in output
    assert "left behind: nothing" in output
    assert "1 of 1 rounds passed" in output
