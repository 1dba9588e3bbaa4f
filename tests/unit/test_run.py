"""The test command: every phase is run, and the seed gives the order of the notebooks."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

import conftest
from helpers import settings
from tests import run

NOTEBOOKS = [f"notebooks/0{n}_{name}.ipynb" for n, name in ((0, "start_here"), (1, "history"))]
START, *_ = NOTEBOOKS
CAPACITY, ROLLING, FAILOVER = (
    f"notebooks/labs/{name}.ipynb"
    for name in ("10_capacity", "10_rolling_restart", "05_quorum_failover")
)
NOTEBOOKS += ["notebooks/03_queue_vs_pubsub.ipynb", "notebooks/labs/05_rpc.ipynb"]


def test_a_failed_phase_is_told_and_the_next_one_is_run(monkeypatch, capfd):
    parts = {"first": ["-c", "exit(1)"], "second": ["-c", "print('reached')"]}
    monkeypatch.setattr(run, "phases", lambda *_: parts)
    monkeypatch.setattr(sys, "argv", ["tests/run.py", "--seed", "7"])
    assert run.main() == 1
    said = capfd.readouterr().out
    assert said.startswith("Seed 7: ")
    assert "reached" in said
    told = [line.split(" in ")[0] for line in said.splitlines()[-2:]]
    assert told == ["FAILED", "passed"]


def test_the_second_pass_has_another_order():
    once, twice = run.phases(7), run.phases(7, all_of_it=True)
    assert [*twice][: len(once)] == [*once]
    first, second = twice["notebooks"], [*twice.values()][-1]
    assert [a for a, b in zip(first, second, strict=True) if a != b] == ["7"]


def test_each_folder_of_tests_is_run_in_a_phase():
    arguments = {word for words in run.phases(7, all_of_it=True).values() for word in words}
    files = (settings.CHECKOUT / "tests").rglob("test_*.py")
    assert {str(file.parent.relative_to(settings.CHECKOUT)) for file in files} <= arguments


def test_the_same_content_draws_the_same_and_another_something_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]

    def seed(text):
        Path("file").write_text(text)
        for command in (["add", "file"], ["commit", "-q", "-m", text]):
            subprocess.run([*git, *command], check=True)
        return run.seed_of_the_content()

    subprocess.run(["git", "init", "-q"], check=True)
    seeds = [seed(text) for text in ("one", "another", "one")]
    assert seeds[0] == seeds[2] != seeds[1]


def test_a_seed_gives_the_notebooks_an_order_and_leaves_the_cells_theirs():
    first, again = collected(2), collected(2)
    assert first == again
    files = [file for file, _ in groupby(first, key=lambda cell: cell.partition("::")[0])]
    assert sorted(files) == NOTEBOOKS
    assert files != NOTEBOOKS
    for file in files:
        cells = [cell for cell in first if cell.startswith(file)]
        assert cells == [f"{file}::Cell {n}" for n in range(len(cells))]


def test_those_that_use_a_cluster_come_first():
    firsts = {collected(seed)[0].partition("::")[0] for seed in (2, 3)}
    assert firsts == {"notebooks/01_history.ipynb"}  # the only one of these


@pytest.mark.parametrize(
    ("running", "next_one"),
    [
        ((), FAILOVER),
        ((CAPACITY,), FAILOVER),
        (("notebooks/labs/10_drain.ipynb",), CAPACITY),
        (("notebooks/labs/10_drain.ipynb", CAPACITY), START),
        ((ROLLING,), START),
        (("of/a/test.ipynb",), FAILOVER),
        ((CAPACITY, "notebooks/labs/10_drain.ipynb"), START),
    ],
)
def test_a_worker_gets_a_notebook_whose_clusters_no_other_one_uses(running, next_one):
    assert conftest.next_of([FAILOVER, CAPACITY, START], running) == next_one


@pytest.mark.parametrize(
    ("notebook", "uses"),
    [
        (START, set()),
        (CAPACITY, {"kafka"}),
        (ROLLING, {"kafka", "rabbitmq"}),
        ("notebooks/labs/10_clinic.ipynb", {"kafka", "rabbitmq"}),
        ("notebooks/projects/sign_up/11_sign_up.ipynb", {"kafka"}),
    ],
)
def test_clusters_are_seen_in_a_notebook_and_in_what_it_calls(notebook, uses):
    assert conftest.clusters(settings.CHECKOUT / notebook) == uses


def test_none_is_free_where_all_use_clusters_that_are_taken():
    assert conftest.next_of([CAPACITY, ROLLING], [ROLLING]) == ""


class Worker:
    """What the scheduler asks of a worker, and what it was given."""

    shutting_down = False

    def __init__(self) -> None:
        self.given: list[int] = []

    def shutdown(self) -> None:
        self.shutting_down = True

    def send_runtest_some(self, cells: list[int]) -> None:
        self.given += cells


@pytest.mark.parametrize(
    ("waiting", "running", "over", "other_ends", "given"),
    [
        ([CAPACITY, START], ROLLING, False, False, [1]),  # the one that uses no cluster
        ([CAPACITY, START], ROLLING, True, False, [0]),  # what has ended uses none
        ([CAPACITY], ROLLING, False, False, []),  # left to the other worker
        ([CAPACITY], ROLLING, False, True, [0]),  # who waits, since there is no other worker
    ],
)
def test_a_worker_for_whom_only_taken_clusters_are_left_ends(
    monkeypatch, request, waiting, running, over, other_ends, given
):
    monkeypatch.setattr(request.config.option, "tx", ["2*popen"])
    scheduler = conftest.OneClusterOfEach(request.config)
    worker, other = Worker(), Worker()
    other.shutting_down = other_ends
    scheduler.workqueue.update({notebook: {notebook: False} for notebook in waiting})
    scheduler.assigned_work.update({worker: {}, other: {running: {running: over}}})
    scheduler.registered_collections[worker] = waiting
    scheduler._assign_work_unit(worker)
    assert worker.given == given
    assert worker.shutting_down == (not given)
    assert len(scheduler.workqueue) == len(waiting) - len(given)


def collected(seed: int) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "--nbval", f"--seed={seed}"]
    done = subprocess.run(
        [*command, *NOTEBOOKS], cwd=settings.CHECKOUT, capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if "::" in line]
