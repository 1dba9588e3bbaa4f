"""Graders of chapter 6: subscriptions that begin now, handlers that bear anything, safe schemas."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from ..brokers import up
from ..names import fresh
from ..waiting import wait_until
from . import Wrong, grader
from .program import as_program
from .topic import kafka_options, new_topic

# -- 6.1: begin now ------------------------------------------------------------------------------


class _Died(BaseException):
    """The service's process ends here. Not an Exception: a dead process catches nothing."""


@grader("6.1")
def begin_now(answer: Callable[[KafkaConsumer, list[TopicPartition]], None]) -> str:
    """Four starts: a death at the first commit, one before reading, and a partition added later."""
    with new_topic(partitions=3) as topic:
        group = fresh("exercise")
        _send(topic, {0: ["old"] * 5, 1: ["old"] * 3})  # partition 2 is empty
        _start(answer, topic, group, partitions=3, die=True)
        _send(topic, {0: ["a"], 1: ["b"], 2: ["c"]})
        _start(answer, topic, group, partitions=3, die=True)
        with KafkaAdminClient(**kafka_options()) as admin:
            admin.create_partitions({topic: 4})
        _wait_for_partitions(topic, 4)
        _send(topic, {3: ["d"], 0: ["e"]})
        got = _start(answer, topic, group, partitions=4)
        _expect_from_now_on(got)
        _send(topic, {0: ["f"], 2: ["g"]})
        again = _start(answer, topic, group, partitions=4)
        if sorted(again) != ["f", "g"]:
            raise Wrong(
                f"after a start at which everything was handled and committed, two events came, "
                f"and the next start read {len(again)}.",
                "A group that has commits goes on at them: leave them alone.",
            )
    return "nothing of the past, and all that came since: over two deaths and a new partition."


def _expect_from_now_on(got: list[str]) -> None:
    if old := got.count("old"):
        raise Wrong(
            f"the service would have mailed {old} of 8 customers of last year.",
            "At its first start the group has no commits, and `earliest` applies. Commit the end "
            "offsets of all partitions, also of an empty one, in one call: it may be your last.",
        )
    if missing := sorted({"a", "b", "c", "e"} - set(got)):
        raise Wrong(
            f"{len(missing)} of 5 events that came after the first start were missed.",
            "A position that isn't committed dies with its process, and the end is somewhere else "
            "by the next start. Commit the end once, at the first start, and never again.",
        )
    if "d" not in got:
        raise Wrong(
            "the event in the partition that was added later was missed.",
            "A group with a commit in any partition isn't new: then commit nothing, and "
            "`earliest` reads the new partition from its beginning.",
        )


def _start(
    answer: Callable, topic: str, group: str, partitions: int, die: bool = False
) -> list[str]:
    """One life of the service: what it reads up to the end.

    If it is to die, it does after its first commit, or else before it reads."""
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "group_id": group}
    with KafkaConsumer(**kafka_options(), **options) as consumer:
        own = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(own)
        if die:
            with suppress(_Died):
                answer(_mortal(consumer), own)
            return []
        answer(consumer, own)
        ends, got = consumer.end_offsets(own), []

        def at_the_end() -> bool:
            for batch in consumer.poll(timeout_ms=100).values():
                got.extend(record.value.decode() for record in batch)
            return all(consumer.position(partition) >= ends[partition] for partition in own)

        wait_until(at_the_end, "the end of the topic", timeout=10, every=0)
        consumer.commit({p: OffsetAndMetadata(end, "", -1) for p, end in ends.items()})
        return got


