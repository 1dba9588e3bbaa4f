"""Chapter 0's grader tells right answers from wrong ones."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tests.exercises.answers import Answers


class Counted(NamedTuple):
    lost: int
    duplicated: int


def by_counting(confirmed, read):
    """The ledger, made up by a program."""
    return len(set(confirmed) - set(read)), sum((Counter(read) - Counter(set(read))).values())


ANSWERS = {
    "0.1": Answers(
        right={
            "reference": (0, 2),
            "by name": Counted(duplicated=2, lost=0),
            "by counting": by_counting([1, 2, 3], [1, 2, 2, 3, 3]),
        },
        wrong={
            "all readings": ("duplicates_miscounted", (0, 5)),
            "both readings": ("duplicates_miscounted", (0, 4)),
            "one": ("duplicates_miscounted", (0, 1)),
            "the other way round": ("lost_miscounted", (2, 0)),
            "one lost": ("lost_miscounted", (1, 2)),
            "a list": ("no_pair", [0, 2]),
            "a text": ("no_pair", "0, 2"),
            "a truth": ("no_pair", (False, 2)),
            "three": ("no_pair", (0, 2, 3)),
            "not begun": ("not_attempted", ...),
        },
    ),
}


def test_answers(case):
    case.judge()
