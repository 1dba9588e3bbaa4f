"""``python -m helpers progress``: what a learner has done in the workbook, and what is next."""

import re
from collections.abc import Iterable
from pathlib import Path

from .. import claims, notes, settings
from ..notebooks import cells, in_reading_order

ELSEWHERE = "This is the course itself; progress is kept in the workbook that `make lab` opens."
_EXERCISE = re.compile(r"^### Exercise (\d+\.\d+)", re.MULTILINE)


def report() -> str:
    """A line for each chapter that was begun, and the next notebook; outside a workbook one line.

    The next one is the first chapter with an exercise to solve or a claim to run; then the first
    such lab, in the order of the map on the front door.
    """
    if not notes.kept():
        return ELSEWHERE
    course = settings.NOTEBOOKS
    kept, asked, settled = notes.read(), exercises_in(course), claims.settled_in(course)
    numbers = sorted({_chapter(number) for number in [*asked, *settled]})
    lines = [_line(chapter, kept, asked, settled) for chapter in numbers]
    return "\n".join([*filter(None, lines), _next(kept, asked, settled)])


def exercises_in(notebooks: Path) -> dict[str, Path]:
    """Which notebook sets which exercise, by its number; a chapter's before those of its labs."""
    found: dict[str, Path] = {}
    for path, text, _ in cells(notebooks, "markdown"):
        found |= dict.fromkeys(_EXERCISE.findall(text), path)
    return found


def _line(
    chapter: int, kept: notes.Notes, asked: dict[str, Path], settled: dict[str, list[Path]]
) -> str:
    """What was done in a chapter and its labs; empty if nothing was."""

    def own(numbers: Iterable[str]) -> list[str]:
        return [number for number in numbers if _chapter(number) == chapter]

    exercises, run = own(asked), own(settled)
    solved = [number for number in exercises if number in kept.exercises]
    done = [number for number in run if number in kept.claims]
    outcomes = [right for number in own(kept.outcomes) for right in kept.outcomes[number].values()]
    made = [right for right in outcomes if right is not None]
    if not solved and not done and not made:
        return ""
    parts = []
    if exercises:
        parts.append(f"exercises solved: {_of(solved, exercises)}")
    if run:
        parts.append(f"claims run: {_of(done, run)}")
    if made:
        parts.append(f"predictions right: {sum(made)} of {len(made)}")
    return f"Chapter {chapter}: {'; '.join(parts)}."


def _of(done: list[str], every: list[str]) -> str:
    named = f" ({', '.join(done)})" if done else ""
    return f"{len(done)} of {len(every)}{named}"


def _next(kept: notes.Notes, asked: dict[str, Path], settled: dict[str, list[Path]]) -> str:
    unsolved = {path for number, path in asked.items() if number not in kept.exercises}
    unrun = {p for number, paths in settled.items() if number not in kept.claims for p in paths}
    unfinished = in_reading_order(unsolved | unrun, settings.NOTEBOOKS)
    chapters = [path for path in unfinished if path.parent == settings.NOTEBOOKS]
    if not unfinished:
        return "Nothing is left: every exercise is solved, and every claim was run."
    return f"Next: {(chapters or unfinished)[0].relative_to(settings.NOTEBOOKS).as_posix()}"


def _chapter(number: str) -> int:
    return int(number.partition(".")[0])
