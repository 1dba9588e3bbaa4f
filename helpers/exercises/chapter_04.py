"""Graders of chapter 4: how far behind a group is, and loops that neither stop, nor lose, nor double."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)

from .. import clients
from ..names import fresh
from .answers import Wrong, ask, stop
from .grading import grader
from .lives import KILLED, Journal, die, live, mortal
from .places import brokers, kafka_options, new_topic, send
from .proxy import Proxy


def _expect_no_early_end(
    consumer: KafkaConsumer, partition: TopicPartition, end: int, what: str, polls: int
) -> None:
    """That a function whose first poll has brought nothing did not take that for the end."""
    if polls == 1 and consumer.position(partition) < end:
        raise Wrong(
            "stopped_at_silence",
            f"{what}: the first poll brought nothing, and your function did not poll again.",
            "What is there may take a while to come. You are at the end when "
            "`consumer.position(partition)` is at the end offset.",
        )


def _delete_before(topic: str, offsets: dict[int, int]) -> None:
    with KafkaAdminClient(**kafka_options()) as admin:
        admin.delete_records({TopicPartition(topic, n): at for n, at in offsets.items()})


# -- 4.1: how far behind -------------------------------------------------------------------------

ELSEWHERE = 8  # is committed in each partition of another topic: more than is cut off in this one


@grader("4.1", needs=("kafka",))
def lag(
    answer: Callable[[KafkaAdminClient, KafkaConsumer, str, str], dict[int, int]], data: Random
) -> str:
    """Six partitions: half read, read to the end, never read, cut off, cut off unread, empty. And as
    many of another topic, which the group reads too."""
    sizes = [data.randint(12, 40) for _ in range(5)] + [0]
    commits = {0: data.randint(2, 10), 1: sizes[1], 3: data.randint(1, 4)}
    cuts = {2: data.randint(2, 5), 3: data.randint(6, 11), 4: sizes[4]}
    states = {
        0: f"has {sizes[0]} records, and {commits[0]} was committed",
        1: f"has {sizes[1]} records, and {sizes[1]} was committed",
        2: f"has no commit, and its first {cuts[2]} of {sizes[2]} records are deleted",
        3: f"has {sizes[3]} records; {commits[3]} was committed, and the first {cuts[3]} are deleted",
        4: f"has no commit, and all its {sizes[4]} records are deleted",
        5: "is empty and has no commit",
    }
    expected = {n: size - max(commits.get(n, 0), cuts.get(n, 0)) for n, size in enumerate(sizes)}
    with new_topic(partitions=len(sizes)) as topic, new_topic(partitions=len(sizes)) as other:
        group = fresh("exercise")
        _commit(other, group, dict.fromkeys(range(len(sizes)), ELSEWHERE))
        send(topic, [(n, None, b"x") for n, size in enumerate(sizes) for _ in range(size)])
        _commit(topic, group, commits)
        _delete_before(topic, cuts)
        with (
            KafkaAdminClient(**kafka_options()) as admin,
            KafkaConsumer(**kafka_options()) as consumer,
        ):
            found = ask(answer, admin, consumer, group, topic)
            if _committed(topic, group) != commits:
                raise Wrong("committed", "the group's commits were changed.", "Look, and no more.")
    if not isinstance(found, dict) or set(found) != set(expected):
        raise Wrong(
            "partitions_missing",
            f"the answer is {found!r}, not a dictionary with the six partitions' numbers.",
            "`consumer.partitions_for_topic(topic)` has the numbers, also of partitions in which "
            "nothing was committed.",
        )
    for number, state in states.items():
        if found[number] != expected[number] or isinstance(found[number], bool):
            raise Wrong(
                "wrong_lag",
                f"partition {number} {state}: {expected[number]} are left to read, not "
                f"{found[number]!r}.",
                "The group reads on at its commit, or at the first record that is left, whichever "
                "is later: `consumer.beginning_offsets(...)` and `consumer.end_offsets(...)`. What it "
                "has committed in other topics says nothing of this one.",
            )
    return "six partitions right: half read, read to the end, never read, cut off twice, and empty."


def _commit(topic: str, group: str, offsets: dict[int, int]) -> None:
    with KafkaConsumer(**kafka_options(), group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, number) for number in offsets])
        consumer.commit(
            {TopicPartition(topic, n): OffsetAndMetadata(at, "", -1) for n, at in offsets.items()}
        )


def _committed(topic: str, group: str) -> dict[int, int]:
    found = clients.committed(brokers("kafka"), group)
    return {at.partition: offset for at, offset in found.items() if at.topic == topic}


# -- 4.2: a loop that goes on --------------------------------------------------------------------

ODD = (b"null", b"0", b'""', b"[%d, true]", b'"order %d"')  # JSON, too
UNREADABLE = (None, b"[" * 100_000)  # no ValueErrors
POLL = 2.0  # seconds: who gets nothing for so long may stop
DEATHS = (("handle", "before"), ("handle", "after"), ("aside", "before"), ("aside", "after"))


@grader("4.2", needs=("kafka",))
def consume(answer: Callable[[KafkaConsumer, Callable, Callable], None], data: Random) -> str:
    """Records in two partitions, five of them poison; the loop is killed before and after an effect,
    while it handles and while it sets aside."""
    records: list[Any] = [b'{"number": %d}' % n for n in range(data.randint(20, 30))]
    killed = data.randrange(3, len(records))
    uncaught = killed - 2  # poison right before it, in the same partition
    others = [n for n in range(1, len(records)) if n not in (killed, uncaught)]  # 0 can be read
    killed_after, *bad = data.sample(others, 3)
    places = dict(zip(DEATHS, (killed, killed_after, *bad), strict=True))
    bad.append(uncaught)
    plain = [n for n in others if n not in places.values()]
    for number, value in [
        *zip(bad, (b"{'number': %d}", b'{"number": %d, "note": "\xe9"}', b""), strict=True),
        *zip(data.sample(plain, len(ODD)), ODD, strict=True),
    ]:
        records[number] = value.replace(b"%d", b"%d" % number)
    unused = [n for n in plain if records[n] == b'{"number": %d}' % n]
    for number, odd in zip(data.sample(unused, len(UNREADABLE)), UNREADABLE, strict=True):
        records[number] = odd
        bad.append(number)
    said = {json.dumps(json.loads(v)): n for n, v in enumerate(records) if n not in bad}
    journal, done = Journal(), Journal()
    with new_topic(partitions=2) as topic:
        send(topic, [(n % 2, b"%d" % n, value) for n, value in enumerate(records)])
        group = fresh("exercise")
        for _ in range(len(DEATHS) + 1):
            died = live(
                answer, lambda: _read_on(answer, topic, group, places, said, journal, done),
                may_raise=(ValueError, TypeError, RecursionError),
            )  # fmt: skip
            if isinstance(died, Exception):
                raise Wrong(
                    "unreadable_not_caught",
                    f"a value that can't be read has ended the loop: {type(died).__name__}.",
                    "Catch what `json.loads` raises: ValueError if it is no JSON (a UnicodeDecodeError is "
                    "one as well), TypeError for None, RecursionError if it is nested too deep.",
                )
            if died is not KILLED:
                break
        committed = _committed(topic, group)
    _expect_done(records, bad, places, journal, committed)
    if left := len(records) - sum(committed.values()):
        raise Wrong(
            "not_committed",
            f"{left} of {len(records)} records were not committed at the end.",
            "Commit after the last record as well, after one that was set aside, and in each "
            "partition.",
        )
    if isinstance(died, float) and died < 0.8 * POLL:
        raise Wrong(
            "gave_up_early",
            f"the function returned when it had polled for {died:.1f} s in vain.",
            "The next record may be on its way: go on until a poll of two seconds has returned "
            "nothing. (`timeout_ms` is in thousandths of a second.)",
        )
    return "all records handled or set aside, in five lives; none lost, none repeated without need."


def _read_on(
    answer: Callable, topic: str, group: str, places: dict, said: dict[str, int],
    journal: Journal, done: Journal,
) -> float:  # fmt: skip
    """One life of the learner's loop, which ends at the next of the places. Returns for how many seconds
    it polled in vain at its end."""
    in_vain = 0.0

    def poll(original: Callable, *arguments: Any, **options: Any) -> Any:
        nonlocal in_vain
        begun = time.monotonic()
        found = original(*arguments, **options)
        in_vain = 0.0 if found else in_vain + time.monotonic() - begun
        return found

    def effect(what: str, number: int, seen: Any) -> None:
        past = [tuple(death) for death in done.read()]
        for when in ("before", "after"):
            if when == "after":
                journal.note(what, number, seen)
            if places[what, when] == number and (what, when) not in past:
                done.note(what, when)
                die()

    def handle(order: Any) -> None:
        number = said.get(json.dumps(order, default=repr))
        if number is None and isinstance(order, dict):
            number = order.get("number")  # of what can't be read
        if not isinstance(number, int):
            stop(Wrong("wrong_order", f"`handle` was given {order!r}.", "Give it what JSON says."))
        effect("handle", number, order)

    def set_aside(record: Any) -> None:
        if not hasattr(record, "offset"):
            stop(Wrong("wrong_record", f"`set_aside` was given {record!r}.", "Give it the record."))
        effect("aside", int(record.key), None)

    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    options |= {"max_poll_records": 4}  # so that one poll does not bring everything
    with KafkaConsumer(**kafka_options(), **options, group_id=group) as consumer:
        consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
        answer(Proxy(consumer, poll=poll), handle, set_aside)
    return in_vain


def _expect_done(
    records: list[bytes | None],
    bad: list[int],
    places: dict,
    journal: Journal,
    committed: dict[int, int],
) -> None:
    times = Counter((what, number) for what, number, _ in journal.read())
    if not times:
        raise Wrong(
            "nothing_done",
            "nothing was handled or set aside.",
            "Poll, and handle what comes. (A poll's `timeout_ms` is in thousandths of a second.)",
        )
    for number in range(len(records)):
        what = "aside" if number in bad else "handle"
        wrongly = times["handle" if number in bad else "aside", number]
        caught = [when for when in ("before", "after") if places[what, when] == number]
        if not times[what, number] and number // 2 >= committed.get(number % 2, 0):
            raise Wrong(
                "left_unread",
                f"record {number}, {records[number]!r:.80}, was not read: the function returned before.",
                "A poll brings some of what is there. Poll until one returns nothing.",
            )
        if wrongly or (number in bad and not any(times["aside", n] for n in bad)):
            raise Wrong(
                "not_set_aside" if number in bad else "set_aside_wrongly",
                f"record {number}, {records[number]!r:.80}, was "
                + ("not set aside." if number in bad else "set aside."),
                "`set_aside` gets the records whose value is no JSON, all of them and no others.",
            )
        if not times[what, number]:
            raise Wrong(
                "commit_before_effect",
                f"record {number}, {records[number]!r:.80}, was never "
                f"{'set aside' if number in bad else 'handled'}: "
                + ("the loop was killed before that, and " if "before" in caught else "")
                + "after the restart it did not come again.",
                "What is committed does not come again. When may an offset be committed, and whose?",
            )
        if times[what, number] > 1 + ("after" in caught):
            raise Wrong(
                "repeated",
                f"record {number} was done {times[what, number]} times, though no crash caught it.",
                "Commit after each record: `consumer.commit({partition: OffsetAndMetadata("
                'record.offset + 1, "", -1)})`.',
            )


# -- 4.3: the offset beside the result -----------------------------------------------------------

KILLS = 14
NO_END = 20  # seconds


@grader("4.3", needs=("kafka",))
def total_up(answer: Callable, data: Random) -> str:
    """Bookings, some negative; the process is killed before each of its first statements, restarted,
    and called again when the beginning of the topic is gone."""
    customer = f"customer-{data.randrange(100)}"
    customers = [customer, customer.title(), f"{customer} "]
    bookings = [(data.choice(customers), data.randint(-50, 99) or 1) for _ in range(9)]
    bookings += zip(data.sample(customers, 3), (29, -29, 57), strict=True)
    bookings.insert(data.randint(1, 9), (customer.upper(), 29))  # all of it: 0.29 * 100 < 29
    with new_topic() as topic, tempfile.TemporaryDirectory() as folder:
        _book(topic, bookings)
        whole = _totals(Path(folder, "whole.db"))
        _account(answer, topic, whole)
        _expect_totals(whole, bookings, "nobody was killed")
        for number in range(1, KILLS + 1):
            books = _totals(Path(folder, f"{number}.db"))
            _account(answer, topic, books, number)
            _account(answer, topic, books)
            day = f"killed before its statement {number} and started again"
            _expect_totals(books, bookings, day)
        more = [(data.choice(customers), data.randint(1, 99)) for _ in range(3)]
        _book(topic, more)
        _delete_before(topic, {0: len(bookings) + 2})
        for day in ("later, when the records of the first day were deleted", "nothing was new"):
            _account(answer, topic, whole)
            _expect_totals(whole, bookings + more, day)
    return "killed in 14 places, called on three days, and the totals are right every time."


def _book(topic: str, bookings: list[tuple[str, int]]) -> None:
    """The first and the last by a transaction, whose marker takes an offset and reaches no reader."""
    records = [(customer.encode(), b"%d" % amount) for customer, amount in bookings]
    _book_in_a_transaction(topic, *records[0])
    send(topic, [(0, *record) for record in records[1:-1]])
    _book_in_a_transaction(topic, *records[-1])


def _book_in_a_transaction(topic: str, key: bytes, value: bytes) -> None:
    with _transaction(topic, key, value) as producer:
        producer.commit_transaction()


def _transaction(topic: str, key: bytes, value: bytes) -> KafkaProducer:
    """A producer with a record in a transaction that is to be ended."""
    producer = KafkaProducer(**kafka_options(), transactional_id=fresh("exercise"))
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, value, key=key, partition=0).get(timeout=10)
    return producer


def _totals(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE totals (customer TEXT PRIMARY KEY, amount INTEGER)")
        database.execute("CREATE TABLE position AS SELECT 0 AS next")
        database.commit()
    return path


def _account(answer: Callable, topic: str, books: Path, fatal: int = 0) -> None:
    """Run the learner's function in a process of its own, to its end or to its death."""

    def work() -> None:
        options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        partition = TopicPartition(topic, 0)

        def poll(original: Callable, *arguments: Any, **options: Any) -> Any:
            return original(*arguments, **options) if watched.calls["poll"] > 1 else {}

        with (
            KafkaConsumer(**kafka_options(), **options) as consumer,
            mortal(books, fatal) as database,
        ):
            end = consumer.end_offsets([partition])[partition]
            watched = Proxy(consumer, poll=poll)
            answer(watched, partition, database)
            what = f"a topic with the end offset {end}"
            _expect_no_early_end(consumer, partition, end, what, watched.calls["poll"])

    late = Wrong(
        "no_end",
        f"your function was still running after {NO_END} seconds.",
        "Leave the loop when `consumer.position(partition)` has reached the end offset: at the start, "
        "perhaps; and behind a transaction's marker, which takes an offset and reaches no reader.",
    )
    live(answer, work, seconds=NO_END, late=late)


