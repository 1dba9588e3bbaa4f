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
from .lives import live, mortal
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
    yield [(number, "one more") for number, _ in pairs], 0
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

    ask(collect, seconds=3, of=answer)
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

Line = dict[str, Any]
DAYS = (([1, 2, 2, 3, 5, 12], 1), ([1, 2, 2, 3, 5, 12], 2))  # how long the orders are; copies
SAVED = "saved"
MOST_STATEMENTS = 40  # for one message
DEADLY = ([1, 3], 1)  # a process for each message, and each of its statements is one process's last


@grader("9.2", needs=("rabbitmq",))
def aggregate(answer: Callable, data: Random) -> str:
    """Lines of a queue: once each; twice, late and mixed; and with a process that is killed."""
    for day in (*DAYS, DEADLY):
        lines, wanted = _lines(data, *day)
        with tempfile.TemporaryDirectory() as folder:
            path = _database(Path(folder))
            with amqp() as connection, new_queue(channel := connection.channel()) as queue:
                publish(channel, "", queue, [json.dumps(line) for line in lines])
                if day is DEADLY:
                    _die_everywhere(answer, path, queue, len(lines))
                else:
                    live(answer, partial(_live, answer, path, queue, len(lines)), seconds=20)
            _expect_orders(path, wanted)
    _expect_no_commit(answer, data)
    return "mixed, doubled, late and killed: each complete order once, with its sum."


def _database(folder: Path) -> Path:
    path = folder / "aggregator.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE lines (order_id TEXT, line INTEGER, cents INTEGER)")
        database.execute("CREATE TABLE complete (order_id TEXT, cents INTEGER)")
    return path


def _lines(data: Random, sizes: list[int], copies: int) -> tuple[list[Line], dict[str, int]]:
    """Lines of orders in any order, repeats at the end; and the sums of the complete orders.

    Of an order of five one line is lost, and in one of twelve two lines cost the same. The first
    order has one line, which costs nothing and is the first to come; others are called much alike.
    """
    letter, n = data.choice("AB"), data.randrange(10, 99)
    alike = (f"{letter}-{n}", f"{letter}_{n}", f"{letter.lower()}-{n}", f"{letter}-{n} ")
    names = [*alike, f"{letter}-{n}0", f"{n}-{letter}"][: len(sizes)]
    every: list[Line] = [
        {"order": name, "line": line, "of": size, "cents": data.randint(0, 900)}
        for name, size in zip(names, sizes, strict=True)
        for line in range(1, size + 1)
    ]
    if 12 in sizes:
        every[-1]["cents"] = every[-2]["cents"]
    every[0]["cents"] = 0
    lost = [data.choice([line for line in every if line["of"] == 5])] if 5 in sizes else []
    rest = [line for line in every[1:] if line not in lost]
    lines = [every[0], *data.sample(rest, len(rest))]
    repeats = data.sample(lines, len(lines)) if copies == 2 else []
    sums = {name: sum(x["cents"] for x in every if x["order"] == name) for name in names}
    for line in lost:
        del sums[line["order"]]
    return [*lines, *repeats], sums


def _die_everywhere(answer: Callable, path: Path, queue: str, messages: int) -> None:
    """Each message, with a death before each statement, and one before its word."""
    for _ in range(messages):
        for fatal in range(1, MOST_STATEMENTS):
            work = partial(_live, answer, path, queue, 1, fatal, True)
            if live(answer, work, seconds=20) == SAVED:
                break
        live(answer, partial(_live, answer, path, queue, 1), seconds=20)


def _live(
    answer: Callable, path: Path, queue: str, messages: int, fatal: int = 0, silent: bool = False
) -> str:
    """Handle messages; die before statement `fatal`, or leave without a word, the work saved."""
    with amqp() as connection, mortal(path, fatal) as database:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for _ in range(messages):
            method, _, body = next(channel.consume(queue, inactivity_timeout=10))
            with database:
                answer(database, json.loads(body))
            if silent:
                return SAVED
            channel.basic_ack(method.delivery_tag)
    return "said"


def _expect_no_commit(answer: Callable, data: Random) -> None:
    """That whoever calls can take back what was done for a line."""
    lines, _ = _lines(data, *DEADLY)
    with tempfile.TemporaryDirectory() as folder:
        path = _database(Path(folder))
        live(answer, partial(_take_back, answer, path, lines), seconds=20)
        with closing(sqlite3.connect(path)) as database:
            kept = database.execute("SELECT order_id FROM lines").fetchall()
            kept += database.execute("SELECT order_id FROM complete").fetchall()
    if kept:
        what = f"the transaction was rolled back, and something of {kept[0][0]!r} is there."
        raise Wrong("committed", what, "The transaction is your caller's: don't commit.")


def _take_back(answer: Callable, path: Path, lines: list[Line]) -> None:
    with closing(sqlite3.connect(path)) as database:
        for line in lines:
            database.execute("BEGIN")
            answer(database, line)
            database.rollback()


def _expect_orders(path: Path, wanted: dict[str, int]) -> None:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT order_id, cents FROM complete").fetchall()
        kept = {name for (name,) in database.execute("SELECT order_id FROM lines")}
    names = [name for name, _ in found]
    if lost := [name for name in wanted if name not in names]:
        what = f"{lost[0]} is not in complete, though all its lines came."
        raise Wrong("lost", what, "Keep all in the database, and leave the commit to your caller.")
    for name in names:
        if name not in wanted:
            what = f"{name!r} is complete, but not all of its lines have come."
            raise Wrong(
                "invented",
                what,
                "Count the lines: one that comes again is no other, and the last may be first.",
            )
        if names.count(name) > 1:
            what = f"{name} was completed {names.count(name)} times."
            raise Wrong("doubled", what, "A late line of an order that is through changes nothing.")
    for name, cents in found:
        if cents != wanted[name]:
            what = f"{name}: {cents} cents, expected {wanted[name]}."
            raise Wrong("wrong_sum", what, "Each line counts once; two may cost the same.")
    if left := sorted(kept & set(wanted)):
        what = f"lines still has rows of {left[0]}, which is complete."
        raise Wrong("left_behind", what, "Remove them with the last line, and let no late one in.")
