"""Grader of the lab on queues for Kafka: the word about each record, and what must come before it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from confluent_kafka import AcknowledgeType, KafkaException, Message, ShareConsumer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from .answers import Wrong, ask, stop
from .grading import grader
from .places import kafka_options, new_topic, send
from .proxy import Proxy

LIMIT = 5  # deliveries; the broker's default
PATIENCE = 30.0  # seconds until all must have been settled
Handle = Callable[[bytes], None]
Settle = Callable[[ShareConsumer, list[Message], Handle, Handle], None]


class Work:
    """What the learner's function is to do, and the note of what it did."""

    def __init__(self, data: Random) -> None:
        numbers = data.sample(range(1000, 10_000), data.randint(8, 14))
        orders = [f"order-{number}".encode() for number in numbers]
        self.ever_busy, self.busy_twice, *others = orders
        errors = (ValueError, KeyError, OSError)
        self.poison, self.good = dict(zip(others, errors, strict=False)), others[len(errors) :]
        self.all = data.sample(orders, len(orders))
        self.elsewhere: Counter[bytes] = Counter()  # deliveries to another worker, who gave up
        self.tried: Counter[bytes] = Counter()
        self.aside: list[bytes] = []
        self.words: dict[bytes, AcknowledgeType] = {}  # the last about each
        self.committed = True
        self.done: list[bytes] = []

    def handle(self, value: bytes) -> None:
        self.tried[value] += 1
        if value in self.poison:
            raise self.poison[value]("this order can't be handled")
        if value == self.ever_busy or (value == self.busy_twice and self.tried[value] < 3):
            raise BlockingIOError("the database is busy")
        self.done.append(value)

    def set_aside(self, value: bytes) -> None:
        if self.words.get(value) == AcknowledgeType.REJECT:
            what = f"{_names([value])} was rejected before it was set aside."
            hint = "If set_aside fails, or you are killed before it, where is the order?"
            stop(Wrong("word_before_aside", what, hint))
        self.aside.append(value)

    def acknowledge(
        self,
        original: Callable,
        message: Any,
        ack_type: AcknowledgeType = AcknowledgeType.ACCEPT,
    ) -> Any:
        """The learner's word about a message."""
        self.words[message.value()], self.committed = ack_type, False
        return original(message, ack_type)

    def acknowledge_offset(
        self,
        original: Callable,
        topic: str,
        partition: int,
        offset: int,
        ack_type: AcknowledgeType = AcknowledgeType.ACCEPT,
    ) -> Any:
        """The same, of who names the message's place: all were sent to one partition."""
        said = original(topic, partition, offset, ack_type)
        self.words[self.all[offset]], self.committed = ack_type, False
        return said

    def commit(self, original: Callable, *arguments: Any, **options: Any) -> Any:
        """The learner's commit of all words up to now."""
        self.committed = True
        return original(*arguments, **options)

    def settled(self) -> bool:
        return set(self.done) | set(self.aside) == set(self.all)


@grader("4.12", needs=("kafka",))
def last_words(settle: Settle, data: Random) -> str:
    """A share group on a live broker, polled until every order was handled or set aside. Before, another
    worker had them in hand once, so that only the broker knows how often each was delivered."""
    work = Work(data)
    with new_topic(1) as topic:
        group = topic + "-workers"
        _begin_at_the_start(group)
        send(topic, [(0, None, value) for value in work.all])
        consumer = _consumer(topic, group)
        try:
            _give_up(consumer, work)
            _work_off(settle, consumer, work)
            _poll(consumer)  # which tells what the last call left unsettled
        finally:
            consumer.close()
    _expect(work)
    return "good orders once, busy ones again, the rest set aside before the last word."


def _give_up(consumer: ShareConsumer, work: Work) -> None:
    """Another worker, who releases what is delivered, until the one that is busy for ever has been so."""
    deadline = time.monotonic() + PATIENCE
    while not work.elsewhere[work.ever_busy]:
        for message in _poll(consumer):
            work.elsewhere[message.value() or b""] += 1
            consumer.acknowledge(message, AcknowledgeType.RELEASE)
        consumer.commit_sync(timeout=10)
        if time.monotonic() > deadline:
            raise RuntimeError("the share group of the check got no records")


