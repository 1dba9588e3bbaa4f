"""A project's reference under its suite, and wrong solutions: the reference with some lines replaced."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from helpers.accept import COURSE, HIGHEST_SEED, Report, accept

Replaced = tuple[str, str]
Wrong = tuple[str | Replaced, ...]  # the promise that it breaks, a file, and what is replaced in it


class Solutions:
    """The reference of a project, and the wrong solutions by name."""

    def __init__(self, project: str, wrong: dict[str, Wrong]) -> None:
        self.project = project
        self.wrong = wrong

    def expect_kept(self, seed: int) -> None:
        """That the reference keeps every promise."""
        report = accept(self.project, COURSE / self.project / "solution", seed=seed)
        assert report.kept, str(report)

    def expect_broken(self, name: str, folder: Path, seed: int) -> None:
        """That a wrong solution breaks the promise that it is to break."""
        promise, file, *replaced = self.wrong[name]
        mine = folder / "mine"
        shutil.copytree(COURSE / self.project / "solution", mine)
        text = (mine / str(file)).read_text()
        for old, new in replaced:
            assert old in text, f"{file} has no longer {old!r}"
            text = text.replace(old, new)
        (mine / str(file)).write_text(text)
        report: Report = accept(self.project, mine, seed=seed)
        assert promise in report.broken, str(report)

    def drawn(self, seed: int, every: bool) -> list[tuple[str, int]]:
        """The wrong solutions to be tried, each with a seed: all, or one."""
        made = random.Random(f"{self.project} {seed}")
        names = sorted(self.wrong) if every else [made.choice(sorted(self.wrong))]
        return [(name, made.randrange(HIGHEST_SEED)) for name in names]
