"""`make soak`: all notebooks in random orders on a busy machine, after kernels and brokers were killed.

Before its turn each notebook is begun, and its kernel killed somewhere in the middle, which leaves topics,
queues, programs and clusters behind; then Kafka, RabbitMQ or both are killed. After that it has to run from
its beginning to its end, as strictly as ever. A round is a run of all notebooks; after it, nothing may be
left. A process beside it keeps a core busy. The status is 0 if no round had a failure or left anything.

``python -m tests.soak --rounds 2 --seed 7 notebooks/labs/05_streams.ipynb`` takes fewer.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbval.plugin import IPyNbCell

from helpers import settings
from helpers.brokers import marks
from tests import run

BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"  # until its parent is gone
BROKERS = [("kafka",), ("rabbitmq",), ("kafka", "rabbitmq")]


class Trouble:
    """A plugin of pytest: what happens before the first cell of each notebook that conftest's hook, which
    comes earlier, does not skip."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.met: set[Path] = set()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if isinstance(item, IPyNbCell) and item.path not in self.met:
            self.met.add(item.path)
            begun = abandon(item.path, self.draw)
            dead = kill_brokers(self.draw.choice(BROKERS))
            print(
                f"\n{item.path.name}: kernel killed after cell {begun}; killed: {dead}", flush=True
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:  # pytest tells it at the end, hours later
            print(f"\n{report.longreprtext}", flush=True)


def abandon(path: Path, draw: random.Random) -> int:
    """Begin a notebook, and kill its kernel after a cell that is drawn; returns which."""
    notebook = nbformat.read(path, as_version=4)
    last = draw.randrange(1, len(notebook.cells))
    manager = KernelManager(kernel_name="python3")
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, km=manager, timeout=120, resources=folder)
    client.start_new_kernel(stderr=subprocess.DEVNULL)  # what it says of itself
    client.start_new_kernel_client()
    try:
        for number, cell in enumerate(notebook.cells[:last]):
            client.execute_cell(cell, number)
    finally:
        client.kc.stop_channels()
        manager.shutdown_kernel(now=True)
    return last


def kill_brokers(names: tuple[str, ...]) -> list[str]:
    """Kill those of the single brokers of this run that live; returns which."""
    chosen = [settings.run_dir() / name for name in names]
    found = [(p, Path(mark.node)) for p, mark in marks.ours() if Path(mark.node) in chosen]
    for process, _ in found:
        marks.send(process, signal.SIGKILL)
    psutil.wait_procs([process for process, _ in found], timeout=30)
    return sorted({node.name for _, node in found})


def left() -> list[str]:
    """What of this checkout still runs, although whom it belonged to is dead."""
    ours = [one for one in marks.ours() if one[1].checkout == str(settings.CHECKOUT)]
    return [" ".join(p.cmdline())[:100] for p, m in ours if m.owner and not marks.lives(m.owner)]


def play(seed: int, chosen: list[str]) -> bool:
    """One round; true if nothing failed and nothing was left."""
    print(f"\nRound with seed {seed}", flush=True)
    arguments = ["-q", "--color=no", "-s", "-p", "no:xdist", "--seed", str(seed), *run.STRICT]
    once = [sys.executable, "-m", "tests.soak", "--one-round", str(seed), *arguments, *chosen]
    passed = subprocess.call(once) == 0
    remains = left()
    print("passed" if passed else "FAILED", "and left behind:", remains or "nothing", flush=True)
    return passed and not remains


def main() -> int:
    """Play the rounds; returns 0 if all passed."""
    if sys.argv[1:2] == ["--one-round"]:
        _, _, seed, *arguments = sys.argv
        return int(pytest.main(arguments, plugins=[Trouble(int(seed))]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("notebooks", nargs="*")
    asked = parser.parse_args()
    if (backend := settings.forced_backend() or "native") != "native":
        parser.error(
            f"BREAKING_BROKERS_BACKEND is {backend}, and soak kills native brokers only: unset it."
        )
    chosen = asked.notebooks or [f"--ignore={path}" for path in run.others()] + ["notebooks"]
    busy = subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
    try:
        results = [play(asked.seed + number, chosen) for number in range(asked.rounds)]
    finally:
        busy.kill()
        busy.wait()
    print(f"\n{sum(results)} of {asked.rounds} rounds passed, from seed {asked.seed}.")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
