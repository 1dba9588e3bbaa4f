"""Acceptance suites: whose suite and services are tried, and what a report says."""

import pytest

from helpers import accept as module
from helpers.__main__ import main
from helpers.accept import NoProject, accept, projects

SUITE = """
def trial(trial):
    trial.promise("drawn", "A number is drawn", [trial.data.randrange(10**9)], "the seed.")
    trial.promise("mine", "It is the course's", [{by!r}], "whose suite is it?")
"""


class Course:
    """A course with one project, and a workbook with a copy of it."""

    def __init__(self, folder):
        self.projects, self.workbook = folder / "notebooks/projects", folder / "workbook"
        self.write(self.projects, "course")
        self.write(self.workbook / "projects", "learner")

    def write(self, root, by, project="shop"):
        (root / project / "starter").mkdir(parents=True)
        (root / project / "starter" / "till.py").write_text(f"# by the {by}\n")
        (root / project / "suite.py").write_text(SUITE.format(by=by))


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COURSE", tmp_path / "notebooks/projects")
    monkeypatch.setattr(module, "WORKBOOK", tmp_path / "workbook")
    monkeypatch.chdir(tmp_path)
    return Course(tmp_path)


def test_the_suite_is_the_courses_and_the_services_the_learners(course):
    report = accept("shop", seed=1)
    assert report.promises[1].offending == ["course"]
    assert report.folder == course.workbook / "projects/shop/starter"


def test_in_the_course_itself_the_services_are_the_courses(course, monkeypatch):
    for folder in (course.projects.parent, course.projects / "shop"):
        monkeypatch.chdir(folder)
        assert accept("shop", seed=1).folder == course.projects / "shop/starter"


def test_a_project_of_the_learners_own_has_their_suite(course, monkeypatch):
    course.write(course.workbook / "projects", "learner", "bank")
    assert projects() == ["bank", "shop"]
    assert accept("bank", seed=1).promises[1].offending == ["learner"]


def test_services_are_anywhere(course, tmp_path):
    (tmp_path / "mine").mkdir()
    assert accept("shop", "mine", seed=1).folder == tmp_path / "mine"
    assert accept("shop", tmp_path / "mine", seed=1).folder == tmp_path / "mine"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (("bank", "starter"), r"'bank'.*shop"),
        (("", "starter"), r"''.*shop"),
        (("shop", "none"), r"'none'.*starter"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_what_is(course, asked, named):
    with pytest.raises(NoProject, match=named):
        accept(*asked)


def test_a_seed_repeats_what_was_drawn(course):
    first, again, other = (accept("shop", seed=seed).promises[0].offending for seed in (1, 1, 2))
    assert first == again != other
    drawn = accept("shop")
    assert accept("shop", seed=drawn.seed).promises == drawn.promises


def test_the_command_says_what_became_of_it_and_ends_so(course, capsys):
    assert main(["accept", "shop", "--seed", "1"]) == 1
    assert "--seed 1" in capsys.readouterr().out
    (course.projects / "shop/suite.py").write_text("def trial(trial): pass\n")
    assert main(["accept", "shop"]) == 0
    assert main(["accept", "bank"]) == 2
    assert "'bank'" in capsys.readouterr().err
