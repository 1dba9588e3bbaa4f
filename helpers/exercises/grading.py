"""Which grader has which exercise, and what became of an answer."""

from __future__ import annotations

import importlib
import pkgutil
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import notes, settings
from ..notebooks import cells
from .answers import NotAttempted, Wrong

Grader = Callable[..., str]
COURSE = settings.CHECKOUT / "notebooks"


@dataclass(frozen=True)
class _Exercise:
    grade: Grader
    needs: tuple[str, ...]
    answer: str


_exercises: dict[str, _Exercise] = {}


@dataclass(frozen=True)
class Result:
    """What became of an answer.

    ``kind`` names what happened: "right", "not_attempted", "fault" (of the check or the brokers),
    "no_exercise", or what is wrong with the answer, as "commit_before_effect".
    """

    exercise: str
    kind: str
    said: str
    hint: str = ""
    seed: int | None = None

    def __str__(self) -> str:
        marks = {"right": "✔", "not_attempted": "…", "fault": "⚠"}
        lines = [f"{marks.get(self.kind, '✘')} Exercise {self.exercise}: {self.said}"]
        if self.hint:
            lines.append(f"  Hint: {self.hint}")
        if self.seed is not None:
            lines.append(f"  The same data again: check(…, seed={self.seed})")
        return "\n".join(lines)


def grader(
    exercise: str, *, needs: tuple[str, ...] = (), answer: str = "function"
) -> Callable[[Grader], Grader]:
    """Register a function as the grader of an exercise.

    It takes the answer, a ``random.Random`` from which its data are drawn, and by keyword what else
    ``check`` was given. It returns one line on what was achieved, the same on every run, or raises
    ``Wrong``. Whatever else it raises is a fault of the check. ``needs`` are the brokers that have
    to be up; ``answer`` says what it takes, a function or a value.
    """

    def register(function: Grader) -> Grader:
        _exercises[exercise] = _Exercise(function, needs, answer)
        return function

    return register


def check(exercise: str, answer: Any, *, seed: int | None = None, **context: Any) -> None:
    """Grade an answer; print one line, and a hint if it is not right yet. Never a traceback.

    In the workbook a right answer is noted, unless the cell is the course's own solution.

    Args:
        exercise: its number as a text: ``"3.1"`` is the first of chapter 3.
        answer: what the task asks for: in most cases the function itself, which is then run under
            faults. Each call of it has 30 seconds, or what the task says.
        seed: draws the check's data. Without it they are others each time; a refusal prints it.
        context: what the grader needs besides, as ``bank=bank``.

    Example:
        >>> check("3.1", my_subscription)  # doctest: +SKIP
        ✔ Exercise 3.1: each service has its copy, two instances share one, and it waits …
    """
    result = grade(exercise, answer, seed=seed, **context)
    print(result)
    if result.kind == "right" and notes.kept() and not _is_given(exercise):
        notes.change(lambda kept: kept.solve(exercise))


def grade(exercise: str, answer: Any, *, seed: int | None = None, **context: Any) -> Result:
    """What ``check`` prints."""
    if refusal := _refusal(exercise, answer):
        return refusal
    found = _exercises[exercise]
    if seed is None:
        seed = random.SystemRandom().randint(0, settings.HIGHEST_SEED)
    from .places import bring_up, out_of_order  # here, since it brings both clients

    try:
        bring_up(found.needs)
        said = found.grade(answer, random.Random(f"{exercise} {seed}"), **context)
        return Result(exercise, "right", said)
    except NotAttempted:
        return Result(exercise, "not_attempted", "not attempted yet.")
    except Wrong as wrong:
        if trouble := out_of_order(found.needs):
            return _fault(exercise, trouble, seed)
        return Result(exercise, wrong.kind, wrong.what, wrong.hint, seed)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        return _fault(exercise, f"{type(error).__name__}: {reason}", seed)


def _is_given(exercise: str) -> bool:
    """Is the cell that runs the course's own solution, unchanged?"""
    from IPython.core.getipython import get_ipython

    history = getattr(get_ipython(), "history_manager", None)
    running = history.input_hist_raw[-1].strip() if history else ""
    names = f"{int(exercise.partition('.')[0]):02}_*.ipynb"
    return any(
        "solution" in tags and source.strip() == running
        for _, source, tags in cells(COURSE, "code", names)
    )


def _fault(exercise: str, reason: str, seed: int) -> Result:
    return Result(
        exercise,
        "fault",
        f"the check could not be finished, which says nothing about your answer. {reason}",
        "run the cell again; if that does not help, `python -m helpers doctor` in a terminal.",
        seed,
    )


def _refusal(exercise: Any, answer: Any) -> Result | None:
    """Why there is nothing to grade, if so."""
    if not isinstance(exercise, str):
        said = f'write the number as a text: check("{exercise}", …).'
        return Result(str(exercise), "no_exercise", said)
    _load(exercise)
    if exercise not in _exercises:
        said = "there is none of this number. Its number stands in its heading, as in '3.1'."
        return Result(exercise, "no_exercise", said)
    wants_function = _exercises[exercise].answer == "function"
    if answer is ... or (answer is None and not wants_function):
        return Result(exercise, "not_attempted", "not attempted yet.")
    if wants_function and not callable(answer):
        return Result(
            exercise,
            "not_a_function",
            f"the check was given {answer!r:.80}, which is not a function.",
            "give it your function itself, without brackets after its name; the check calls it.",
        )
    return None


def _load(exercise: str) -> None:
    """Import the graders of the chapter and of its labs: ``chapter_04``, ``chapter_04_rebalances``."""
    if number := re.match(r"(\d{1,2})\.", exercise):
        chapter = re.compile(rf"chapter_{int(number[1]):02}(_|$)")
        for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
            if chapter.match(module.name):
                importlib.import_module(f"{__package__}.{module.name}")
