"""Exercises: ``check`` runs a learner's answer on live brokers and says in one line how it went."""

from __future__ import annotations

import importlib
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

TIME_LIMIT = 30  # seconds

Grader = Callable[..., str]
_graders: dict[str, tuple[Grader, float]] = {}


class Wrong(Exception):  # noqa: N818 (read aloud: raise Wrong("…", hint="…"))
    """What an answer got wrong, and what to think about next."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class _OutOfTime(BaseException):
    """Not an Exception, so that a learner's ``except Exception`` does not swallow it."""


def grader(exercise: str, seconds: float = TIME_LIMIT) -> Callable[[Grader], Grader]:
    """Register a function as the grader of an exercise, which has so many seconds.

    It takes the answer, and what else ``check`` was given, by keyword. It returns one line on what
    was achieved, or raises ``Wrong``. The line must be the same on every run.
    """

    def register(function: Grader) -> Grader:
        _graders[exercise] = function, seconds
        return function

    return register


def check(exercise: str, answer: Any, **context: Any) -> None:
    """Grade an answer and print one line, and a hint if it is not right yet. Never a traceback.

    Args:
        exercise: its number, as ``"3.1"``: the first of chapter 3.
        answer: what the task asks for, often a function, which is then run under faults. It has 30
            seconds, or more where many processes are started.
        context: what the grader needs besides, as ``brokers=brokers``.

    Raises:
        LookupError: there is no such exercise.

    Example:
        >>> check("3.1", my_consumer, brokers=brokers)  # doctest: +SKIP
        ✔ Exercise 3.1: all 20 orders handled once, in spite of a crash.
    """
    print(_verdict(exercise, *_find(exercise), answer, context))


def _verdict(
    exercise: str, grade: Grader, seconds: float, answer: Any, context: dict[str, Any]
) -> str:
    if answer is None or answer is ...:
        return _not_attempted(exercise)
    try:
        with _time_limit(seconds):
            return f"✔ Exercise {exercise}: {grade(answer, **context)}"
    except NotImplementedError:
        return _not_attempted(exercise)
    except Wrong as wrong:
        said, hint = str(wrong), wrong.hint
    except _OutOfTime:
        said = f"your code was still running after {seconds:g} s and was stopped."
        hint = "give every wait for a message a deadline, and leave the loop when it has passed."
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        said = f"{_place(answer, error)} raised {type(error).__name__}: {reason}"
        hint = "call it in a cell of its own to see the whole traceback."
    return f"✘ Exercise {exercise}: {said}\n  Hint: {hint}"


def _not_attempted(exercise: str) -> str:
    return f"… Exercise {exercise}: not attempted yet."


def _place(answer: Any, error: Exception) -> str:
    """Where in the learner's code an error arose, if it is a function."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code is not None and frame.filename == code.co_filename:
            return f"line {frame.lineno} of your cell, in {frame.name}(),"
    return "your code"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Stop the code inside after so many seconds. Signals reach the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _find(exercise: str) -> tuple[Grader, float]:
    chapter = exercise.partition(".")[0]
    module = f"{__name__}.chapter_{chapter:0>2}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    if exercise not in _graders:
        raise LookupError(
            f"There is no exercise {exercise!r}. Its number stands in its heading, as in '3.1'."
        )
    return _graders[exercise]
