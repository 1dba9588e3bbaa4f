"""Graders of chapter 6: subscriptions that begin now, handlers that bear anything, safe schemas."""

from __future__ import annotations

import copy
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition

from .. import clients
from ..names import fresh
from ..waiting import wait_until
from .answers import Wrong, ask
from .grading import grader
from .lives import KILLED, die, live, mortal, race
from .places import amqp, brokers, count, kafka_options, new_queue, new_topic, publish, send
from .proxy import Proxy

# -- 6.1: begin now ------------------------------------------------------------------------------

Begin = Callable[[KafkaConsumer, list[TopicPartition]], None]


@grader("6.1", needs=("kafka",))
def begin_now(answer: Begin, data: Random) -> str:
    """Starts of a group: a death at the first commit, one before reading, and a partition added later,
    which a second member gets alone. And a group on a topic in which there is nothing yet."""
    with new_topic(partitions=3) as topic:
        group = fresh("exercise")
        clients.committed(brokers("kafka"), group)  # until the broker has room for groups
        _die(answer, topic, group)
        _send(topic, {0: ["a"], 2: ["b"]})
        if missing := 2 - len(_start(answer, topic, group, range(3))):
            raise Wrong(
                "missed_events",
                f"the topic was empty at the first start, and {missing} of 2 events that came "
                "afterwards were missed.",
                "A group that begins at offset 0 has begun.",
            )
    with new_topic(partitions=3) as topic:
        group = fresh("exercise")
        empty, *full = data.sample(range(3), 3)
        old = {number: ["old"] * data.randint(2, 6) for number in full}
        _send(topic, old)
        _die(answer, topic, group)
        _send(topic, {0: ["a"], 1: ["b"], 2: ["c"]})
        _die(answer, topic, group)
        with KafkaAdminClient(**kafka_options()) as admin:
            admin.create_partitions({topic: 4})
        _wait_for_partitions(topic, 4)
        _send(topic, {3: ["d"], empty: ["e"]})
        got = _start(answer, topic, group, range(3, 4)) + _start(answer, topic, group, range(3))
        _expect_from_now_on(got, sum(map(len, old.values())))
        _send(topic, {full[0]: ["f"], 3: ["g"]})
        again = _start(answer, topic, group, range(4))
        if sorted(again) != ["f", "g"]:
            raise Wrong(
                "began_again",
                f"after a start at which everything was handled and committed, two events came, "
                f"and the next start read {sorted(again)}.",
                "A group that has commits goes on at them: leave them alone.",
            )
    return "nothing of the past, and all that came since: over two deaths and a new partition."


def _expect_from_now_on(got: list[str], past: int) -> None:
    if old := got.count("old"):
        raise Wrong(
            "mailed_the_past",
            f"the service would have mailed {old} of {past} customers of last year.",
            "At its first start the group has no commits, and `earliest` applies. Commit the end "
            "offsets of all partitions, also of an empty one, in one call: it may be your last.",
        )
    if missing := sorted({"a", "b", "c", "e"} - set(got)):
        raise Wrong(
            "missed_events",
            f"{len(missing)} of 5 events that came after the first start were missed.",
            "A position that isn't committed dies with its process, and the end is somewhere else "
            "by the next start. Commit the end once, at the first start, and never again.",
        )
    if "d" not in got:
        raise Wrong(
            "missed_partition",
            "the event in the partition that was added later was missed.",
            "A group with a commit in any partition of the topic isn't new, whoever of its members "
            "has that one: then commit nothing, and `earliest` reads the new one from its beginning.",
        )


def _with_consumer(
    topic: str, group: str, numbers: Iterable[int], work: Callable[[KafkaConsumer, list], Any]
) -> Any:
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "group_id": group}
    with KafkaConsumer(**kafka_options(), **options) as consumer:
        own = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(own)
        return work(consumer, own)


