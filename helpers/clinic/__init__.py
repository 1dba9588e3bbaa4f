"""The clinic: set-ups that are broken, on live brokers. You are told symptoms only."""

from __future__ import annotations

from random import Random

from . import alerts, clusters, rabbitmq
from .kafka import GrowingLag, HotPartition, RebalanceStorm
from .patient import Patient, Verdict

CASES: dict[str, type[Patient]] = {
    case.name: case
    for case in (
        GrowingLag,
        HotPartition,
        RebalanceStorm,
        *rabbitmq.PATIENTS,
        *clusters.PATIENTS,
        *alerts.PATIENTS,
    )
}


def admit(case: str = "", *, seed: int) -> Patient:
    name = case or Random(seed).choice(list(CASES))
    patient = CASES[name](seed)
    try:
        patient.break_it()
    except BaseException:
        patient.close()
        raise
    return patient
