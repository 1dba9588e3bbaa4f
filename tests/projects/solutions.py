"""A project's reference under its suite, and wrong solutions: the reference with some lines replaced."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from helpers.accept import COURSE, accept
from tests.exercises.answers import data_seed

Replaced = tuple[str, str, str]  # in this file of the reference, this text by that one
SEEDS = 20  # of the reference, when everything is tried


@dataclass(frozen=True)
class Solution:
    """One solution, and the promise that it breaks; the reference breaks none."""

    exercise: str
    name: str
    breaks: str
    replaced: tuple[Replaced, ...]
    seed: int

    def judge(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            mine = Path(folder) / "mine"
            shutil.copytree(COURSE / self.exercise / "solution", mine)
            for file, old, new in self.replaced:
                text = (mine / file).read_text()
                assert old in text, f"{file} has no longer {old!r}"
                (mine / file).write_text(text.replace(old, new))
            report = accept(self.exercise, mine, seed=self.seed)
        if self.breaks:
            assert self.breaks in report.broken, str(report)
        else:
            assert report.kept, str(report)


@dataclass(frozen=True)
class Solutions:
    """The wrong solutions of a project, by name: the promise that each breaks, and what is replaced."""

    wrong: dict[str, tuple[str, *tuple[Replaced, ...]]]

    def drawn(self, project: str, seed: int, every: bool) -> list[Solution]:
        """All of them, and the reference with twenty seeds; or the reference and a wrong one, which the
        seed draws. Each has a seed of its own, on every run the same: what is drawn has been tried
        before."""
        chosen = random.Random(f"{project} {seed}").choice(sorted(self.wrong))
        names = sorted(self.wrong) if every else [chosen]
        rows = [(f"reference {number}", "", ()) for number in range(1, 1 + (SEEDS if every else 1))]
        rows += [(name, self.wrong[name][0], self.wrong[name][1:]) for name in names]
        return [Solution(project, *row, data_seed(project, row[0])) for row in rows]
