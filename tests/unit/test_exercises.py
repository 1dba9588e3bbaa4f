"""check(): one line and a hint, never a traceback."""

import time

import pytest

from helpers import exercises
from helpers.exercises import Wrong, check, grader


@pytest.fixture(autouse=True)
def graders(monkeypatch):
    monkeypatch.setattr(exercises, "_graders", {})

    @grader("0.1")
    def calls_it(answer, times=1):
        return f"it gave {[answer() for _ in range(times)]}."

    @grader("0.2")
    def wants_three(answer):
        if answer != 3:
            raise Wrong(f"it is not {answer}.", hint="count again.")
        return "three it is."


def test_a_right_answer(capsys):
    assert check("0.2", 3) is None
    assert capsys.readouterr().out == "✔ Exercise 0.2: three it is.\n"


def test_a_wrong_answer_gets_a_hint(capsys):
    check("0.2", 4)
    assert capsys.readouterr().out == "✘ Exercise 0.2: it is not 4.\n  Hint: count again.\n"


def unattempted():
    raise NotImplementedError


@pytest.mark.parametrize("stub", [None, ..., unattempted])
def test_an_untouched_stub_is_not_a_failure(stub, capsys):
    check("0.1", stub)
    assert capsys.readouterr().out == "… Exercise 0.1: not attempted yet.\n"


def test_zero_and_empty_are_answers(capsys):
    check("0.2", 0)
    assert "it is not 0" in capsys.readouterr().out


def test_the_context_reaches_the_grader(capsys):
    check("0.1", lambda: 7, times=2)
    assert "it gave [7, 7]." in capsys.readouterr().out


def test_an_error_is_one_line_that_says_where(capsys):
    def broken():
        raise KeyError("order_id\nand a long story")

    line = broken.__code__.co_firstlineno + 1
    check("0.1", broken)
    said, hint = capsys.readouterr().out.splitlines()
    assert said.startswith(
        f"✘ Exercise 0.1: line {line} of your cell, in broken(), raised KeyError"
    )
    assert "long story" not in said or r"\n" in said
    assert hint.startswith("  Hint: ")


def test_an_error_outside_the_answer_is_still_one_line(capsys):
    check("0.1", "not a function")
    assert "your code raised TypeError: 'str' object is not callable" in capsys.readouterr().out


def test_an_endless_answer_is_stopped(capsys):
    exercises.grader("0.1", seconds=0.1)(lambda answer: answer())
    cleaned_up = []

    def endless():
        while True:
            try:
                time.sleep(60)
            except Exception:  # noqa: S110 (what a learner might write)
                pass
            finally:
                cleaned_up.append(True)

    started = time.monotonic()
    check("0.1", endless)
    assert time.monotonic() - started < 5
    assert "still running after 0.1 s and was stopped" in capsys.readouterr().out
    assert cleaned_up == [True]


def test_no_alarm_is_left_behind():
    exercises.grader("0.1", seconds=0.05)(lambda answer: str(answer()))
    check("0.1", lambda: 1)
    time.sleep(0.1)  # an alarm that was left on would end the test run here


@pytest.mark.parametrize("unknown", ["0.9", "99.1", "three"])
def test_an_unknown_exercise_is_an_error(unknown):
    with pytest.raises(LookupError, match=f"no exercise '{unknown}'"):
        check(unknown, 1)


def test_a_broken_chapter_is_not_hidden(monkeypatch):
    def missing(_):
        raise ModuleNotFoundError("No module named 'pika'", name="pika")

    monkeypatch.setattr(exercises.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="pika"):
        check("0.1", 1)
