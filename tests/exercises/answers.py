"""Right and wrong answers to an exercise, which its grader is to tell apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.exercises.grading import HIGHEST_SEED, grade


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
        right, wrong = list(self.right.items()), list(self.wrong.items())
        if not every:
            right, wrong = right[:1], [random.Random(f"{exercise} {seed}").choice(wrong)]
        rows = [(name, "right", answer) for name, answer in right]
        rows += [(name, kind, answer) for name, (kind, answer) in wrong]
        seeds = ["its own", seed] if every else ["its own"]
        return [
            Case(exercise, name, kind, answer, data_seed(exercise, name, of))
            for of in seeds
            for name, kind, answer in rows
        ]


def data_seed(*parts: object) -> int:
    """The seed of a case's data: the same for the same words and numbers."""
    return random.Random(" ".join(map(str, parts))).randint(0, HIGHEST_SEED)


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
