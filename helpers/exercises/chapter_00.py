"""The grader of the front door: reading a ledger."""

from __future__ import annotations

from random import Random
from typing import Any

from ..ledger import Ledger
from .answers import Wrong
from .grading import grader


@grader("0.1", answer="value")
def predict(prediction: Any, _data: Random) -> str:
    """The pair (lost, duplicated) of a ledger that is made here and now."""
    ledger = Ledger("exercise 0.1")
    for number in (1, 2, 3):
        ledger.attempt(number)
        ledger.acknowledge(number)
    for number in (1, 2, 2, 3, 3):
        ledger.read(number)
    ledger.finish("this is all that happens")
    counts = ledger.count()
    if not isinstance(prediction, tuple) or [type(n) for n in prediction] != [int, int]:
        raise Wrong(
            "no_pair", "a pair of whole numbers was asked for.", "Write it as (lost, duplicated)."
        )
    if prediction[0] != counts.lost:
        raise Wrong(
            "lost_miscounted",
            "that is not how many were lost.",
            "Lost: acknowledged, and not read even once.",
        )
    if prediction[1] != counts.duplicated:
        raise Wrong(
            "duplicates_miscounted",
            "that is not how many were duplicated.",
            "Count the readings beyond the first of each message.",
        )
    return "nothing lost, two duplicated."
