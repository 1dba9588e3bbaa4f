"""What a learner has done, kept in the workbook: exercises, claims, predictions.

Nothing is written or read unless the current directory is the workbook or a folder in it. The notes
are one hidden file, ``workbook/.notes.json``; whoever deletes it begins anew.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from . import settings
from .brokers import BrokerError, files, locks

WORKBOOK = settings.CHECKOUT / "workbook"
NAME = ".notes.json"
PATIENCE = 10.0  # seconds for another kernel to finish writing

Value = bool | int | float | str
Result = TypeVar("Result")


@dataclass
class Notes:
    """What has been done so far; every key is the number of an exercise or a claim, as ``"3.1"``.

    ``outcomes`` says of each name that was measured first whether the prediction of it was right;
    None where none had been written down by then.
    """

    exercises: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    predictions: dict[str, dict[str, Value]] = field(default_factory=dict)
    outcomes: dict[str, dict[str, bool | None]] = field(default_factory=dict)

    def predicted(self, claim: str) -> dict[str, Value]:
        """The predictions of a claim, by name."""
        return self.predictions.get(claim, {})

    def predict(self, claim: str, values: dict[str, Value]) -> list[str]:
        """Note predictions. Returns the names that come too late: they have been measured."""
        before, measured = self.predicted(claim), self.outcomes.get(claim, {})
        late = [name for name in values if name in measured and before.get(name) != values[name]]
        in_time = {name: value for name, value in values.items() if name not in late}
        self.predictions.setdefault(claim, {}).update(in_time)
        return late

    def settle(self, claim: str, outcomes: dict[str, bool | None]) -> None:
        """Note that a claim was run. The first outcome of each name is the one that counts."""
        if claim not in self.claims:
            self.claims.append(claim)
        self.outcomes[claim] = outcomes | self.outcomes.get(claim, {})

    def solve(self, exercise: str) -> None:
        """Note that an exercise is solved."""
        if exercise not in self.exercises:
            self.exercises.append(exercise)


def kept() -> bool:
    """Is this the workbook, or a folder in it?"""
    here = Path.cwd()
    return here == WORKBOOK or WORKBOOK in here.parents


def read() -> Notes:
    """The notes; none outside the workbook. A damaged file, which nobody but a hand can make, counts
    as none."""
    if not kept():
        return Notes()
    try:
        notes = Notes(**json.loads((WORKBOOK / NAME).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Notes()
    return notes if _sound(notes) else Notes()


def change(action: Callable[[Notes], Result]) -> Result:
    """Let an action change the notes, and return what it returns. Two kernels take turns.

    They are written in one step. Outside the workbook the action gets empty notes, which are then
    forgotten. Where they can't be written, a sentence says so and the lesson goes on.
    """
    if not kept():
        return action(Notes())
    try:
        lock = settings.cache_dir() / "run" / "notes.lock"
        with locks.held(lock, "Waiting for another notebook to write its notes", PATIENCE):
            notes = read()
            before = asdict(notes)
            result = action(notes)
            if asdict(notes) != before:
                files.write(WORKBOOK / NAME, json.dumps(asdict(notes), indent=1) + "\n")
            return result
    except (OSError, BrokerError, settings.SettingsError) as error:
        print(f"What you did here could not be noted in {WORKBOOK / NAME}: {error}")
        return action(Notes())


def _sound(notes: Notes) -> bool:
    """Are the lists lists, and the tables tables?"""
    lists, tables = (notes.exercises, notes.claims), (notes.predictions, notes.outcomes)
    return all(isinstance(part, list) for part in lists) and all(
        isinstance(part, dict) and all(isinstance(row, dict) for row in part.values())
        for part in tables
    )
