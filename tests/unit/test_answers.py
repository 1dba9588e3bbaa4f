"""Each exercise of the course has answers by which its grader is tested, right and wrong ones."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.notebooks import cells
from tests.projects.solutions import PROJECTS

CHECKOUT = Path(__file__).parents[2]
HEADING = re.compile(r"^### Exercise (\d+\.\d+)", re.MULTILINE)
WRONG, RIGHT = 5, 2  # at least so many, besides the stub and the reference


def on_pages():
    """The numbers of the exercises, as the pages' headings have them."""
    texts = (source for _, source, _ in cells(CHECKOUT / "notebooks", "markdown", "*.ipynb"))
    return {number for text in texts for number in HEADING.findall(text)}


def answers_of_all():
    """The answers to each exercise."""
    folders = ("exercises", "extras")
    modules = [
        f"tests.{folder}.{module.stem}"
        for folder in folders
        for module in sorted((CHECKOUT / "tests" / folder).glob("test_*.py"))
    ]
    try:
        imported = [importlib.import_module(module) for module in modules]
    except pytest.skip.Exception as skipped:  # or the test that asks would be skipped, too
        pytest.fail(f"a module of answers can't be imported without its system: {skipped}")
    return {
        number: answers
        for module in imported
        for number, answers in getattr(module, "ANSWERS", {}).items()
    }


@pytest.mark.parametrize("module", ["exercises/test_chapter_07.py", "projects/test_clickstream.py"])
def test_who_tries_answers_has_ports_of_his_own(module):
    command = [sys.executable, "-m", "pytest", "--setup-plan", "--seed", "1", f"tests/{module}"]
    plan = subprocess.check_output(command, cwd=CHECKOUT, text=True)
    assert "SETUP    S own_ports" in plan


def test_each_exercise_has_answers_and_each_answer_an_exercise():
    assert on_pages() == set(answers_of_all())


def test_each_exercise_has_wrong_answers():
    too_few = {
        number: len(wrong)
        for number, answers in answers_of_all().items()
        if len(wrong := [kind for kind, _ in answers.wrong.values() if kind != "not_attempted"])
        < WRONG
    }
    assert not too_few


def test_each_exercise_has_right_answers_besides_the_reference():
    too_few = {n for n, answers in answers_of_all().items() if len(answers.right) - 1 < RIGHT}
    assert not too_few


@pytest.mark.parametrize("project", PROJECTS)
def test_each_solution_of_a_project_is_its_reference_but_for_some_lines(project, tmp_path):
    module = importlib.import_module(f"tests.projects.test_{project}")
    every = module.ANSWERS[project].drawn(project, seed=1, every=True)
    for number, solution in enumerate(every):
        solution.write(tmp_path / f"{number}")


def test_a_seed_draws_the_projects_whose_wrong_solutions_are_tried():
    modules = {name: importlib.import_module(f"tests.projects.test_{name}") for name in PROJECTS}

    def tried(seed):
        """How many solutions of each project."""
        return {
            name: len(module.ANSWERS[name].drawn(name, seed, every=False))
            for name, module in modules.items()
        }

    draws = [tried(seed) for seed in range(10)]
    assert all(sorted(draw.values()) == [1, 1, 1, 1, 2, 2, 2] for draw in draws)
    assert all(max(draw[name] for draw in draws) == 2 for name in PROJECTS)