def _mortal(consumer: KafkaConsumer) -> KafkaConsumer:
    commit = consumer.commit

    def commit_and_die(*arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        raise _Died

    consumer.commit = commit_and_die
    return consumer


def _send(topic: str, values: dict[int, list[str]]) -> None:
    with KafkaProducer(**kafka_options()) as producer:
        for partition, texts in values.items():
            for text in texts:
                producer.send(topic, text.encode(), partition=partition).get(timeout=10)


def _wait_for_partitions(topic: str, number: int) -> None:
    with KafkaAdminClient(**kafka_options()) as admin:
        wait_until(
            lambda: len(admin.describe_topics([topic])[0]["partitions"]) == number,
            f"{number} partitions of {topic}",
            timeout=10,
        )


# -- 6.2: reserve and release --------------------------------------------------------------------

STOCK = 100_000_000
KILLS: list[tuple[int, int | str]] = [(1, "ack"), (8, 5), (8, "ack")]  # event, and before what;
# events 1 and 8 are a P and a C. At event 1 it's killed before each statement but the first, too:
MOST_STATEMENTS = 10
STORIES = {  # order: what comes, P for placed and C for cancelled; and how often it holds its pens
    "order-1": ("P", 1),
    "order-2": ("PC", 0),
    "order-3": ("PP", 1),
    "order-4": ("CP", 0),
    "order-5": ("PCC", 0),
    "order-6": ("PCP", 0),
    "order-7": ("C", 0),
}
PENS = {order: 10**n for n, order in enumerate(STORIES)}
WHAT_CAME = {
    "P": "was placed",
    "PC": "was placed and cancelled",
    "PP": "was placed, and the event came twice",
    "CP": "was cancelled before it was placed",
    "PCC": "was placed and cancelled, and the cancellation came twice",
    "PCP": "was placed and cancelled, and then *placed* came a second time",
    "C": "was cancelled, and has not been placed yet",
}
INVENTORY = """
import json, os, signal, sqlite3, sys
import pika
from helpers import up
queue, path, fatal = sys.argv[1], sys.argv[2], sys.argv[3]

database, event, statement = sqlite3.connect(path), 0, 0

def die_at(place):
    if place == fatal: os.kill(os.getpid(), signal.SIGKILL)

def before_statement(sql):  # also before a BEGIN and a COMMIT, whoever sends them
    global statement
    statement += 1
    die_at(f"{event}:{statement}")

database.set_trace_callback(before_statement)
with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
    channel = connection.channel()
    while (message := channel.basic_get(queue))[0]:
        event, statement = event + 1, 0
        answer(database, json.loads(message[2]))
        with open(path + ".log", "a") as log: print(statement, file=log)
        die_at(f"{event}:ack")
        channel.basic_ack(message[0].delivery_tag)
"""


@grader("6.2", seconds=90)  # it starts up to 25 processes
def handle(answer: Callable[[sqlite3.Connection, dict[str, Any]], None]) -> str:
    """Seven orders' events, doubled and out of order; then again and again, with a kill."""
    program = as_program(answer, INVENTORY)
    with tempfile.TemporaryDirectory() as folder:
        unharmed = _sell(program, folder)
        _expect_stock(unharmed, "nobody was killed")
        statements, *_ = map(int, Path(f"{unharmed}.log").read_text().split())
        kills = [(1, n) for n in range(2, min(statements, MOST_STATEMENTS) + 1)] + KILLS
        with ThreadPoolExecutor(max_workers=2) as pool:
            lives = [pool.submit(_sell, program, folder, kill) for kill in kills]
            try:
                for (event, place), life in zip(kills, lives, strict=True):
                    what = "its acknowledgement" if place == "ack" else f"statement {place}"
                    _expect_stock(life.result(), f"killed at event {event}, before {what}", True)
            finally:
                for life in lives:
                    life.cancel()
    return "seven orders, doubled, reversed, killed between statements: the stock is always right."


def _sell(program: str, folder: str, kill: tuple[int, int | str] | None = None) -> Path:
    """Handle all events; if it is to be killed at one, go on in a second life."""
    fatal = f"{kill[0]}:{kill[1]}" if kill else "never"
    books = Path(folder) / f"{fatal.replace(':', '-')}.db"
    with closing(sqlite3.connect(books)) as database, database:
        database.execute(f"CREATE TABLE stock AS SELECT {STOCK} AS pens")
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT)")
    with _queue_of_events() as queue:
        if _run(program, queue, books, fatal):
            _run(program, queue, books, "never")
        if left := _left(queue):
            raise Wrong(
                f"{left} events were left in the queue: the process ended before it had them all.",
                "Return after each event; don't end the process.",
            )
    return books


@contextmanager
def _queue_of_events() -> Iterator[str]:
    queue = fresh("exercise")
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
        channel.confirm_delivery()
        try:
            for event in _events():
                channel.basic_publish("", queue, json.dumps(event))
            yield queue
        finally:
            channel.queue_delete(queue)


def _events() -> Iterator[dict[str, Any]]:
    """The stories' events, dealt out in turn: the first of each, then the second of each…"""
    kinds = {"P": "order.placed.v1", "C": "order.cancelled.v1"}
    for turn in range(max(len(story) for story, _ in STORIES.values())):
        for order, (story, _) in STORIES.items():
            if turn < len(story):
                kind = kinds[story[turn]]
                again = "-again" if story == "PP" and turn else ""  # a publisher's new try
                yield {
                    "specversion": "1.0",
                    "id": f"{order}-{kind}{again}",  # other duplicates have the first's
                    "source": "/shop/order",
                    "type": kind,
                    "subject": order,
                    "data": {"pens": PENS[order]},
                }


def _left(queue: str) -> int:
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        return int(channel.queue_declare(queue, passive=True).method.message_count)


