"""Graders of chapter 9: a resequencer that gives up, and an aggregator that may die."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from .answers import Wrong, ask
from .grading import grader
from .lives import KILLED, die, live, mortal
from .places import amqp, new_queue, publish

# -- 9.1: a resequencer that gives up ------------------------------------------------------------

Pair = tuple[int, str]


@grader("9.1")
def resequence(answer: Callable, data: Random) -> str:
    """Arrivals of all kinds, and what has been yielded when the next one is asked for."""
    for arrivals, room in _arrivals(data):
        _expect_sequence(answer, arrivals, room)
    return "in order, as soon as could be, and no gap holds up more than there is room for."


def _arrivals(data: Random) -> Iterator[tuple[list[Pair], int]]:
    """Each with the room that there is."""
    pairs = [(number, f"order-{data.randrange(10**6)}") for number in range(1, 21)]
    gone = data.randint(3, 8)
    gap = [pair for pair in pairs if pair[0] != gone]
    mixed = data.sample(pairs[:12], 12)
    yield [], 3
    yield pairs, 0
    yield pairs[::-1], 19
    yield mixed, 12
    yield pairs[::-1], 0
    yield gap, 20
    yield gap, 3
    yield [*gap[:15], pairs[gone - 1], *gap[15:]], data.randint(1, 4)
    yield pairs[4:], 2
    yield [pair for pair in pairs for _ in range(2)], 1
    yield [pairs[0], *[pairs[2]] * 5, pairs[3], pairs[1], *pairs[4:]], 2  # copies take no room
    yield [pairs[1], pairs[4], pairs[8], pairs[2], pairs[0], *pairs[9:]], 2  # gaps behind a gap
    for _ in range(5):
        yield data.choices(pairs, k=40), data.randint(0, 5)


def _expect_sequence(answer: Callable, arrivals: list[Pair], room: int) -> None:
    had: list[Any] = []
    before: list[int] = []  # how many pairs had been yielded when another arrival was asked for

    def feed() -> Iterator[Pair]:
        for pair in arrivals:
            before.append(len(had))
            yield pair
        before.append(len(had))

    def collect() -> None:
        for pair in answer(feed(), room) or ():
            had.append(pair)
            if len(had) > 2 * len(arrivals):
                return

    ask(collect, seconds=10, of=answer)
    steps = _reference(arrivals, room)
    wanted = [pair for step in steps for pair in step]
    case = f"arrivals {[number for number, _ in arrivals]}, room {room}"
    numbers = [pair[0] if isinstance(pair, tuple) and pair else pair for pair in had]
    if odd := [pair for pair in had if pair not in arrivals]:
        raise Wrong("wrong_pair", f"{case}: {odd[0]!r} never arrived.", "Yield pairs as they came.")
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise Wrong("doubled", f"{case}: {twice} was yielded twice.", "It may come a second time.")
    if numbers != sorted(numbers):
        raise Wrong(
            "wrong_order", f"{case}: yielded {numbers}.", "Whose turn is it, and is it late?"
        )
    done = 0
    for n, (step, at_next) in enumerate(zip(steps, before[1:], strict=False), 1):
        done += len(step)
        if at_next != done:
            kind = "kept_too_long" if at_next < done else "gave_up_early"
            what = f"{case}: after {n} arrivals {at_next} pairs were yielded, expected {done}."
            raise Wrong(kind, what, "What may go goes at once; what waits takes room, and no more.")
    if had != wanted:
        missing = [pair for pair in wanted if pair not in had]
        raise Wrong("lost", f"{case}: {missing[0]} was not yielded.", "Look at the end.")


def _reference(arrivals: list[Pair], room: int) -> list[list[Pair]]:
    """What each arrival sets free, and last the end."""
    waiting: dict[int, Pair] = {}
    due, steps = 1, []
    for pair in arrivals:
        free = []
        if pair[0] >= due:
            waiting[pair[0]] = pair
        if due not in waiting and len(waiting) > room:
            due = min(waiting)
        while due in waiting:
            free.append(waiting.pop(due))
            due += 1
        steps.append(free)
    return [*steps, [waiting[number] for number in sorted(waiting)]]


# -- 9.2: an aggregator that may die -------------------------------------------------------------

LIVES = 60  # at most; each but the last is killed
Line = dict[str, Any]


@grader("9.2", needs=("rabbitmq",))
def aggregate(answer: Callable, data: Random) -> str:
    """Lines of a queue: once each; twice, late and mixed; and with a process that is killed."""
    for copies, killed in ((1, False), (2, False), (1, True), (2, True)):
        lines, wanted = _lines(data, copies)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "aggregator.db"
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("CREATE TABLE lines (order_id TEXT, line INTEGER, cents INTEGER)")
                database.execute("CREATE TABLE complete (order_id TEXT, cents INTEGER)")
            _aggregate(answer, path, lines, data if killed else None)
            _expect_orders(path, wanted)
    return "mixed, doubled, late and killed: each complete order once, with its sum."


def _lines(data: Random, copies: int) -> tuple[list[Line], dict[str, int]]:
    """Lines of orders in any order, repeats up to the end; and the sums of the complete orders."""
    sizes = [1, 2, 2, 3, 5, 12]
    names = [f"{data.choice('AB')}-{n}" for n in data.sample(range(100), len(sizes))]
    every: list[Line] = [
        {"order": name, "line": line, "of": size, "cents": data.choice([0, data.randint(1, 900)])}
        for name, size in zip(names, sizes, strict=True)
        for line in range(1, size + 1)
    ]
    twin = next(line for line in every if line["of"] == 12)
    twin["cents"] = next(line["cents"] for line in every if line["of"] == 12 and line != twin)
    lost = data.choice([line for line in every if line["of"] == 5])
    lines = data.sample([line for line in every if line is not lost], len(every) - 1)
    repeats = data.sample(lines, len(lines)) if copies == 2 else []
    sums = {n: sum(x["cents"] for x in every if x["order"] == n) for n in names}
    del sums[lost["order"]]
    return [*lines, *repeats], sums


def _aggregate(answer: Callable, path: Path, lines: list[Line], killed: Random | None) -> None:
    """As many lives as the queue needs; each may be killed at a statement, or before its word."""
    with amqp() as connection, new_queue(channel := connection.channel()) as queue:
        publish(channel, "", queue, [json.dumps(line) for line in lines])
        for life in range(LIVES):
            fatal = silent = 0
            if killed is not None and life < LIVES - 1:
                fatal, silent = (0, 4) if life % 3 == 2 else (killed.randint(3, 14), 0)
            work = partial(_live, answer, path, queue, fatal, silent)
            if live(answer, work, seconds=20) is not KILLED:
                return


def _live(answer: Callable, path: Path, queue: str, fatal: int, silent: int) -> None:
    """Handle what is in the queue; die before statement `fatal`, or before the word for message
    number `silent`."""
    with amqp() as connection, mortal(path, fatal) as database:
        channel, handled = connection.channel(), 0
        while (message := channel.basic_get(queue))[0] is not None:
            with database:
                answer(database, json.loads(message[2]))
            handled += 1
            if handled == silent:
                die()
            channel.basic_ack(message[0].delivery_tag)


def _expect_orders(path: Path, wanted: dict[str, int]) -> None:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT order_id, cents FROM complete").fetchall()
        kept = {name for (name,) in database.execute("SELECT order_id FROM lines")}
    names = [name for name, _ in found]
    if lost := [name for name in wanted if name not in names]:
        what = f"{lost[0]} is not in complete, though all its lines came."
        raise Wrong("lost", what, "What must outlive the process has to be in the database.")
    for name in names:
        if name not in wanted:
            what = f"{name!r} is complete, but not all of its lines have come."
            raise Wrong("invented", what, "A line that comes again is no other line.")
        if names.count(name) > 1:
            what = f"{name} was completed {names.count(name)} times."
            raise Wrong("doubled", what, "A late line of an order that is through changes nothing.")
    for name, cents in found:
        if cents != wanted[name]:
            what = f"{name}: {cents} cents, expected {wanted[name]}."
            raise Wrong("wrong_sum", what, "Each line counts once.")
    if left := sorted(kept & set(wanted)):
        what = f"lines still has rows of {left[0]}, which is complete."
        raise Wrong("left_behind", what, "Remove them with the last line, and let no late one in.")
