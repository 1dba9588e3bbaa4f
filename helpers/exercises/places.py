"""Topics and queues of a check: made and deleted by it. And whether the brokers are in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pika
from kafka import KafkaAdminClient, KafkaProducer
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from .. import clients
from ..brokers import Brokers, up
from ..names import fresh
from .answers import Wrong

CLASSIC = {"x-queue-type": "classic"}
SHAKY = {  # settings by which a queue, or what is in it, goes away by itself
    "durable": "is not durable: it is gone when the broker is started again",
    "auto_delete": "deletes itself when its last consumer goes",
    "exclusive": "is exclusive: it goes with the connection that declared it",
    "x-expires": "expires: it is deleted when nobody has used it for a while",
    "x-message-ttl": "has a time to live: messages that wait too long are deleted",
    "x-max-age": "has a maximal age: older messages are deleted",
    "x-max-length": "has a maximal length: it drops the oldest message when a new one comes",
    "x-max-length-bytes": "has a maximal length: it drops the oldest messages when new ones come",
}
_DIFFERS = re.compile(r"inequivalent arg '([^']+)'.*?current is (?:the value )?'?([^' ]+)")


_found: dict[str, Brokers] = {}  # by the check that is going on


def bring_up(names: Sequence[str]) -> None:
    """Have these brokers running before a learner's clock does; none if there are no names."""
    _found.clear()
    if names:
        _found.update(dict.fromkeys(names, up(*names, quiet=True)))


def brokers(name: str) -> Brokers:
    """The learner's Kafka or RabbitMQ, looked for once a check: that takes a while."""
    if name not in _found:
        _found[name] = up(name, quiet=True)
    return _found[name]


def out_of_order(names: Iterable[str]) -> str:
    """What is wrong with these brokers, in a sentence; empty if they answer."""
    try:
        if "rabbitmq" in names:
            amqp().close()
        if "kafka" in names:
            KafkaAdminClient(**kafka_options()).close()
    except Exception as error:
        return f"A broker does not answer ({type(error).__name__})."
    return ""


# -- Kafka ---------------------------------------------------------------------------------------


def kafka_options() -> dict[str, Any]:
    """Options of a client for the learner's brokers."""
    return brokers("kafka").kafka or {}


@contextmanager
def new_topic(partitions: int = 1, **configs: str) -> Iterator[str]:
    """A topic with a fresh name, and settings as of ``clients.make_topic``; deleted when the grading is
    over."""
    topic = fresh("exercise")
    clients.make_topic(brokers("kafka"), topic, partitions, 1, (), **configs)
    try:
        yield topic
    finally:
        with KafkaAdminClient(**kafka_options()) as admin:
            admin.delete_topics([topic])


def send(topic: str, records: Iterable[tuple[int, bytes | None, bytes | None]]) -> None:
    """Send (partition, key, value); the broker has all of them when this returns."""
    with KafkaProducer(**kafka_options()) as producer:
        sent = [
            producer.send(topic, value, key=key, partition=partition)
            for partition, key, value in records
        ]
        for promise in sent:
            promise.get(timeout=20)


# -- RabbitMQ ------------------------------------------------------------------------------------


def amqp() -> BlockingConnection:
    """A new connection to the learner's RabbitMQ; use it in a `with` block."""
    return BlockingConnection(brokers("rabbitmq").rabbitmq)


@contextmanager
def new_queue(channel: BlockingChannel, name: str | None = None, **arguments: Any) -> Iterator[str]:
    """A durable, classic queue; deleted when the grading is over. Arguments: ``x_max_length=3``."""
    queue = name or fresh("exercise")
    more = {key.replace("_", "-"): value for key, value in arguments.items()}
    channel.queue_declare(queue, durable=True, arguments=CLASSIC | more)
    try:
        yield queue
    finally:
        delete([queue])


@contextmanager
def full_queue(channel: BlockingChannel, name: str | None = None) -> Iterator[str]:
    """A queue with room for one message, which it has: it refuses whatever comes."""
    with new_queue(channel, name, x_max_length=1, x_overflow="reject-publish") as queue:
        publish(channel, "", queue, ["first"])
        yield queue


@contextmanager
def new_exchange(channel: BlockingChannel, kind: str) -> Iterator[str]:
    """An exchange with a fresh name; deleted when the grading is over."""
    exchange = fresh("exercise")
    channel.exchange_declare(exchange, kind, durable=True)
    try:
        yield exchange
    finally:
        with amqp() as connection:
            connection.channel().exchange_delete(exchange)


def delete(queues: Iterable[Any]) -> None:
    """Delete queues, a learner's too: what is no queue's name is passed over."""
    with amqp() as connection:
        for queue in {name for name in queues if isinstance(name, str) and name}:
            with suppress(pika.exceptions.ChannelClosedByBroker):
                connection.channel().queue_delete(queue)


def publish(
    channel: BlockingChannel, exchange: str, key: str, bodies: Iterable[str], mode: int = 2
) -> None:
    """Publish messages, persistent unless told otherwise, and have them confirmed.

    A text is sent as Latin 1, so that each sequence of bytes has one.
    """
    channel.confirm_delivery()
    for body in bodies:
        properties = pika.BasicProperties(delivery_mode=mode)
        channel.basic_publish(exchange, key, body.encode("latin-1"), properties)


def take(channel: BlockingChannel, queue: str) -> list[tuple[str, pika.BasicProperties]]:
    """All that is ready in a queue: bodies, as by Latin 1, and properties."""
    found = []
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        found.append((message[2].decode("latin-1"), message[1]))
    return found


def expect_persistent(messages: Iterable[tuple[str, pika.BasicProperties]]) -> None:
    """That a learner published these messages persistent; as they came to him, they may not be."""
    for body, properties in messages:
        if properties.delivery_mode != 2:
            raise Wrong(
                "transient",
                f"{body!r} is not persistent where it is now: a restart of the broker would lose "
                "it.",
                "Set `delivery_mode=2` in the properties that you publish with.",
            )


def count(queue: str) -> int | None:
    """How many messages are ready in a queue; None if there is none of this name."""
    with amqp() as connection:
        try:
            found = connection.channel().queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return None
        return int(found.method.message_count)


def shaky(queue: str, declared: Mapping[str, Any] | None = None) -> tuple[str, str] | None:
    """The setting by which a queue loses what was trusted to it, if any, and what it does.

    The broker refuses a second declaration that differs from the first, and names the difference.
    It says nothing of queues that it has named itself: of these, it is seen in what was declared.
    """
    arguments: dict[str, Any] = {}
    if queue.startswith("amq."):
        return _shaky_as_declared(declared) if declared is not None else None
    with amqp() as connection:
        for _ in range(20):
            try:
                connection.channel().queue_declare(queue, durable=True, arguments=arguments)
            except pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code == 405:
                    return "exclusive", SHAKY["exclusive"]
                difference = _DIFFERS.search(error.reply_text)
                if not difference:
                    raise
                name, value = difference.groups()
                if name in SHAKY:
                    return name, SHAKY[name]
                told = {"true": True, "false": False}
                arguments[name] = int(value) if value.isdigit() else told.get(value, value)
            else:
                return None
    raise RuntimeError(f"the settings of {queue} can't be found out: {arguments}")


def _shaky_as_declared(declared: Mapping[str, Any]) -> tuple[str, str] | None:
    for name, what in SHAKY.items():
        given = declared.get(name)
        if not given if name == "durable" else given not in (None, False):
            return name, what
    return None