def _run(program: str, queue: str, books: Path, fatal: str) -> bool:
    """Run the learner's function on the queue; True if it was killed before the end of it.

    Raises:
        Wrong: it died of something else."""
    command = [sys.executable, "-c", program, queue, str(books), fatal]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired as error:
        raise Wrong(
            "your function was still running after 20 seconds.",
            "It gets one event at a time, and returns when that is handled.",
        ) from error
    if done.returncode > 0:
        said = [f"raised {line}" for line in done.stderr.strip().splitlines()[-1:]]
        raise Wrong(
            f"your function {''.join(said) or f'ended its process (exit {done.returncode}).'}",
            "It runs in a process of its own: import in it, and return after each event.",
        )
    return done.returncode < 0


def _expect_stock(books: Path, day: str, killed: bool = False) -> None:
    with closing(sqlite3.connect(books)) as database:
        [(pens,)] = database.execute("SELECT pens FROM stock").fetchall()
    for order, times in _taken(STOCK - pens).items():
        story, wanted = STORIES[order]
        if times != wanted:
            raise Wrong(
                f"{day}: {order} {WHAT_CAME[story]}, and holds its pens {times} times instead of "
                f"{wanted}.",
                "The state and the stock belong into one transaction: a single `commit()`, after both."
                if killed
                else "Keep a state for each order, and act on what it was before. What is cancelled "
                "stays so, also if it is placed only now.",
            )


def _taken(pens: int) -> dict[str, int]:
    """How often each order's pens are missing in the stock: the digits, from -4 to 5."""
    found = {}
    for order in PENS:
        found[order] = (pens + 4) % 10 - 4
        pens = (pens - found[order]) // 10
    return found


# -- 6.3: compatible, and for whom ---------------------------------------------------------------


def _record(*fields: dict[str, Any], name: str = "OrderPlaced") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def _how(symbols: str, **more: Any) -> dict[str, Any]:
    return _field("how", {"type": "enum", "name": "How", "symbols": list(symbols), **more})


def _address(*fields: dict[str, Any]) -> dict[str, Any]:
    return _field("address", _record(*fields, name="Address"))


_ORDER, _AMOUNT, _STREET = (
    _field("order", "int"),
    _field("amount", "int"),
    _field("street", "string"),
)
PAIRS = {  # what was changed: the old schema, the new one, and the truth
    "the fields changed places": (_record(_ORDER, _AMOUNT), _record(_AMOUNT, _ORDER), "full"),
    "a field with a default was added": (
        _record(_ORDER), _record(_ORDER, _field("currency", "string", default="EUR")), "full",
    ),
    "a field without a default was added": (_record(_ORDER), _record(_ORDER, _AMOUNT), "forward"),
    "a field was removed": (_record(_ORDER, _AMOUNT), _record(_ORDER), "backward"),
    "a field was renamed": (_record(_AMOUNT), _record(_field("total", "int")), "none"),
    "a field was renamed, with an alias": (
        _record(_AMOUNT), _record(_field("total", "int", aliases=["amount"])), "backward",
    ),
    "an int became a long": (_record(_AMOUNT), _record(_field("amount", "long")), "backward"),
    "an int became optional": (
        _record(_AMOUNT), _record(_field("amount", ["null", "int"])), "backward",
    ),
    "an optional int became a must": (
        _record(_field("amount", ["null", "int"])), _record(_AMOUNT), "forward",
    ),
    "an enum of nine got a tenth symbol": (
        _record(_how("abcdefghi")), _record(_how("abcdefghij")), "backward",
    ),
    "the same, in enums with a default": (
        _record(_how("abcdefghi", default="a")), _record(_how("abcdefghij", default="a")), "full",
    ),
    "a record within the record got a field without a default": (
        _record(_address(_STREET)), _record(_address(_STREET, _field("zip", "string"))), "forward",
    ),
}  # fmt: skip
MEANING = {
    "full": "each version's readers can read the other's events",
    "backward": "new readers can read old events, but not the other way round",
    "forward": "old readers can read new events, but not the other way round",
    "none": "neither version's readers can read the other's events",
}


@grader("6.3")
def compare(answer: Callable[[dict[str, Any], dict[str, Any]], str]) -> str:
    """Twelve pairs of schemas."""
    for change, (old, new, truth) in PAIRS.items():
        said = answer(json.loads(json.dumps(old)), json.loads(json.dumps(new)))
        if said not in MEANING:
            raise Wrong(
                f"{change}: the answer is {said!r}.",
                'Return one of four words: "full", "backward", "forward" or "none".',
            )
        if said == truth:
            continue
        mirrored = {"backward": "forward", "forward": "backward"}.get(truth) == said
        raise Wrong(
            f"{change}: that's {truth} ({MEANING[truth]}), not {said}.",
            "Backward looks back: the *new* schema is the reader's, the old one the writer's."
            if mirrored
            else "Does each event that a writer may write reach the reader? Try many of "
            "them: only some have the rare symbol, or no value.",
        )
    return f"{len(PAIRS)} pairs of schemas, and for each you know who can read whose events."
