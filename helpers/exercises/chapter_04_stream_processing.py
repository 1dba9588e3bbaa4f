"""Grader of the lab on stream processing: a counter whose totals come back out of a topic."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from ..waiting import wait_until
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, die, live
from .places import kafka_options, new_topic, send

Send = Callable[[str, dict[str, Any]], None]
Count = Callable[[list["Record"], list["Record"], Send], None]
ITEMS = ["tea", "Tea", "tea,", "teapot"]


class Record(NamedTuple):
    """What a learner is given of a record."""

    offset: int
    key: str  # empty for an order
    value: Any


class Topics(NamedTuple):
    """Their names, and clients that live as long as the check: making one takes a while."""

    orders: str
    totals: str
    consumer: KafkaConsumer
    admin: KafkaAdminClient

    def read(self, topic: str) -> list[ConsumerRecord]:
        """What is in a topic now."""
        partition, found = TopicPartition(topic, 0), list[ConsumerRecord]()
        self.consumer.assign([partition])
        self.consumer.seek_to_beginning()
        end = self.consumer.end_offsets([partition])[partition]

        def at_end() -> bool:
            found.extend(self.consumer.poll(timeout_ms=200).get(partition, []))
            return self.consumer.position(partition) >= end

        wait_until(at_end, f"the end of {topic}", every=0)
        return found


@grader("4.9", needs=("kafka",))
def counts(count: Count, data: Random) -> str:
    """No orders yet; orders, with a death at each total, twice; and at last one without."""
    sold: list[list[str]] = []
    with (
        new_topic() as orders,
        new_topic() as totals,
        KafkaConsumer(**kafka_options()) as consumer,
        KafkaAdminClient(**kafka_options()) as admin,
    ):
        topics = Topics(orders, totals, consumer, admin)
        for number, deadly in ((0, False), (3, True), (1, True), (1, False)):
            batch = _batch(data, number)
            send(orders, [(0, None, " ".join(order).encode()) for order in batch])
            sold += batch
            _count(count, topics, sold, deadly)
    return "every item was counted once, wherever the counter died."


def _batch(data: Random, number: int) -> list[list[str]]:
    """Each of two items or three, one of them more than once."""
    made = []
    for _ in range(number):
        twice, once, other = data.sample(ITEMS, 3)
        order = [twice, twice, once, data.choice([twice, other])]
        made.append(data.sample(order, len(order)))
    return made


def _count(count: Count, topics: Topics, sold: list[list[str]], deadly: bool) -> None:
    """Lives of the counter until one ends by itself; then the totals must be right.

    In each life it sends one total, and dies after it or before the next. Meanwhile old orders are
    deleted, but for one that has been counted."""
    orders, totals = _orders(topics), _totals(topics)
    for turn in range(len(_steps(sold)) + 2 if deadly else 1):
        life = partial(_live, count, topics, orders, totals, deadly, turn % 2)
        killed = live(count, life, seconds=10)
        totals = _totals(topics)
        found = [(total.key, total.value["total"]) for total in totals]
        _expect_rise(found)
        orders = _forget(topics, orders, sold, len(found))
        if killed is not KILLED:
            break
    _expect_totals(found, sold)


def _live(
    count: Count,
    topics: Topics,
    orders: list[Record],
    totals: list[Record],
    deadly: bool,
    more: int,
) -> None:
    """One life: it dies after its first total, or (one more) before its second."""
    producer = KafkaProducer(**kafka_options())
    sent = 0

    def send_total(item: str, value: dict[str, Any]) -> None:
        nonlocal sent
        words = _record(item, value)
        if deadly and sent and more:
            die()
        producer.send(topics.totals, key=item.encode(), value=words).get(timeout=20)
        sent += 1
        if deadly and not more:
            die()

    count(orders, totals, send_total)


def _record(item: Any, value: Any) -> bytes:
    """A total as it stands in the topic; what is none ends the learner's call."""
    if item not in ITEMS:
        stop(
            Wrong(
                "unknown_item",
                f"send({item!r}, …): no order has such an item.",
                "Each record has an item as its key; whatever else you want to note goes into its "
                "value.",
            )
        )
    if not isinstance(value, dict) or type(value.get("total")) is not int:
        stop(
            Wrong(
                "no_total",
                f"send({item!r}, {value!r:.80}): that has no total.",
                'The value is a dictionary with a whole number as "total"; it may hold more.',
            )
        )
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError):
        stop(
            Wrong(
                "not_json",
                f"send({item!r}, {value!r:.80}): that can't be written as JSON.",
                "Use texts, numbers, lists and dictionaries.",
            )
        )


def _orders(topics: Topics) -> list[Record]:
    """The orders that are still in their topic."""
    return [Record(one.offset, "", one.value.decode()) for one in topics.read(topics.orders)]


def _totals(topics: Topics) -> list[Record]:
    """What was sent so far."""
    return [
        Record(one.offset, one.key.decode(), json.loads(one.value))
        for one in topics.read(topics.totals)
    ]


def _forget(
    topics: Topics, orders: list[Record], sold: list[list[str]], found: int
) -> list[Record]:
    """Delete the orders that are counted, but for the last of them. Returns those that are left."""
    counted = sum(len(_steps(sold[: number + 1])) <= found for number in range(len(sold)))
    if counted < 2 or counted - 1 == orders[0].offset:
        return orders
    topics.admin.delete_records({TopicPartition(topics.orders, 0): counted - 1})
    return _orders(topics)


def _steps(sold: list[list[str]]) -> list[tuple[str, int]]:
    """The totals that are to be sent: one for each order and each item in it."""
    totals: Counter[str] = Counter()
    steps = []
    for order in sold:
        totals.update(order)
        steps += [(item, totals[item]) for item in dict.fromkeys(order)]
    return steps


def _expect_rise(found: list[tuple[str, int]]) -> None:
    """That no total is sent twice, and none goes back."""
    last: dict[str, int] = {}
    for item, total in found:
        if total <= last.get(item, 0):
            raise Wrong(
                "forgotten",
                f"the totals of {item} go from {last.get(item, 0)} to {total}.",
                "A new life knows only what is in the topics. What was the total when the last one "
                "died?",
            )
        last[item] = total


def _expect_totals(found: list[tuple[str, int]], sold: list[list[str]]) -> None:
    """That the last total of each item is right, and so is each step on the way."""
    steps = _steps(sold)
    off = {item: dict(found).get(item, 0) - total for item, total in dict(steps).items()}
    if wrong := sorted((item for item in off if off[item]), key=lambda item: -off[item]):
        item = wrong[0]
        raise Wrong(
            "doubled" if off[item] > 0 else "lost",
            f"{dict(steps)[item]} of {item} were sold; its last total is "
            f"{dict(found).get(item, 'not there')}.",
            "The counter died between two totals. Look at what the next life finds in the topic, "
            "and at what it can conclude from that: about this item, and about the others.",
        )
    for item in sorted(dict(found)):
        expected, given = ([n for i, n in rows if i == item] for rows in (steps, found))
        if given != expected:
            raise Wrong(
                "wrong_steps",
                f"expected the totals {expected} of {item}, in this order; found {given}.",
                "Send one record for each order and each item in it: its new total.",
            )
