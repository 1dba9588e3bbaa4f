"""Graders of chapter 4: how far behind a group is, and loops that neither stop, nor lose, nor double."""

from __future__ import annotations

import functools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)

from ..names import fresh
from . import Wrong, grader
from .program import as_program
from .topic import kafka_options, new_topic

RECORDS = 12
POISON = {4: b"order 4", 9: "été".encode("latin-1")}  # neither is JSON


# -- 4.1: how far behind -------------------------------------------------------------------------


@grader("4.1")
def lag(answer: Callable[[KafkaAdminClient, KafkaConsumer, str, str], dict[int, int]]) -> str:
    """Four partitions: one half read, one read to its end, one never, one whose commit is deleted."""
    with new_topic(partitions=4) as topic:
        group = fresh("exercise")
        _fill(topic, {0: 10, 1: 5, 2: 7, 3: 20})
        with (
            KafkaAdminClient(**kafka_options()) as admin,
            KafkaConsumer(**kafka_options()) as consumer,
        ):
            _commit(topic, group, {0: 4, 1: 5, 3: 3})
            admin.delete_records({TopicPartition(topic, 2): 2, TopicPartition(topic, 3): 8})
            found = answer(admin, consumer, group, topic)
        expected = {0: 6, 1: 0, 2: 5, 3: 12}
    if not isinstance(found, dict) or set(found) != set(expected):
        raise Wrong(
            f"the answer is {found!r}, not a dictionary with the four partitions' numbers.",
            "`consumer.partitions_for_topic(topic)` has the numbers, {0, 1, 2, 3} here.",
        )
    _expect_lag(found, expected, 0, "has 10 records, and 4 was committed")
    _expect_lag(found, expected, 1, "has 5 records, and 5 was committed")
    _expect_lag(found, expected, 2, "has no commit, and its first 2 of 7 records are deleted")
    _expect_lag(found, expected, 3, "has 20 records; 3 was committed, and the first 8 are deleted")
    return "four partitions right: half read, read to the end, never read, and cut off."


def _expect_lag(found: dict[int, int], expected: dict[int, int], number: int, state: str) -> None:
    if found[number] != expected[number]:
        raise Wrong(
            f"partition {number} {state}: {expected[number]} are left to read, not "
            f"{found[number]!r}.",
            "The group reads on at its commit, or at the first record that is left, whichever "
            "is later: `consumer.beginning_offsets(...)` and `consumer.end_offsets(...)`.",
        )


def _fill(topic: str, counts: dict[int, int]) -> None:
    with KafkaProducer(**kafka_options()) as producer:
        for partition, count in counts.items():
            for number in range(count):
                producer.send(topic, str(number).encode(), partition=partition)


def _commit(topic: str, group: str, offsets: dict[int, int]) -> None:
    with KafkaConsumer(**kafka_options(), group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, number) for number in offsets])
        consumer.commit(
            {TopicPartition(topic, n): OffsetAndMetadata(at, "", -1) for n, at in offsets.items()}
        )


# -- 4.2: a loop that goes on --------------------------------------------------------------------


class _Crash(BaseException):
    """The death of the learner's loop: not an Exception, so that no handler survives it."""


class _Work:
    """What the learner's loop did, over all its lives. It dies once in each of two places."""

    def __init__(self) -> None:
        self.handled: Counter[int] = Counter()
        self.aside: Counter[int] = Counter()
        self._deaths = {("handle", 6), ("aside", 9)}

    def handle(self, order: dict[str, int]) -> None:
        self.handled[order["number"]] += 1
        self._die("handle", order["number"])

    def set_aside(self, record: Any) -> None:
        self.aside[record.offset + 1] += 1
        self._die("aside", record.offset + 1)

    def _die(self, where: str, number: int) -> None:
        if (where, number) in self._deaths:
            self._deaths.remove((where, number))
            raise _Crash


@grader("4.2")
def consume(answer: Callable[[KafkaConsumer, Callable, Callable], None]) -> str:
    """Twelve records, two of them poison; the loop dies in its handler, and while setting aside."""
    work = _Work()
    with new_topic(partitions=1) as topic:
        _send_orders(topic)
        group = fresh("exercise")
        lives = sum(1 for _ in range(3) if not _live(answer, work, topic, group))
        left = _left(topic, group)
    good = set(range(1, RECORDS + 1)) - set(POISON)
    if missing := sorted(good - set(work.handled)):
        raise Wrong(
            f"order {missing[0]} was never handled, in spite of two restarts.",
            "Commit an offset when everything before it is done: after the work, and not the "
            "position of a batch that is half handled.",
        )
    if missing := sorted(set(POISON) - set(work.aside)):
        raise Wrong(
            f"record {missing[0]} can't be read and was not set aside.",
            "Catch ValueError around `json.loads` (a UnicodeDecodeError is one as well).",
        )
    _expect_no_repeats(work)
    if left:
        raise Wrong(
            f"{left} records of 12 were not committed at the end.",
            "Commit after the last record as well, and after one that was set aside.",
        )
    return f"twelve records in {lives + 1} lives: 10 handled, 2 set aside, none lost."


