"""Grader of the lab on windows: orders counted by the hour in Python, with a watermark and late ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from .answers import Wrong, ask
from .grading import grader

Count = Callable[[dict[str, Any], "Order", int], tuple[dict[str, Any], list[Any], bool]]
SECONDS = 5.0
HOUR = 60
MUCH = 1000  # characters of state; two open hours take a tenth


class Order(NamedTuple):
    """What a learner is given of an order."""

    id: int
    minute: int


class Said(NamedTuple):
    """What is to be said of an order: the hours that it closes with their numbers, and is it late?"""

    closed: list[tuple[int, int]]
    late: bool


@grader("4.15")
def windows(count: Count, data: Random) -> str:
    """Orders in order, and on the hour; out of order; after a crash; and for weeks."""
    delay = data.randrange(6, 20)
    first = 9 * HOUR + data.randrange(20)
    in_order = [first, first + 20, 10 * HOUR, 10 * HOUR + 30, 11 * HOUR, 11 * HOUR + delay]
    _expect(count, in_order, 0)
    mixed = _mixed(data, delay)
    _expect(count, in_order, delay)
    tenth = 10 * HOUR + data.randrange(
        10
    )  # before any of the ninth: which of the two is told first?
    _expect(count, [tenth, 9 * HOUR + 30, 15 * HOUR], HOUR + 10)
    _expect(count, mixed, delay)
    _expect_to_come_back(count, mixed, delay, data)
    gap = data.randrange(15, 25)
    state = _expect(count, [first + gap * number for number in range(1500)], delay)
    if len(state) > MUCH:
        raise Wrong(
            "grows",
            f"after 1,500 orders the state has {len(state):,} characters.",
            "Keep what is still open, and how far the orders have come. All else can be told from "
            "the watermark.",
        )
    return (
        "each hour was told once, as soon as it closed; what came too late was said, crash or not."
    )


def _mixed(data: Random, delay: int) -> list[int]:
    """Orders of a day: some a little late, some too late, two hours without any, and one jump."""
    start = 9 * HOUR
    minutes = [start + data.randrange(5), start + 30 + data.randrange(10)]
    minutes += [start + HOUR + delay - 2, start + HOUR - 1]  # late, and in time
    minutes += [start + HOUR + delay, start + HOUR - 1]  # on the dot: closed
    minutes += [start + HOUR + 1, start + HOUR - 2]  # in time, and late again
    minutes += [start - data.randrange(1, 9 * HOUR)]  # of an hour that was never told
    minutes += [start + HOUR + data.randrange(HOUR - 1) for _ in range(3)]
    minutes += [start + 2 * HOUR, start + 2 * HOUR + delay - 1, start + HOUR + 1]
    minutes += [start + 5 * HOUR + delay + 3]  # closes two at once, and passes two empty ones
    minutes += [start + 3 * HOUR + 7, start + 5 * HOUR + 1, start + 6 * HOUR + delay]
    return minutes


def _expect(count: Count, minutes: list[int], delay: int) -> str:
    """That what is said of each order is right; returns the last state, as JSON."""
    state, told = "{}", dict[int, int]()
    for number, (order, right) in enumerate(_right(minutes, delay)):
        state, said = _said(count, state, order, delay)
        _compare(said, right, told, f"{_times(minutes[: number + 1])}, and a delay of {delay} min")
        told.update(right.closed)
    return state


def _expect_to_come_back(count: Count, minutes: list[int], delay: int, data: Random) -> None:
    """That the same is said when some orders come again, to an earlier state."""
    rights = _right(minutes, delay)
    for saved in sorted(data.sample(range(len(minutes) - 4), 4)):
        checkpoint, _ = _go_through(count, "{}", rights[:saved], delay)
        _go_through(count, checkpoint, rights[saved : saved + 3], delay)
        _, again = _go_through(count, checkpoint, rights[saved:], delay)
        for (order, right), said in zip(rights[saved:], again, strict=True):
            if said != right:
                raise Wrong(
                    "not_in_state",
                    f"killed, and begun again from an earlier state: of the order of "
                    f"{_clock(order.minute)} it says {tuple(said)}, and the first time "
                    f"{tuple(right)}.",
                    "A new process knows the state and the order, and nothing else. What do you "
                    "keep elsewhere?",
                )


def _go_through(
    count: Count, state: str, rows: list[tuple[Order, Said]], delay: int
) -> tuple[str, list[Said]]:
    """The state after these orders, as JSON, and what was said of each."""
    told = []
    for order, _ in rows:
        state, said = _said(count, state, order, delay)
        told.append(said)
    return state, told


def _right(minutes: list[int], delay: int) -> list[tuple[Order, Said]]:
    """Each order, and what is to be said of it."""
    latest, is_open, found = 0, dict[int, int](), []
    for number, minute in enumerate(minutes, 1):
        hour = minute // HOUR
        late = (hour + 1) * HOUR <= latest - delay
        if not late:
            is_open[hour] = is_open.get(hour, 0) + 1
        latest = max(latest, minute)
        over = sorted(hour for hour in is_open if (hour + 1) * HOUR <= latest - delay)
        found.append(
            (Order(number, minute), Said([(hour, is_open.pop(hour)) for hour in over], late))
        )
    return found


def _said(count: Count, state: str, order: Order, delay: int) -> tuple[str, Said]:
    """What the answer says of an order, and its new state, as JSON."""
    answer = ask(count, json.loads(state), order, delay, seconds=SECONDS)
    try:
        new, closed, late = answer
        said = Said([(hour, number) for hour, number in closed], late)
    except (TypeError, ValueError):
        late = None
    else:
        for pair in said.closed:
            if [type(one) for one in pair] != [int, int]:
                raise Wrong(
                    "no_numbers",
                    f"count(…) tells of {pair!r:.80}.",
                    "Hour and number are numbers. (JSON makes texts of the keys of a dictionary.)",
                )
    if type(late) is not bool or not isinstance(new, dict):
        raise Wrong(
            "not_three",
            f"count(…) returned {answer!r:.80}.",
            "Return three things: the state, a dictionary; a list of pairs; and True or False.",
        )
    try:
        return json.dumps(new), said
    except (TypeError, ValueError):
        raise Wrong(
            "not_json",
            f"the state {new!r:.80} can't be written as JSON.",
            "Use texts, numbers, lists and dictionaries.",
        ) from None


def _compare(said: Said, right: Said, told: dict[int, int], after: str) -> None:
    """That it says the right thing of the last of these orders."""
    if said.late != right.late:
        raise Wrong(
            "counted_late" if right.late else "called_late",
            f"after {after}: the last order is {'' if right.late else 'not '}too late, and the "
            f"function says {said.late}.",
            "An order is late if the watermark of the orders before it has reached the end of its "
            "hour, whether that hour was told or not.",
        )
    found, wanted = dict(said.closed), dict(right.closed)
    if again := sorted(set(found) & set(told)):
        raise Wrong(
            "told_twice",
            f"after {after}: hour {again[0]} is told again.",
            "Who reads the rows adds them up. An hour that is closed leaves the state.",
        )
    if early := sorted(set(found) - set(wanted)):
        raise Wrong(
            "too_early",
            f"after {after}: hour {early[0]} is told, but isn't closed or has no orders.",
            "Look where the watermark is: the latest minute so far, less the delay. Has it reached "
            "the end of the hour?",
        )
    if missing := sorted(set(wanted) - set(found)):
        raise Wrong(
            "not_told",
            f"after {after}: hour {missing[0]} is closed by this order, and isn't told.",
            "Several hours may close at once, and one closes when the watermark is exactly at its "
            "end. (JSON makes texts of numbers that are keys.)",
        )
    if off := sorted(hour for hour in wanted if found[hour] != wanted[hour]):
        raise Wrong(
            "wrong_number",
            f"after {after}: hour {off[0]} had {wanted[off[0]]} orders, and {found[off[0]]} are "
            "told.",
            "Each order that is in time counts, also the one that closes its neighbour; none that "
            "is late does.",
        )
    if said.closed != right.closed:
        raise Wrong(
            "wrong_order",
            f"after {after}: expected {right.closed}, found {said.closed}.",
            "The earliest hour first, each of them once.",
        )


def _times(minutes: list[int]) -> str:
    """The last few of these, as a clock has them."""
    shown = ", ".join(map(_clock, minutes[-6:]))
    return f"orders of {'…, ' if len(minutes) > 6 else ''}{shown}"


def _clock(minute: int) -> str:
    return f"{minute // HOUR}:{minute % HOUR:02}"
