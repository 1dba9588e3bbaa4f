"""Grader of the lab on draining a node: which orders come again, and which were done already."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from .answers import Wrong, ask
from .grading import grader

Log = list[tuple[Any, ...]]
Again = Callable[[Log], dict[str, set[int]]]
PARTS = ("again", "twice")
LOST = ("lost",)


@grader("10.10")
def tells_what_comes_again(again: Again, data: Random) -> str:
    """The smallest logs that tell one mistake from another, then long ones."""
    for log in _small(data.sample(range(100, 1000), 4)):
        _check(again, log)
    for _ in range(20):
        _check(again, _drawn(data))
    return "what comes again, and what of it was done already, after every loss."


def _small(orders: list[int]) -> list[Log]:
    a, b, c, d = orders
    came = [("delivered", tag, order) for tag, order in enumerate(orders, 1)]
    return [
        [],
        [came[0], ("handled", a)],  # still connected
        [came[0], LOST],
        [came[0], ("handled", a), LOST],
        [came[0], ("handled", a), ("acked", 1, False), LOST],
        [came[0], ("acked", 1, False), ("handled", a), LOST],  # acknowledged first
        [*came, ("handled", a), ("handled", b), ("acked", 2, False), LOST],
        [*came, ("handled", a), ("handled", b), ("acked", 2, True), ("handled", c), LOST],
        [*came, ("handled", a), ("handled", b), ("acked", 0, True), LOST],  # 0: all that came
        [*came[:2], ("acked", 0, True), *came[2:], ("handled", c), LOST],
        # tags begin anew with each connection
        [*came[:2], ("handled", a), ("acked", 1, False), LOST, ("delivered", 1, b), LOST],
        [came[0], ("handled", a), LOST, ("delivered", 1, a), ("acked", 1, False), LOST],
        [came[0], LOST, ("delivered", 1, a), ("handled", a), ("acked", 1, False)],
        [came[0], ("handled", a), LOST, ("delivered", 1, c), ("handled", c)],
        [*came[:2], LOST, ("delivered", 1, d), ("acked", 1, False), LOST],
    ]


def _drawn(data: Random) -> Log:
    """A consumer of twenty orders whose node is restarted now and then."""
    waiting = data.sample(range(100, 1000), 20)
    log: Log = []
    while waiting:
        tags = dict(enumerate(waiting[: data.randint(1, 8)], 1))
        log.extend(("delivered", tag, order) for tag, order in tags.items())
        done: set[int] = set()
        for tag, order in tags.items():
            if data.random() < 0.3:
                break
            log.append(("handled", order))
            if data.random() < 0.5:
                several = data.random() < 0.5
                done |= {n for n in tags if n <= tag} if several else {tag}
                log.append(("acked", tag, several))
        if data.random() < 0.2:
            done = set(tags)
            log.append(("acked", 0, True))
        waiting = [order for order in waiting if order not in {tags[tag] for tag in done}]
        log.append(LOST)
    return log[:-1]


def _check(again: Again, log: Log) -> None:
    said, expected = ask(again, list(log)), _expected(log)
    if not isinstance(said, dict) or set(said) != set(PARTS):
        raise Wrong("no_sets", f"again(…) returned {said!r:.80}.", f"a dictionary of {PARTS}.")
    for part in PARTS:
        if not isinstance(said[part], set):
            raise Wrong("no_sets", f"{part!r} is {said[part]!r:.60}.", "make it a set.")
        if wrong := sorted(said[part] ^ expected[part], key=str):
            verb = "is" if wrong[0] in said[part] else "isn't"
            raise Wrong(
                f"wrong_{part}",
                f"order {wrong[0]} {verb} in {part!r} of again({_short(log)}).",
                "a lost connection gives back what was delivered by it and isn't acknowledged. With "
                "`multiple`, an acknowledgement holds for all tags up to its own, and with tag 0 for "
                "all that came.",
            )


def _short(log: Log) -> str:
    return repr(log) if len(log) <= 8 else f"[… {len(log)} entries, ending in {log[-4:]}]"


def _expected(log: Log) -> dict[str, set[int]]:
    expected: dict[str, set[int]] = {"again": set(), "twice": set()}
    in_hand: dict[int, int] = {}
    handled: set[int] = set()
    for what, *of in log:
        if what == "delivered":
            in_hand[of[0]] = of[1]
        if what == "handled":
            handled.add(of[0])
        if what == "acked":
            tag, multiple = of
            tags = [t for t in in_hand if t == tag or (multiple and (t < tag or tag == 0))]
            for gone in tags:
                del in_hand[gone]
        if what == "lost":
            expected["again"] |= set(in_hand.values())
            expected["twice"] |= handled & set(in_hand.values())
            in_hand = {}
    return expected