def _expect_no_repeats(work: _Work) -> None:
    repeated = {n for n, times in work.handled.items() if times > 1} - {6}
    repeated |= {n for n, times in work.aside.items() if times > 1} - {9}
    if repeated:
        raise Wrong(
            f"record {min(repeated)} was done twice, though no crash caught it.",
            "Commit after each record: `consumer.commit({partition: OffsetAndMetadata("
            'record.offset + 1, "", -1)})`.',
        )


def _send_orders(topic: str) -> None:
    with KafkaProducer(**kafka_options()) as producer:
        for number in range(1, RECORDS + 1):
            value = POISON.get(number, json.dumps({"number": number}).encode())
            producer.send(topic, value, partition=0)


def _live(answer: Callable, work: _Work, topic: str, group: str) -> bool:
    """One life of the learner's loop; False if it crashed."""
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    with KafkaConsumer(**kafka_options(), **options, group_id=group) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        try:
            answer(consumer, work.handle, work.set_aside)
        except _Crash:
            return False
        return True


def _left(topic: str, group: str) -> int:
    with KafkaAdminClient(**kafka_options()) as admin:
        found = admin.list_group_offsets(group)[group].get(TopicPartition(topic, 0))
    return RECORDS - (found.offset if found is not None else 0)


# -- 4.3: the offset beside the result -----------------------------------------------------------

KILLS = 12
BOOKINGS = [(f"customer-{n % 3}", 10 + n) for n in range(12)]
ACCOUNTANT = """
import os, signal, sqlite3, sys
from kafka import KafkaConsumer, TopicPartition
from helpers import up
topic, path, fatal = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Database:
    # the learner's connection; the process dies after the statement that was agreed on
    def __init__(self, connection):
        self._connection, self._statements = connection, 0
    def __getattr__(self, name):
        found = getattr(self._connection, name)
        return self._counted(found) if name in ("execute", "executemany", "commit") else found
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        self.commit() if kind is None else self._connection.rollback()
    def _counted(self, call):
        def counted(*arguments):
            self._statements += 1
            result = call(*arguments)
            if self._statements == fatal: os.kill(os.getpid(), signal.SIGKILL)
            return result
        return counted

options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
with KafkaConsumer(**up("kafka", quiet=True).kafka, **options) as consumer:
    answer(consumer, TopicPartition(topic, 0), Database(sqlite3.connect(path)))
"""


@grader("4.3", seconds=90)  # it starts 25 processes
def total_up(answer: Callable) -> str:
    """Twelve bookings; the learner's process is killed after each of its first twelve statements."""
    program = as_program(answer, ACCOUNTANT)
    with new_topic(partitions=1) as topic, tempfile.TemporaryDirectory() as folder:
        with KafkaProducer(**kafka_options()) as producer:
            for customer, amount in BOOKINGS:
                producer.send(topic, str(amount).encode(), key=customer.encode())
        whole = _books(folder, "whole")
        _account(program, topic, whole)
        _expect_totals(whole, "nobody was killed")
        with ThreadPoolExecutor(max_workers=2) as pool:
            run = functools.partial(_killed_once, program, topic, folder)
            for number, books in enumerate(pool.map(run, range(1, KILLS + 1)), 1):
                _expect_totals(books, f"killed after its statement {number} and started again")
    return "twelve bookings, killed in 12 places, and the totals are right every time."


def _books(folder: str, name: str) -> Path:
    path = Path(folder) / f"{name}.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE totals (customer TEXT PRIMARY KEY, amount INTEGER)")
        database.execute("CREATE TABLE position AS SELECT 0 AS next")
    return path


def _killed_once(program: str, topic: str, folder: str, number: int) -> Path:
    books = _books(folder, str(number))
    _account(program, topic, books, number)
    _account(program, topic, books)
    return books


