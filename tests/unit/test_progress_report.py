"""Progress: what was solved, run and predicted in the workbook, and what comes next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers import check, notes, settings
from helpers.__main__ import main
from helpers.exercises import grading
from helpers.exercises.answers import Wrong
from helpers.upkeep import progress

SOLUTION = 'check("3.1", 3)'


def notebook(path: Path, exercises: list[str], claims: list[str]) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [f"### Exercise {n}: do it"]}
        for n in exercises
    ]
    cells += [
        {"cell_type": "code", "metadata": {}, "source": [f'verdict("{n}", a=True)']} for n in claims
    ]
    cells.append({"cell_type": "code", "metadata": {"tags": ["solution"]}, "source": [SOLUTION]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells}))


@pytest.fixture(autouse=True)
def workbook(tmp_path, monkeypatch) -> Path:
    course, folder = tmp_path / "notebooks", tmp_path / "workbook"
    notebook(course / "00_start.ipynb", ["0.1"], [])
    notebook(course / "03_queue.ipynb", ["3.1", "3.2"], ["3.1", "3.3"])
    notebook(course / "labs" / "03_lab.ipynb", ["3.3"], [])
    notebook(course / "04_kafka.ipynb", [], ["4.1"])
    folder.mkdir()
    monkeypatch.setattr(settings, "NOTEBOOKS", course)
    monkeypatch.setattr(grading, "COURSE", course)
    monkeypatch.setattr(notes, "WORKBOOK", folder)
    monkeypatch.chdir(folder)
    return folder


def done(exercises=(), claims=(), outcomes=None) -> None:
    def note(kept: notes.Notes) -> None:
        for exercise in exercises:
            kept.solve(exercise)
        for claim in claims:
            kept.settle(claim, (outcomes or {}).get(claim, {}))

    notes.change(note)


def test_at_first_there_is_only_what_is_next():
    assert progress.report() == "Next: 00_start.ipynb"


def test_a_line_for_each_chapter_that_was_begun():
    done(["0.1", "3.2"], ["3.1", "3.3"], {"3.1": {"lost": True, "seen": False, "x": None}})
    assert progress.report().splitlines() == [
        "Chapter 0: exercises solved: 1 of 1 (0.1).",
        "Chapter 3: exercises solved: 1 of 3 (3.2); claims run: 2 of 2 (3.1, 3.3); "
        "predictions right: 1 of 2.",
        "Next: 03_queue.ipynb",
    ]


@pytest.mark.parametrize(
    ("exercises", "claims", "following"),
    [
        (["0.1", "3.1", "3.2"], ["3.1"], "Next: 03_queue.ipynb"),
        (["0.1", "3.1", "3.2"], ["3.1", "3.3"], "Next: 04_kafka.ipynb"),
        (["0.1", "3.1", "3.2"], ["3.1", "3.3", "4.1"], "Next: labs/03_lab.ipynb"),
        (["0.1", "3.1", "3.2", "3.3"], ["3.1", "3.3", "4.1"], "Nothing is left"),
    ],
)
def test_chapters_come_before_labs(exercises, claims, following):
    done(exercises, claims)
    assert progress.report().splitlines()[-1].startswith(following)


def test_labs_come_as_the_map_on_the_front_door_has_them(workbook):
    course = workbook.parent / "notebooks"
    notebook(course / "labs" / "03_a_last_one.ipynb", ["3.4"], [])
    front = json.loads((course / "00_start.ipynb").read_text())
    front["cells"][0]["source"] += [
        "\n\n[lab](labs/03_lab.ipynb), [last](labs/03_a_last_one.ipynb)"
    ]
    (course / "00_start_here.ipynb").write_text(json.dumps(front))
    (course / "00_start.ipynb").unlink()
    done(["0.1", "3.1", "3.2"], ["3.1", "3.3", "4.1"])
    assert progress.report().splitlines()[-1] == "Next: labs/03_lab.ipynb"


def test_outside_the_workbook_it_is_the_same_line_always(tmp_path, monkeypatch):
    done(["0.1"])
    monkeypatch.chdir(tmp_path / "notebooks")
    assert progress.report() == progress.ELSEWHERE


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/labs"])
def test_so_does_the_command(folder):
    answer = subprocess.run(
        [sys.executable, "-m", "helpers", "progress"],
        cwd=settings.CHECKOUT / folder,
        env=os.environ | {"PYTHONPATH": str(settings.CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == f"{progress.ELSEWHERE}\n"


@pytest.fixture
def grader(monkeypatch):
    monkeypatch.setattr(grading, "_exercises", {})
    monkeypatch.setattr(grading, "_load", lambda exercise: None)

    @grading.grader("3.1", answer="value")
    def wants_three(answer, data):
        if answer != 3:
            raise Wrong("miscounted", f"it is not {answer}.", "count again.")
        return "three it is."


@pytest.mark.usefixtures("grader")
@pytest.mark.parametrize(("answer", "solved"), [(3, ["3.1"]), (4, []), (..., [])])
def test_a_right_answer_is_noted(answer, solved):
    check("3.1", answer)
    assert notes.read().exercises == solved


@pytest.mark.usefixtures("grader")
@pytest.mark.parametrize(
    ("cell", "solved"), [(f"{SOLUTION}\n", []), (f"mine = 3\n{SOLUTION}", ["3.1"])]
)
def test_the_course_s_own_solution_is_not(cell, solved, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell.instance()
    try:
        shell.push({"check": check})
        shell.run_cell(cell, store_history=True).raise_error()
    finally:
        InteractiveShell.clear_instance()
    assert notes.read().exercises == solved


@pytest.mark.usefixtures("grader")
def test_outside_the_workbook_nothing_is_noted(tmp_path, monkeypatch, workbook):
    monkeypatch.chdir(tmp_path)
    check("3.1", 3)
    assert list(workbook.iterdir()) == []


def test_so_does_the_command_in_a_courses_folder_without_a_workbook(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)
    monkeypatch.setattr(notes, "WORKBOOK", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    assert main(["progress"]) == 0
    assert capsys.readouterr().out == f"{progress.ELSEWHERE}\n"


def test_the_command_in_the_courses_folder_means_the_workbook(tmp_path, monkeypatch, capsys):
    workbook = tmp_path / "workbook"
    workbook.mkdir(exist_ok=True)
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)
    monkeypatch.setattr(notes, "WORKBOOK", workbook)
    monkeypatch.chdir(tmp_path)
    assert main(["progress"]) == 0
    assert progress.ELSEWHERE not in capsys.readouterr().out


def test_jupyterlabs_own_copies_of_notebooks_set_no_exercises(tmp_path):
    labs = tmp_path / "other" / "labs"
    notebook(labs / "03_lab.ipynb", ["3.3"], [])
    notebook(labs / ".ipynb_checkpoints" / "03_lab-checkpoint.ipynb", ["3.9"], [])
    assert progress.exercises_in(tmp_path / "other") == {"3.3": labs / "03_lab.ipynb"}
