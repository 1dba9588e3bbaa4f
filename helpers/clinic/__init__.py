"""The clinic: set-ups that are broken, on live brokers. You are told symptoms, and repair.

``patient = admit(3, seed=1)`` breaks a set-up and shows what a colleague reports of it, and what you have
in hand. ``patient.hint()`` gives a hint. ``patient.discharge()`` looks at the live broker: is it cured, is
every order that was there still there or packed, and has everybody else what they had? ``emergency`` draws
one or two patients and does not say which.

How to add a case: a subclass of ``Patient``, or of one of its families in ``kafka``, ``rabbitmq`` and
``clusters``, with

- ``name``, ``symptoms`` (what somebody says who has no diagnosis), ``in_hand``, ``hints``, and ``options``,
  if its packers can be told something;
- ``break_it``, which draws what it needs from ``self.data`` and ends when the symptoms can be seen;
- ``expect_cured``, which sends orders of its own, and raises ``Wrong`` with what is still ill, or whom the
  repair has harmed: never one number alone, which could be moved without a cure;
- ``clean_up``.

Then its place in ``PATIENTS`` of its module, and in ``tests/clinic`` a reference repair and the wrong ones:
first of all those that suppress the symptom, as a restart, an offset that is moved, a queue that is emptied.
"""

from __future__ import annotations

from random import Random

from . import alerts, clusters, kafka, rabbitmq
from .patient import Patient

__all__ = ["CASES", "Emergency", "Patient", "admit", "emergency"]

ON_KAFKA, ON_RABBITMQ = kafka.PATIENTS, rabbitmq.PATIENTS
CASES: dict[str, type[Patient]] = {
    case.name: case for case in (*ON_KAFKA, *ON_RABBITMQ, *clusters.PATIENTS, *alerts.PATIENTS)
}
_in_bed: list[Patient] = []


class Emergency:
    """One or two patients at once, and nobody says what they have."""

    def __init__(self, patients: list[Patient]) -> None:
        self.patients = patients

    def hint(self, patient: int = 1) -> None:
        """Print the next hint for the first or the second patient."""
        self.patients[patient - 1].hint()

    def discharge(self) -> None:
        """Have them examined; print the verdicts."""
        for patient in self.patients:
            patient.discharge()

    def _repr_markdown_(self) -> str:
        names = [f"emergency.patients[{number}]" for number in range(len(self.patients))]
        cards = [
            f"#### `{name}`\n\n{patient.card(name)}"
            for name, patient in zip(names, self.patients, strict=True)
        ]
        return "\n\n".join(cards)

    def __repr__(self) -> str:
        return f"Emergency({len(self.patients)})"


def admit(case: int | str, *, seed: int) -> Patient:
    """Break a set-up on live brokers; whoever is still in bed is taken down first.

    Args:
        case: its number, from 1 on, or, for whoever wants to know beforehand, its name (``CASES``).
        seed: draws what there is, and where it is broken.

    Raises:
        ValueError: there is no such case.
        BrokerError: the brokers can't be had; with what to do.
    """
    names = list(CASES)
    if isinstance(case, int) and 1 <= case <= len(names):
        case = names[case - 1]
    if case not in CASES:
        known = ", ".join(names)
        raise ValueError(f"There is no case {case!r}: choose from 1 to {len(names)}, or: {known}.")
    _empty_the_beds()
    return _admitted(CASES[str(case)], seed)


def emergency(*, seed: int) -> Emergency:
    """One or two patients, drawn by the seed; raises as ``admit``."""
    data = Random(f"emergency {seed}")
    drawn = [data.choice(list(CASES.values()))]
    if data.random() < 0.5:
        drawn = [data.choice(ON_KAFKA), data.choice(ON_RABBITMQ)]
    _empty_the_beds()
    return Emergency([_admitted(case, seed) for case in drawn])


def _admitted(case: type[Patient], seed: int) -> Patient:
    patient = case(seed)
    _in_bed.append(patient)
    try:
        patient.break_it()
    except BaseException:
        _empty_the_beds()
        raise
    return patient


def _empty_the_beds() -> None:
    while _in_bed:
        _in_bed.pop().close()
