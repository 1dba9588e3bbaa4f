"""Grader of the lab on rebalances: shares that are fair, and of which few move."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from random import Random

from .answers import Wrong, ask
from .grading import grader

Shares = dict[str, list[int]]
Deal = Callable[[list[int], Shares], Shares]


@grader("4.7")
def deals(deal: Deal, data: Random) -> str:
    """A join, a leave, a partition more and fewer, more members than partitions, and chance."""
    for partitions, owned in _groups(data):
        _check(deal, partitions, owned)
    return "every partition has one owner, the shares are fair, and no partition moved in vain."


def _groups(data: Random) -> list[tuple[list[int], Shares]]:
    names = [f"member-{number}" for number in data.sample(range(100), 7)]
    a, b, c, *_ = names
    groups: list[tuple[list[int], Shares]] = [
        ([0, 1, 2, 3], {a: [0, 1, 2, 3], b: []}),  # b joins
        ([0, 1, 2, 3, 4, 5], {a: [0, 3], b: [1, 4]}),  # a third one has left
        ([0, 1, 2, 3, 4], {a: [0, 1], b: [2, 3]}),  # a partition more
        ([0, 1], {a: [0, 2, 4], b: [1, 3]}),  # three fewer
        ([0, 1], {a: [0], b: [1], c: []}),  # more members than partitions
        ([0, 1, 2, 3, 4], {a: [0], b: [1, 2, 3, 4]}),  # who has most keeps most
        ([0, 1, 2, 3], {a: [3, 0], b: [2, 1]}),  # nothing to do
        ([0, 1, 2], {a: [], b: []}),  # nobody has any
        ([], {a: [0], b: []}),  # no partition at all
        ([5], {a: []}),
    ]
    for _ in range(20):
        partitions = data.sample(range(40), data.randint(1, 25))
        members = data.sample(names, data.randint(1, 7))
        owned: Shares = {name: [] for name in members}
        for number in data.sample(range(40), 30):
            owned[data.choice(members)].append(number)
        groups.append((partitions, owned))
    return groups


def _check(deal: Deal, partitions: list[int], owned: Shares) -> None:
    given, had = list(partitions), copy.deepcopy(owned)
    shares = ask(deal, given, had)
    case = f"deal({partitions}, {owned})"
    if had != owned or given != partitions:
        raise Wrong("changed", f"{case} changed what it was given.", "make new lists.")
    if not _is_shares(shares):
        raise Wrong(
            "no_shares", f"{case} returned {shares!r:.80}.", "return a dictionary of lists."
        )
    if set(shares) != set(owned):
        raise Wrong(
            "wrong_members",
            f"{case} has shares for {sorted(shares)}; the members are {sorted(owned)}.",
            "who gets nothing has an empty list.",
        )
    owners = Counter(number for share in shares.values() for number in share)
    for number in sorted({*owners, *partitions}):
        if owners[number] != partitions.count(number):
            raise Wrong(
                "owners",
                f"{case}: partition {number} has {owners[number]} owners in {shares}; "
                f"expected {partitions.count(number)}.",
                "look at partitions that are new, and at those that are no longer there.",
            )
    sizes = sorted(map(len, shares.values()))
    if sizes[-1] - sizes[0] > 1:
        raise Wrong(
            "unfair",
            f"{case}: the shares are {shares}.",
            "the largest may have one more than the smallest.",
        )
    kept = sum(len(set(share) & set(owned[name])) for name, share in shares.items())
    if kept < (most := _most_kept(partitions, owned)):
        raise Wrong(
            "moved_in_vain",
            f"{case}: {kept} partitions stay where they are in {shares}; {most} could.",
            "who may keep how many? And who gets the one more, if the numbers don't come out even?",
        )


def _is_shares(shares: object) -> bool:
    return isinstance(shares, dict) and all(
        isinstance(share, list) and all(isinstance(number, int) for number in share)
        for share in shares.values()
    )


def _most_kept(partitions: list[int], owned: Shares) -> int:
    """How many partitions can stay where they are, at best."""
    least, extra = divmod(len(partitions), len(owned))
    has = [len(set(share) & set(partitions)) for share in owned.values()]
    return sum(min(number, least) for number in has) + min(extra, sum(n > least for n in has))
