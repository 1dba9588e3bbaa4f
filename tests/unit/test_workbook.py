"""The workbook: what the learner changed is theirs, the rest follows the course."""

import json
import os
import shutil
from pathlib import Path

import pytest

from helpers import workbook as module
from helpers.workbook import LAID, sync


def notebook(source: str, outputs: bool = True) -> str:
    """A notebook of one code cell, stored with an output and a count."""
    cell = {
        "cell_type": "code",
        "execution_count": 1 if outputs else None,
        "id": "one",
        "metadata": {"tags": ["solution"]},
        "outputs": [{"name": "stdout", "output_type": "stream", "text": ["spoiler\n"]}],
        "source": [source],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class Course:
    """A course of a few files, and the workbook made of it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "notebooks"
        self.workbook = folder / "workbook"
        self.write("03_queue.ipynb", notebook("a = 1"))
        self.write("images/queue.svg", "<svg/>")
        self.write("projects/shop/service.py", "print('ü')\n")

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def sync(self):
        return sync(self.source, self.workbook)

    def mine(self, name: str) -> Path:
        return self.workbook / name

    def files(self) -> list[str]:
        """All that a learner sees: hidden files are the workbook's own."""
        found = (p.relative_to(self.workbook) for p in self.workbook.rglob("*") if p.is_file())
        return sorted(p.as_posix() for p in found if not p.name.startswith("."))


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path / "my course ü")


def test_all_is_laid_and_nothing_else(course):
    course.write(".ipynb_checkpoints/03_queue-checkpoint.ipynb", "no notebook")
    course.write("projects/shop/__pycache__/service.pyc", "")
    changes = course.sync()
    assert course.files() == ["03_queue.ipynb", "images/queue.svg", "projects/shop/service.py"]
    assert changes.laid == course.files()
    assert changes.lines() == []


def test_outputs_and_counts_are_cleared_and_the_rest_is_kept(course):
    course.sync()
    (cell,) = json.loads(course.mine("03_queue.ipynb").read_text())["cells"]
    assert cell["outputs"] == []
    assert cell["execution_count"] is None
    assert (cell["id"], cell["metadata"], cell["source"]) == (
        "one",
        {"tags": ["solution"]},
        ["a = 1"],
    )


def test_a_second_run_writes_nothing(course):
    course.sync()
    before = {path: path.stat().st_mtime_ns for path in course.workbook.rglob("*")}
    changes = course.sync()
    assert changes == module.Changes()
    assert {path: path.stat().st_mtime_ns for path in course.workbook.rglob("*")} == before


def test_new_outputs_in_the_course_are_no_new_version(course):
    course.sync()
    course.write("03_queue.ipynb", notebook("a = 1", outputs=False))
    assert course.sync() == module.Changes()


def test_an_unchanged_file_follows_the_course(course):
    course.sync()
    course.write("03_queue.ipynb", notebook("a = 2"))
    changes = course.sync()
    assert changes.updated == ["03_queue.ipynb"]
    assert "a = 2" in course.mine("03_queue.ipynb").read_text()
    assert "03_queue.ipynb" in changes.lines()[0]


def test_a_changed_file_is_never_written_to(course):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    assert course.sync() == module.Changes()
    assert course.mine("03_queue.ipynb").read_text() == "mine"


def test_a_new_version_is_laid_beside_a_changed_file_once(course):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    course.write("03_queue.ipynb", notebook("a = 2"))
    changes = course.sync()
    (beside,) = changes.beside
    assert beside.startswith("03_queue.new-")
    assert beside.endswith(".ipynb")
    assert len(beside) == len("03_queue.new-12345678.ipynb")
    assert course.mine("03_queue.ipynb").read_text() == "mine"
    assert "a = 2" in course.mine(beside).read_text()
    assert beside in changes.lines()[0]
    assert course.sync() == module.Changes()
    course.mine(beside).unlink()  # the learner does not want it
    course.sync()
    assert not course.mine(beside).exists()


def test_a_newer_version_replaces_the_untouched_one_beside(course):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    course.write("03_queue.ipynb", notebook("a = 2"))
    (second,) = course.sync().beside
    course.write("03_queue.ipynb", notebook("a = 3"))
    changes = course.sync()
    assert changes.beside != [second]
    assert changes.removed == [second]
    assert course.mine("03_queue.ipynb").read_text() == "mine"