def _expect_totals(books: Path, bookings: list[tuple[str, int]], day: str) -> None:
    with closing(sqlite3.connect(books)) as database:
        found = dict(database.execute("SELECT customer, amount FROM totals").fetchall())
    expected: dict[str, int] = {}
    for customer, amount in bookings:
        expected[customer] = expected.get(customer, 0) + amount
    if found != expected:
        wrong = [name for name in expected if found.get(name) != expected[name]] or list(found)
        raise Wrong(
            "wrong_total" if "kill" not in day or day.startswith("nobody") else "two_transactions",
            f"{day}: {wrong[0]} has {found.get(wrong[0])!r}, not {expected.get(wrong[0])!r}.",
            "The totals and the position belong into one transaction, a single `commit()` for both; "
            "and the next start goes on at the position.",
        )


# -- 4.4: a table from a topic -------------------------------------------------------------------

PATIENCE = 6  # seconds
Load = Callable[[KafkaConsumer, TopicPartition], dict[bytes, bytes]]
Changes = list[tuple[bytes, bytes | None]]


@grader("4.4", needs=("kafka",))
def load(answer: Load, data: Random) -> str:
    """Five topics: plain, with tombstones, empty, with an aborted end, and one that grows. The first poll
    of each brings nothing."""
    keys = [b"key-%d" % n for n in data.sample(range(100), 20)]
    changes: Changes = [(data.choice(keys), b"%d" % data.randrange(100)) for _ in range(1200)]
    with new_topic() as topic:
        _expect_table(answer, topic, [], "an empty topic")
        _change(topic, changes)
        cut = data.randint(100, 300)
        _delete_before(topic, {0: cut})
        changes[:cut] = [(b"gone", None)] * cut
        _expect_table(answer, topic, changes, f"a topic of 1200 records, {cut} of them deleted")
        dead = [(key, None) for key in (*data.sample(sorted(set(keys)), 3), b"?")]
        changes += [*dead, (dead[0][0], b"again"), (keys[0], b"")]
        _change(topic, changes[1200:])
        _expect_table(answer, topic, changes, "a topic with tombstones and an empty value")
        with _transaction(topic, keys[1], b"5") as producer:
            producer.abort_transaction()
        _expect_table(answer, topic, changes, "a topic that ends with an aborted transaction")
        _expect_table(answer, topic, changes, "a topic that somebody writes to meanwhile", True)
    return "five topics, five tables: plain, with tombstones, empty, aborted, growing."


