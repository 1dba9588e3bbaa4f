"""Right and wrong repairs of a patient, which its discharge is to tell apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers import clinic
from tests.cases import data_seed, drawn

Repair = Callable[[Any], object]
IN_A_RUN = 2  # cases, of twelve: a patient takes half a minute


@dataclass(frozen=True)
class Treatment:
    """One repair, and the kind of what its patient's discharge must say."""

    exercise: str
    name: str
    kind: str
    repair: Repair
    seed: int

    def judge(self) -> None:
        patient = clinic.admit(self.exercise, seed=self.seed)
        try:
            self.repair(patient)
            verdict = patient.examine()
            assert verdict.kind == self.kind, f"expected {self.kind}, not {verdict.kind}: {verdict}"
            assert verdict.kind == "cured" or verdict.hint, verdict
        finally:
            patient.close()


@dataclass(frozen=True)
class Repairs:
    """The repairs of one case; of the right ones, the first is the reference."""

    right: dict[str, Repair]
    wrong: dict[str, tuple[str, Repair]]  # by name: the kind of what it leaves or does

    def drawn(self, case: str, seed: int, every: bool) -> list[Treatment]:
        """All of them; or, if the case is one of those of this run, the reference and a wrong one. Each
        has data of its own, on every run the same: what is drawn has been tried before."""
        if not every and case not in random.Random(seed).sample(sorted(clinic.CASES), IN_A_RUN):
            return []
        rows = drawn(case, seed, every, ("cured", self.right), self.wrong)
        return [Treatment(case, *row, data_seed(case, row[0])) for row in rows]


def nothing(_: Any) -> None:
    """The repair of somebody who only looks."""


def both(*deeds: Repair) -> Repair:
    """One repair after the other."""
    return lambda patient: [deed(patient) for deed in deeds]