def test_a_version_beside_that_the_learner_works_in_stays(course):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    course.write("03_queue.ipynb", notebook("a = 2"))
    (beside,) = course.sync().beside
    course.mine(beside).write_text("mine too")
    course.write("03_queue.ipynb", notebook("a = 3"))
    course.sync()
    assert course.mine(beside).read_text() == "mine too"


def test_taking_over_the_new_version_ends_the_matter(course):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    course.write("03_queue.ipynb", notebook("a = 2"))
    (beside,) = course.sync().beside
    shutil.copy(course.mine(beside), course.mine("03_queue.ipynb"))
    assert course.sync().removed == [beside]
    course.write("03_queue.ipynb", notebook("a = 3"))
    assert course.sync().updated == ["03_queue.ipynb"]


def test_what_the_learner_deleted_is_laid_again(course):
    course.sync()
    shutil.rmtree(course.mine("images"))
    assert course.sync().laid == ["images/queue.svg"]


def test_what_left_the_course_goes_if_unchanged_and_stays_if_changed(course):
    course.sync()
    course.mine("images/queue.svg").write_text("mine")
    shutil.rmtree(course.source / "images")
    shutil.rmtree(course.source / "projects")
    changes = course.sync()
    assert changes.removed == ["projects/shop/service.py"]
    assert course.files() == ["03_queue.ipynb", "images/queue.svg"]
    assert not course.mine("projects").exists()


def test_files_of_the_learners_own_are_left_alone(course):
    course.sync()
    course.mine("projects/shop/notes.md").write_text("mine")
    shutil.rmtree(course.source / "projects")
    course.sync()
    assert course.mine("projects/shop/notes.md").read_text() == "mine"


@pytest.mark.parametrize("state", ["", "{", "[]", '{"03_queue.ipynb": 7}', None])
def test_without_a_readable_state_all_that_differs_is_the_learners(course, state):
    course.sync()
    course.mine("03_queue.ipynb").write_text("mine")
    course.write("images/queue.svg", "<svg>new</svg>")
    if state is None:
        course.mine(LAID).unlink()
    else:
        course.mine(LAID).write_text(state)
    changes = course.sync()
    assert changes.updated == []
    assert len(changes.beside) == 2
    assert course.mine("03_queue.ipynb").read_text() == "mine"
    assert course.mine("images/queue.svg").read_text() == "<svg/>"


def test_a_directory_in_a_files_place_is_left_alone(course):
    course.sync()
    course.mine("03_queue.ipynb").unlink()
    course.mine("03_queue.ipynb").mkdir()
    course.write("03_queue.ipynb", notebook("a = 2"))
    assert len(course.sync().beside) == 1
    assert course.mine("03_queue.ipynb").is_dir()


def test_a_run_cut_short_anywhere_is_made_good(course, monkeypatch):
    """Cut at each step that changes a file: the next run ends where an uncut one does."""
    course.sync()
    course.mine("images/queue.svg").write_text("mine")
    for name, text in {
        "03_queue.ipynb": notebook("a = 2"),
        "images/queue.svg": "<svg>2</svg>",
        "04_new.ipynb": notebook("b = 1"),
    }.items():
        course.write(name, text)
    shutil.rmtree(course.source / "projects")
    start = course.workbook.with_name("start")
    shutil.copytree(course.workbook, start)
    course.sync()
    expected = {name: course.mine(name).read_bytes() for name in course.files()}
    cut = 0
    while _sync_cut_after(course, start, cut, monkeypatch):
        course.sync()
        assert {name: course.mine(name).read_bytes() for name in course.files()} == expected
        cut += 1
    assert cut == 5  # laid, updated, beside, removed, the state


def _sync_cut_after(course: Course, start: Path, steps: int, monkeypatch) -> bool:
    """One run from the same start that dies after so many steps; False if it got to its end."""
    shutil.rmtree(course.workbook)
    shutil.copytree(start, course.workbook)
    left = iter(range(steps))

    def dies(do):
        def step(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return do(*arguments)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies(Path.replace))
        patched.setattr(Path, "unlink", dies(os.unlink))
        try:
            course.sync()
        except KeyboardInterrupt:
            return True
    return False
