"""Exercises: ``check`` runs a learner's answer on live brokers and says, in one line, how it went."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

Grader = Callable[[Any], str]
_graders: dict[str, Grader] = {}


class Wrong(Exception):  # noqa: N818  (read aloud: raise Wrong("…", hint="…"))
    """What an answer got wrong, and what to think about next."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def grader(exercise: str) -> Callable[[Grader], Grader]:
    """Register a function as the grader of an exercise: it takes the answer, returns what was
    achieved in one line, or raises ``Wrong``."""

    def register(function: Grader) -> Grader:
        _graders[exercise] = function
        return function

    return register


def check(exercise: str, answer: Any) -> None:
    """Grade an answer and print one line, and a hint if it is not right yet. Never a traceback.

    Args:
        exercise: its number, as ``"3.1"``: the first of chapter 3.
        answer: what the task asks for, often a function, which is then run under faults.

    Raises:
        LookupError: there is no such exercise.
    """
    grade = _find(exercise)
    try:
        said = grade(answer) if answer not in (None, ...) else None
    except NotImplementedError:
        said = None
    except Wrong as wrong:
        print(f"✘ Exercise {exercise}: {wrong}\n  Hint: {wrong.hint}")
        return
    except Exception as error:
        print(
            f"✘ Exercise {exercise}: your code raised {type(error).__name__}: {error}\n"
            "  Hint: call it yourself in a cell of its own to see where."
        )
        return
    print(f"✔ Exercise {exercise}: {said}" if said else f"… Exercise {exercise}: not attempted yet")


def _find(exercise: str) -> Grader:
    chapter = exercise.split(".")[0]
    try:
        importlib.import_module(f"{__name__}.chapter_{int(chapter):02d}")
        return _graders[exercise]
    except (ValueError, ModuleNotFoundError, KeyError):
        raise LookupError(
            f"There is no exercise {exercise!r}. Its number stands in its heading, as in '3.1'."
        ) from None