def _work_off(settle: Settle, consumer: ShareConsumer, work: Work) -> None:
    deadline = time.monotonic() + PATIENCE
    while not work.settled():
        if messages := _poll(consumer):
            words: dict[str, Callable[..., Any]] = {
                "acknowledge": work.acknowledge,
                "acknowledge_offset": work.acknowledge_offset,
                "commit_sync": work.commit,
                "commit_async": work.commit,
            }
            watched = Proxy(consumer, **words)
            ask(settle, watched, messages, work.handle, work.set_aside)
            if not work.committed:
                raise Wrong(
                    "not_committed",
                    "The function returned before it had committed its last word.",
                    "If this process dies now, the broker knows nothing of it: call `commit_sync()`.",
                )
        if time.monotonic() > deadline:
            missing = [one for one in work.all if one not in work.done + work.aside]
            raise Wrong(
                "lost",
                f"After {PATIENCE:g} s these orders were neither handled nor set aside: {_names(missing)}. "
                f"Deliveries: {', '.join(str(work.tried[one]) for one in missing)}, and one to another "
                "worker before.",
                "After its last delivery, or a rejection, nobody gets a record again.",
            )


def _expect(work: Work) -> None:
    aside = Counter(work.aside)
    for order in (*work.poison, work.ever_busy):
        if aside[order] != 1:
            what = f"{_names([order])} was set aside {aside[order]} times, expected once."
            raise Wrong("not_aside", what, "What can't be handled has to be found by somebody.")
    if wrongly := [order for order in work.aside if order not in (*work.poison, work.ever_busy)]:
        what = f"Set aside, though it could be handled: {_names(wrongly)}."
        raise Wrong("aside_too_soon", what, "Busy is not for ever: it has more deliveries left.")
    expected = {
        work.ever_busy: LIMIT - work.elsewhere[work.ever_busy],
        work.busy_twice: 3,
        **dict.fromkeys([*work.poison, *work.good], 1),
    }
    for order, times in expected.items():
        if work.tried[order] != times:
            what = (
                f"Another worker had released {_names([order])} once. Here it was handled "
                f"{work.tried[order]} times, expected {times}."
            )
            raise Wrong(
                "wrong_count",
                what,
                "Each of the three words means another number of deliveries; "
                "`message.delivery_count()` has those to other workers, too.",
            )
    for order in work.all:
        word = AcknowledgeType.REJECT if order in aside else AcknowledgeType.ACCEPT
        if work.words[order] != word:
            what = f"The last word about {_names([order])} was {work.words[order].name}, not {word.name}."
            raise Wrong("wrong_word", what, "To accept says that it was handled.")


def _poll(consumer: ShareConsumer) -> list[Message]:
    """The next records. A client that still holds some without a word about them refuses to poll."""
    try:
        return list(consumer.poll(timeout=0.2))
    except (KafkaException, RuntimeError) as error:
        raise Wrong(
            "not_settled",
            f"The next poll was refused: {error}",
            "Say one word about every record that you were given, before you return.",
        ) from error


def _names(orders: list[bytes]) -> str:
    return ", ".join(order.decode() for order in orders[:3])


def _begin_at_the_start(group: str) -> None:
    configs = {"share.auto.offset.reset": "earliest"}
    with KafkaAdminClient(**kafka_options()) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.GROUP, group, configs)])


def _consumer(topic: str, group: str) -> Any:
    servers = kafka_options()["bootstrap_servers"]
    explicit = {"share.acknowledgement.mode": "explicit", "log_level": 3}  # errors; it is a preview
    consumer = ShareConsumer({"bootstrap.servers": servers, "group.id": group, **explicit})
    consumer.subscribe([topic])
    return consumer