def _die(answer: Begin, topic: str, group: str) -> None:
    """A life of the service that is killed after its first commit, or else before it reads."""

    def commit_and_die(commit: Callable, *arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        die()

    def work(consumer: KafkaConsumer, own: list[TopicPartition]) -> None:
        answer(Proxy(consumer, commit=commit_and_die), own)
        die()

    live(answer, lambda: _with_consumer(topic, group, range(3), work))


def _start(answer: Begin, topic: str, group: str, numbers: Iterable[int]) -> list[str]:
    """A life in which a member reads its partitions to the end, commits that, and returns what it read."""

    def work(consumer: KafkaConsumer, own: list[TopicPartition]) -> list[str]:
        answer(consumer, own)
        ends = consumer.end_offsets(own)
        got: list[str] = []

        def at_the_end() -> bool:
            for batch in consumer.poll(timeout_ms=100).values():
                got.extend(record.value.decode() for record in batch)
            return all(consumer.position(partition) >= ends[partition] for partition in own)

        wait_until(at_the_end, "the end of the topic", timeout=10, every=0)
        consumer.commit({p: OffsetAndMetadata(end, "", -1) for p, end in ends.items()})
        return got

    return live(answer, lambda: _with_consumer(topic, group, numbers, work))


def _send(topic: str, values: dict[int, list[str]]) -> None:
    send(topic, [(n, None, text.encode()) for n, texts in values.items() for text in texts])


def _wait_for_partitions(topic: str, number: int) -> None:
    with KafkaAdminClient(**kafka_options()) as admin:
        wait_until(
            lambda: len(admin.describe_topics([topic])[0]["partitions"]) == number,
            f"{number} partitions of {topic}",
            timeout=10,
        )


# -- 6.2: reserve and release --------------------------------------------------------------------

STOCK = 10**10
MOST_STATEMENTS = 12  # of one event, before each of which the process is killed once
STORIES = {  # order: what comes, P for placed and C for cancelled; and how often it holds its pens
    "order-12": ("PC", 0),
    "order-1": ("P", 1),
    "order_1": ("PP", 1),
    "ORDER-1": ("CPP", 0),
    "order-5": ("PCC", 0),
    "order-6": ("PCP", 0),
    "order-7": ("C", 0),
    "order-8": ("CPC", 0),
    "order-9": ("PCPC", 0),
}
PENS = {order: 10**n for n, order in enumerate(STORIES)}
WHAT_CAME = {
    "P": "was placed",
    "PC": "was placed and cancelled",
    "PP": "was placed, and the event came twice",
    "CPP": "was cancelled before it was placed, and *placed* came twice",
    "PCC": "was placed and cancelled, and the cancellation came twice",
    "PCP": "was placed and cancelled, and then *placed* came a second time",
    "C": "was cancelled, and has not been placed yet",
    "CPC": "was cancelled before it was placed, and the cancellation came twice",
    "PCPC": "was placed and cancelled, and then both came a second time",
}
KILLED_AT = ("order-1", "order-12")  # at each of their events
AT_ONCE = ("order_1", "order-5", "order-12")  # their last two events, in two workers' hands


@grader("6.2", needs=("rabbitmq",))
def handle(answer: Callable[[sqlite3.Connection, dict[str, Any]], None], data: Random) -> str:
    """Nine orders' events, doubled and out of order; then again and again, with a kill; and two events
    of an order at the same moment."""
    with tempfile.TemporaryDirectory() as folder:
        books = _shop(folder, "whole")
        _sell(answer, books, list(_events(data)))
        _expect_stock(books, list(STORIES), "nobody was killed")
        for order in KILLED_AT:
            mine = [event for event in _events(data) if event["subject"] == order]
            for number in range(len(mine)):
                for statement in range(1, MOST_STATEMENTS + 1):
                    books = _shop(folder, f"{order}-{number}-{statement}")
                    killed = _sell(answer, books, mine, number, statement)
                    place = f"statement {statement}" if killed else "its acknowledgement"
                    _expect_stock(books, [order], f"killed at event {number + 1}, before {place}")
                    if not killed:
                        break
        for order in AT_ONCE:
            *past, one, other = [event for event in _events(data) if event["subject"] == order]
            for first, second in ((one, other), (other, one)):
                for statement in range(1, MOST_STATEMENTS + 1):
                    books = _shop(folder, f"{order}-{first is one}-and-{statement}")
                    both = partial(race, answer, books, past, first, second, statement)
                    if not live(answer, both):
                        break
                    _expect_stock(books, [order], "two workers at the same moment")
    return "nine orders, doubled, reversed, killed between statements: the stock is always right."


def _shop(folder: str, name: str) -> Path:
    books = Path(folder) / f"{name}.db"
    with closing(sqlite3.connect(books)) as database, database:
        database.execute(f"CREATE TABLE stock AS SELECT {STOCK} AS pens")
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT)")
    return books


def _sell(
    answer: Callable, books: Path, events: list[dict], fatal: int = -1, statement: int = 0
) -> bool:
    """Handle events from a queue. At the fatal one the process is killed, before this statement or, if
    there are fewer, before the acknowledgement; then another goes on. Was it by a statement?"""
    with amqp() as connection, new_queue(channel := connection.channel()) as queue:
        publish(channel, "", queue, map(json.dumps, events))
        ended = live(answer, lambda: _handle_all(answer, queue, books, fatal, statement))
        if ended is KILLED or ended:
            live(answer, lambda: _handle_all(answer, queue, books))
        if left := count(queue):
            raise Wrong("left_in_queue", f"{left} events were left in the queue.", "Return.")
    return ended is KILLED


def _handle_all(
    answer: Callable, queue: str, books: Path, fatal: int = -1, statement: int = 0
) -> bool:
    """True if it went home before the acknowledgement of the fatal event."""
    with amqp() as connection:
        channel, number = connection.channel(), 0
        while (message := channel.basic_get(queue))[0]:
            with mortal(books, statement if number == fatal else 0) as database:
                answer(database, json.loads(message[2]))
            if number == fatal:
                return True
            channel.basic_ack(message[0].delivery_tag)
            number += 1
    return False