def _account(program: str, topic: str, books: Path, fatal: int = 0) -> None:
    """Run the program, to its end or to its death.

    Raises:
        Wrong: it died of something else."""
    command = [sys.executable, "-c", program, topic, str(books), str(fatal)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired as error:
        raise Wrong(
            "your function was still running after 20 seconds.",
            "Leave the loop when the end offset is reached; it may be reached at the start.",
        ) from error
    if done.returncode > 0:
        said = done.stderr.strip().splitlines()[-1]
        raise Wrong(
            f"your function raised {said}", "It runs in a process of its own: import in it."
        )


def _expect_totals(books: Path, day: str) -> None:
    with closing(sqlite3.connect(books)) as database:
        found = dict(database.execute("SELECT customer, amount FROM totals").fetchall())
    expected: Counter[str] = Counter()
    for customer, amount in BOOKINGS:
        expected[customer] += amount
    if found != expected:
        difference = sum(found.values()) - expected.total()
        how = f"{abs(difference)} too {'much' if difference > 0 else 'little'}"
        raise Wrong(
            f"{day}: the totals are {how if difference else 'not the customers` own'}.",
            "Change the totals and the position in one transaction: a single `commit()` for both.",
        )


# -- 4.4: a table from a topic -------------------------------------------------------------------

PATIENCE = 6  # seconds
CHANGES = [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
TABLE = {b"a": b"3", b"b": b"2", b"c": b"4"}


@grader("4.4")
def load(answer: Callable[[KafkaConsumer, TopicPartition], dict[bytes, bytes]]) -> str:
    """Five topics: plain, with tombstones, empty, with an aborted end, and one that grows."""
    with new_topic(partitions=1) as plain:
        _change(plain, CHANGES)
        _expect_table(answer, plain, TABLE, "a plain topic")
        _change(plain, [("b", None), ("d", None)])
        _expect_table(answer, plain, {b"a": b"3", b"c": b"4"}, "a topic with two tombstones")
    with new_topic(partitions=1) as empty:
        _expect_table(answer, empty, {}, "an empty topic")
    with new_topic(partitions=1) as aborted:
        _change(aborted, CHANGES)
        with KafkaProducer(**kafka_options(), transactional_id=fresh("exercise")) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(aborted, b"5", key=b"a", partition=0).get(timeout=10)
            producer.abort_transaction()
        _expect_table(answer, aborted, TABLE, "a topic that ends with an aborted transaction")
    with new_topic(partitions=1) as growing:
        _change(growing, CHANGES)
        _expect_table(answer, growing, TABLE, "a topic that somebody writes to meanwhile", True)
    return "five topics, five tables: plain, with tombstones, empty, aborted, growing."


def _change(topic: str, changes: list[tuple[str, str | None]]) -> None:
    with KafkaProducer(**kafka_options()) as producer:
        for key, value in changes:
            body = None if value is None else value.encode()
            producer.send(topic, body, key=key.encode(), partition=0)


def _expect_table(
    answer: Callable, topic: str, expected: dict[bytes, bytes], what: str, growing: bool = False
) -> None:
    options = {"isolation_level": "read_committed", "consumer_timeout_ms": 5000}
    options["auto_offset_reset"] = "earliest"
    with KafkaConsumer(**kafka_options(), **options) as consumer:
        found = answer(_Reader(consumer, topic, what, growing), TopicPartition(topic, 0))
    if found != expected:
        raise Wrong(
            f"{what}: the table is {found!r}, not {expected!r}.",
            "The last value of a key wins; a value of None removes the key, if it is there; and "
            "stop at the end offset that you asked for at the start.",
        )


class _Reader:
    """The learner's consumer: it runs out of patience, and its topic may grow while it reads."""

    def __init__(self, consumer: KafkaConsumer, topic: str, what: str, growing: bool) -> None:
        self._consumer = consumer
        self._topic = topic
        self._what = what
        self._growing = growing
        self._deadline = time.monotonic() + PATIENCE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def __iter__(self) -> Iterator:
        return iter(self._consumer)

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        found = self._consumer.end_offsets(partitions)
        self._grow("6")
        return found

    def poll(self, *arguments: Any, **options: Any) -> dict:
        if time.monotonic() > self._deadline:
            raise Wrong(
                f"{self._what}: your function was still polling after {PATIENCE} seconds.",
                "Compare `consumer.position(partition)` with the end offset: the position moves on "
                "even where no record reaches you, and may be at the end at once.",
            )
        self._grow("7")
        return self._consumer.poll(*arguments, **options)

    def _grow(self, value: str) -> None:
        if self._growing:
            _change(self._topic, [("late", value)])
