"""A project's reference under its suite, and wrong solutions: the reference with some lines replaced."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from helpers.accept import COURSE, accept
from tests.cases import data_seed, drawn

Replaced = tuple[str, str, str]  # in this file of the reference, this text by that one
SEEDS = 20  # of the reference, when everything is tried
PROJECTS = sorted(path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*"))
WITH_A_WRONG_ONE = 3  # so many projects have a wrong solution tried, when not everything is


@dataclass(frozen=True)
class Solution:
    """One solution, and the promise that it breaks; the reference breaks none."""

    exercise: str
    name: str
    breaks: str
    replaced: Sequence[Replaced]
    seed: int

    def write(self, mine: Path) -> None:
        """Write its services into a new folder."""
        shutil.copytree(COURSE / self.exercise / "solution", mine)
        for file, old, new in self.replaced:
            text = (mine / file).read_text()
            assert old in text, f"{file} has no longer {old!r}"
            (mine / file).write_text(text.replace(old, new))

    def judge(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            mine = Path(folder) / "mine"
            self.write(mine)
            report = accept(self.exercise, mine, seed=self.seed)
        if self.breaks:
            assert self.breaks in report.broken, str(report)
        else:
            assert report.kept, str(report)


@dataclass(frozen=True)
class Solutions:
    """The wrong solutions of a project, by name: the promise that each breaks, and what is replaced. And
    others that are right, which a suite might not have the patience for."""

    wrong: dict[str, tuple[str, *tuple[Replaced, ...]]]
    right: dict[str, tuple[Replaced, ...]] = field(default_factory=dict)

    def drawn(self, project: str, seed: int, every: bool) -> list[Solution]:
        """All, and the reference with twenty seeds; or the reference, and in three of the projects a
        wrong one, all of which the seed draws. Each has a seed of its own, on every run the same: what
        is drawn has been tried before."""
        references = {f"reference {number}": () for number in range(1, 1 + SEEDS)} | self.right
        wrong = {name: (breaks, replaced) for name, (breaks, *replaced) in self.wrong.items()}
        rows = drawn(project, seed, every, ("", references), wrong)
        if not every and project not in Random(seed).sample(PROJECTS, WITH_A_WRONG_ONE):
            rows = rows[:1]
        return [Solution(project, *row, data_seed(project, row[0])) for row in rows]