def _events(_data: Random) -> Iterator[dict[str, Any]]:
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


WRONG_STATE = (
    "Keep a state for each order, and act on what it was before. What is cancelled stays so, also if "
    "it is placed only now."
)
WHY_WRONG = {
    "killed": (
        "two_transactions",
        "The state and the stock belong into one transaction: a single `commit()`, after both.",
    ),
    "two workers": (
        "looked_before",
        "Both looked before one of them wrote. `sqlite3` begins a transaction at the first change: "
        'begin yours before you look, with `database.execute("BEGIN IMMEDIATE")`.',
    ),
}


def _expect_stock(books: Path, orders: list[str], day: str) -> None:
    with closing(sqlite3.connect(books)) as database:
        [(pens,)] = database.execute("SELECT pens FROM stock").fetchall()
    for order, times in _taken(STOCK - pens).items():
        story, wanted = STORIES[order]
        if order not in orders:
            wanted = 0
        if times != wanted:
            kind, hint = next(
                (said for word, said in WHY_WRONG.items() if day.startswith(word)),
                ("wrong_stock", WRONG_STATE),
            )
            raise Wrong(
                kind,
                f"{day}: {order} {WHAT_CAME[story]}, and holds its pens {times} times instead of "
                f"{wanted}.",
                hint,
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


def _many(kind: str) -> dict[str, Any]:
    return _field("numbers", {"type": "array", "items": kind})


def _named(kind: str) -> dict[str, Any]:
    return _field("prices", {"type": "map", "values": kind})


def _address(*fields: dict[str, Any]) -> dict[str, Any]:
    return _field("address", _record(*fields, name="Address"))


def _key(size: int) -> dict[str, Any]:
    return _field("key", {"type": "fixed", "name": "Key", "size": size})


WIDER = (
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"),
    ("float", "double"),
)  # fmt: skip
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
    "a nested record's optional field became a must": (
        _record(_address(_field("zip", ["null", "string"], default=None))),
        _record(_address(_field("zip", "string"))), "forward",
    ),
    "an int became a string": (_record(_AMOUNT), _record(_field("amount", "string")), "none"),
    "each number became one of a wider kind": (
        _record(*(_field(f"n{n}", old) for n, (old, _) in enumerate(WIDER))),
        _record(*(_field(f"n{n}", new) for n, (_, new) in enumerate(WIDER))), "backward",
    ),
    "a key of eight bytes became one of sixteen": (_record(_key(8)), _record(_key(16)), "none"),
    "an array of ints became one of longs": (
        _record(_many("int")), _record(_many("long")), "backward",
    ),
    "an array of ints became one of strings": (
        _record(_many("int")), _record(_many("string")), "none",
    ),
    "a map of longs became one of ints": (
        _record(_named("long")), _record(_named("int")), "forward",
    ),
    "an enum lost a symbol": (_record(_how("abc")), _record(_how("ab")), "forward"),
    "an enum lost a symbol, and has a default": (
        _record(_how("abc", default="a")), _record(_how("ab", default="a")), "full",
    ),
}  # fmt: skip
WEAKER = {"full": ("backward", "forward", "none"), "backward": ("none",), "forward": ("none",)}
WEAKER["none"] = ()
MEANING = {
    "full": "each version's readers can read the other's events",
    "backward": "new readers can read old events, but not the other way round",
    "forward": "old readers can read new events, but not the other way round",
    "none": "neither version's readers can read the other's events",
}


@grader("6.3")
def compare(answer: Callable[[dict[str, Any], dict[str, Any]], str], data: Random) -> str:
    """Pairs of schemas, in an order of their own each time."""
    for change in data.sample(list(PAIRS), len(PAIRS)):
        old, new, truth = PAIRS[change]
        said = ask(answer, copy.deepcopy(old), copy.deepcopy(new))
        if said not in MEANING:
            raise Wrong(
                "no_word",
                f"{change}: the answer is {said!r}.",
                'Return one of four words: "full", "backward", "forward" or "none".',
            )
        if said == truth:
            continue
        mirrored = {"backward": "forward", "forward": "backward"}.get(truth) == said
        raise Wrong(
            "mirrored" if mirrored else "too_strict" if said in WEAKER[truth] else "too_lenient",
            f"{change}: that's {truth} ({MEANING[truth]}), not {said}.",
            "Backward looks back: the *new* schema is the reader's, the old one the writer's."
            if mirrored
            else "Does each event that a writer may write reach the reader? Try many of "
            "them: only some have the rare symbol, or no value.",
        )
    return f"{len(PAIRS)} pairs of schemas, and for each you know who can read whose events."
