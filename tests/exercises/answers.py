"""Right and wrong answers to an exercise, which its grader is to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.exercises.grading import grade
from tests.cases import data_seed, drawn


@dataclass(frozen=True)
class Case:
    """One answer, and the kind of what its grader must say of it."""

    exercise: str
    name: str
    kind: str
    answer: Any
    seed: int

    def judge(self, **context: Any) -> None:
        result = grade(self.exercise, self.answer, seed=self.seed, **context)
        assert result.kind == self.kind, f"expected {self.kind}, not {result.kind}: {result}"
        if self.kind not in ("right", "not_attempted"):
            assert result.hint, result


@dataclass(frozen=True)
class Answers:
    """The answers to one exercise; of the right ones, the first is the reference."""

    right: dict[str, Any]
    wrong: dict[str, tuple[str, Any]]  # by name: the kind of what is wrong, and the answer

    def drawn(self, exercise: str, seed: int, every: bool) -> list[Case]:
        """All of them, each with two sets of data: its own, and the seed's. Or the reference and one
        wrong answer, which the seed draws, with their own data alone: what has been tried before."""
        rows = drawn(exercise, seed, every, ("right", self.right), self.wrong)
        seeds = ["its own", seed] if every else ["its own"]
        return [
            Case(exercise, *row, data_seed(exercise, row[0], of)) for of in seeds for row in rows
        ]


def stub(*_: Any) -> None:
    """Every exercise's answer, before it is begun."""
    raise NotImplementedError


def ignoring(times: int = 10**9) -> Callable[..., None]:
    """An answer that ignores every exception, for ever."""

    def ignore(*_: Any) -> None:
        for _turn in range(times):
            try:
                while True:
                    pass
            except:  # noqa: E722, S110 (what a learner might write)
                pass

    return ignore
