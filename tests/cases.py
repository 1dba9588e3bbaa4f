"""The cases of an exercise, a patient or a project that a run tries, the seed of each one's data, and what
is to be there."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from helpers import extras
from helpers.settings import HIGHEST_SEED

Row = tuple[str, str, Any]  # a case's name, what is to be said of it, and what is tried


def drawn(
    exercise: str,
    seed: int,
    every: bool,
    right: tuple[str, Mapping[str, Any]],
    wrong: Mapping[str, tuple[str, Any]],
) -> list[Row]:
    """All of them; or the reference, the first that is right, and a wrong one, which the seed draws.

    ``right`` is what is to be said of those that are right, and those by name; of each wrong one that
    is told by name.
    """
    said, by_name = right
    good = [(name, said, one) for name, one in by_name.items()]
    bad = [(name, kind, one) for name, (kind, one) in wrong.items()]
    if every:
        return [*good, *bad]
    begun = [row for row in bad if row[1] != "not_attempted"]  # a stub proves little
    return [good[0], random.Random(f"{exercise} {seed}").choice(begun)]


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips what needs these of EXTRAS where one of them is missing, and names it."""
    missing = extras.missing(*names)
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}")


def data_seed(*parts: object) -> int:
    """The seed of a case's data: the same for the same words and numbers."""
    return random.Random(" ".join(map(str, parts))).randint(0, HIGHEST_SEED)