def _change(topic: str, changes: Changes) -> None:
    send(topic, [(0, key, value) for key, value in changes])


def _expect_table(
    answer: Load, topic: str, changes: Changes, what: str, growing: bool = False
) -> None:
    expected: dict[bytes, bytes | None] = {}
    for key, value in changes:
        expected[key] = value
    expected = {key: value for key, value in expected.items() if value is not None}
    options: dict[str, Any] = {"isolation_level": "read_committed", "consumer_timeout_ms": 5000}
    options["group_id"] = fresh("exercise")
    if changes:  # the group was here before: who does not seek begins at its commit
        _commit(topic, options["group_id"], {0: len(changes) - 5})

    partition, deadline = TopicPartition(topic, 0), time.monotonic() + PATIENCE

    def ask_for_end(end_offsets: Callable, *arguments: Any) -> Any:
        found = end_offsets(*arguments)
        grow(b"6")
        return found

    def poll(original: Callable, *arguments: Any, **options: Any) -> Any:
        nonlocal deadline
        if partition in consumer.assignment() and consumer.position(partition) < end:
            deadline = time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            stop(still_polling)
        grow(b"7")
        return original(*arguments, **options) if watched.calls["poll"] > 1 else {}

    def iterate(original: Callable) -> Iterator[Any]:
        yield from original()
        stop(still_polling)  # nothing has come for as long as the consumer waits for a record

    still_polling = Wrong(
        "still_polling",
        f"{what}: seconds after the end your function was still waiting for a record.",
        "Compare `consumer.position(partition)` with the end offset: the position moves on even "
        "where no record reaches you, and may be at the end at once.",
    )

    def grow(value: bytes) -> None:
        if growing:
            producer.send(topic, value, key=b"late").get(timeout=20)

    with (
        KafkaProducer(**kafka_options()) as producer,
        KafkaConsumer(**kafka_options(), enable_auto_commit=False, **options) as consumer,
    ):
        end = consumer.end_offsets([partition])[partition]
        watched = Proxy(consumer, end_offsets=ask_for_end, poll=poll, __iter__=iterate)
        found = ask(answer, watched, partition)
        _expect_no_early_end(consumer, partition, end, what, watched.calls["poll"])
    if found != expected:
        raise Wrong(*_difference(found, expected, what))


def _difference(found: Any, expected: dict, what: str) -> tuple[str, str, str]:
    """Kind, words and hint for the smallest difference of two tables."""
    if not isinstance(found, dict):
        return "no_table", f"{what}: the answer is {found!r:.80}.", "Return the dictionary."
    if extra := sorted(set(found) - set(expected), key=repr):
        kind = "read_past_end" if extra == [b"late"] else "tombstone_kept"
        words = f"{what}: {extra[0]!r} is in the table, with {found[extra[0]]!r}."
        hint = (
            "A value of None removes the key; and stop at the end that the partition had at first."
        )
        return kind, words, hint
    key = next(key for key in expected if found.get(key) != expected[key])
    kind = "empty_value_dropped" if expected[key] == b"" else "wrong_value"
    words = f"{what}: {key!r} has {found.get(key)!r}, not {expected[key]!r}."
    return kind, words, "From the partition's first record on, the last value of a key wins."
