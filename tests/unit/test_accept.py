"""Acceptance suites: whose suite and services are tried, and what a report says."""

import time

import pytest

from helpers import accept as module
from helpers.__main__ import main
from helpers.accept import NoProject, Report, Trial, accept, projects
from helpers.brokers import BrokerError

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


def test_the_folder_that_one_is_in_and_the_one_above_are_named_by_dots(
    course, tmp_path, monkeypatch
):
    (tmp_path / "mine/more").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine/more")
    assert accept("shop", ".", seed=1).folder == tmp_path / "mine/more"
    assert accept("shop", "..", seed=1).folder == tmp_path / "mine"


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


@pytest.fixture
def trial(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "APART", 0.0)
    monkeypatch.setattr(module, "RESTARTS", 2)
    (tmp_path / "counter.py").write_text(
        "import sys, pathlib\nfile = pathlib.Path(sys.argv[1])\nfile.open('a').write('x')\n"
        "raise SystemExit(sys.argv[2]) if sys.argv[2:] else print('done')\n"
    )
    trial = Trial(Report("shop", tmp_path, 1))
    with trial.stack:
        yield trial
    assert not trial.space.exists()


def test_a_service_that_ends_is_started_again(trial):
    file = trial.space / "starts"
    trial.start("counter.py", file)
    assert trial.wait_until(lambda: file.exists() and "xx" in file.read_text(), "two starts")
    assert not trial._report.deeds


def test_one_that_ends_again_and_again_is_given_up_and_quoted(trial):
    began = time.monotonic()
    trial.start("counter.py", trial.space / "starts", "no broker")
    assert not trial.wait_until(lambda: False, "a miracle")
    assert time.monotonic() - began < module.PATIENCE
    trial.promise_to_run()
    [promise] = trial._report.promises
    assert promise.name == "services_run"
    assert promise.offending == ["counter.py (no broker)"]
    assert (trial.space / "starts").read_text() == "xxx"


def test_a_retired_service_and_one_that_may_end_are_not_started_again(trial):
    files = [trial.space / name for name in ("retired", "run")]
    retired = trial.start("counter.py", files[0])
    trial.retire(retired)
    run = trial.run("counter.py", files[1])
    for program in (retired, run):
        assert program.wait_for("done")
    assert trial.wait_until(lambda: not (retired.running() or run.running()), "their end")
    trial.wait_until(lambda: False, "another start", 0.3)
    assert [file.read_text() for file in files] == ["x", "x"]


def test_a_program_that_the_system_lacks_is_named(trial):
    with pytest.raises(NoProject, match=r"none\.py"):
        trial.start("none.py")


def test_each_wait_in_vain_makes_the_next_one_shorter_and_is_told(trial, monkeypatch):
    waited = []
    monkeypatch.setattr(
        module, "wait_until", lambda _check, _what, timeout, every: waited.append(timeout)
    )
    for _ in range(3):
        assert not trial.wait_until(lambda: False, "a miracle")
    assert waited == [module.PATIENCE, module.PATIENCE / 2, module.PATIENCE / 4]
    assert trial._report.deeds == ["waited in vain for a miracle"] * 3


def test_a_state_that_cannot_be_seen_yet_has_not_come(trial):
    answers = iter([ValueError(), BrokerError("gone"), True])

    def check():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert trial.wait_until(check, "an answer", tolerate=(ValueError,))


def test_a_report_has_deeds_promises_offenders_hint_and_seed(trial, tmp_path):
    trial.struck("all was killed")
    trial.promise("kept", "All is well", [], "nowhere")
    trial.promise("lost", "Nothing is lost", range(9), "in the queue")
    said = str(trial._report)
    assert trial._report.broken == ["lost"]
    for part in ("all was killed", "✔ All is well", "✘ Nothing is lost", "0, 1, 2 and 6 more"):
        assert part in said
    assert "in the queue" in said
    assert "nowhere" not in said
    assert said.endswith(f"--mine {tmp_path} --seed 1")


def test_what_comes_within_a_moment_comes_and_nobody_is_told_of_what_does_not(trial):
    answers = iter([ValueError(), True])

    def check():
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    assert trial.comes(check, 5, tolerate=(ValueError,))
    assert not trial.comes(lambda: False, 0.1)
    assert not trial._report.deeds


def test_what_was_parked_is_three_promises(trial):
    found = [(b"[]", "no order"), (b"{}", ""), ("order 7", "why not")]
    trial.promise_parking("What is no order", {b"[]", b"{}", b"7" * 9999}, found, "look")
    lost, good, mute = trial._report.promises
    assert (lost.name, good.name, mute.name) == ("bad_is_parked", "good_is_not", "says_why")
    assert lost.text == "What is no order is parked"
    assert (good.offending, mute.offending) == (["order 7"], ["b'{}'"])
    [long] = lost.offending
    assert long.startswith("b'777")
    assert long.endswith("777'")
    assert len(long) < 300
