"""What every lesson needs of the client libraries, after chapter 3 has shown it written out.

One function each, with one signature for the whole course. ``brokers`` is what ``up()`` or a cluster
returned; a ``channel`` is pika's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pika
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.serializer import Serializer

from .names import fresh
from .waiting import wait_until

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

    from .brokers import Brokers
    from .ledger import Ledger
    from .programs import Program

PERSISTENT = pika.BasicProperties(delivery_mode=2)
NO_GROUP_YET = (  # while the broker makes room for its first group, or a group begins
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.GroupIdNotFoundError,
    errors.NotCoordinatorError,
)
TIMEOUT = 20.0  # seconds; for what takes well under one on a quiet machine

# -- Kafka -----------------------------------------------------------------------------------


def make_topic(
    brokers: Brokers,
    topic: str,
    partitions: int = 1,
    replicas: int = 1,
    nodes: Sequence[int] = (),
    **configs: str,
) -> None:
    """Create a topic, and wait until the brokers know it.

    Args:
        nodes: of a topic with one partition, where its replicas are, the leader first.
        configs: its settings, with underscores for dots: ``cleanup_policy="compact"``.
    """
    dotted = {name.replace("_", "."): value for name, value in configs.items()}
    shape: dict[str, Any] = {"num_partitions": partitions, "replication_factor": replicas}
    if nodes:
        shape = {"assignments": {0: list(nodes)}}
    with KafkaAdminClient(**_kafka(brokers)) as admin:
        admin.create_topics({topic: {**shape, "configs": dotted}}, wait_for_metadata=True)


def send(
    brokers: Brokers,
    topic: str,
    orders: Iterable[Any],
    ledger: Ledger | None = None,
    key: Callable[[Any], str | None] = str,
    **options: Any,
) -> None:
    """Send orders to a topic as text, each acknowledged by all in-sync replicas before the next.

    Args:
        ledger: notes each as attempted, and as acknowledged.
        key: gives an order's key; its number unless told otherwise.
        options: settings of the producer.
    """
    with KafkaProducer(**{"acks": "all", **_kafka(brokers), **options}) as producer:
        for order in orders:
            if ledger is not None:
                ledger.attempt(order)
            name = key(order)
            producer.send(
                topic, key=name.encode() if name is not None else None, value=str(order).encode()
            ).get(timeout=TIMEOUT)
            if ledger is not None:
                ledger.acknowledge(order)


class _Nothing(Serializer):
    """Makes nothing of everything."""

    def serialize(self, _topic: str, _headers: Any, _data: Any) -> None:
        """Nothing."""


def send_nothing(brokers: Brokers, topic: str) -> None:
    """Send a record with neither a key nor a value, as clients in other languages may do.

    kafka-python sends one only if it sees too late that there is nothing.
    """
    with KafkaProducer(value_serializer=_Nothing(), **_kafka(brokers)) as producer:
        producer.send(topic, value=b"something").get(timeout=20)


def read_topic(
    brokers: Brokers, topic: str, group: str | None = None, **options: Any
) -> list[ConsumerRecord]:
    """All records of a topic from its beginning to where it ends now.

    Args:
        group: read as a member of this group, from its committed offsets, and commit.
        options: settings of the consumer.
    """
    earliest = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    with KafkaConsumer(group_id=group, **{**earliest, **_kafka(brokers), **options}) as consumer:
        ends = _end_offsets(consumer, topic)
        if group is None:
            consumer.assign(list(ends))
            consumer.seek_to_beginning()
        else:
            consumer.subscribe([topic])
        found: dict[tuple[int, int], ConsumerRecord] = {}  # who joins anew may read some again

        def done() -> bool:
            for batch in consumer.poll(timeout_ms=200).values():
                found.update(((record.partition, record.offset), record) for record in batch)
            owned = consumer.assignment()
            if owned != set(ends) or any(consumer.position(p) < ends[p] for p in owned):
                return False
            if group is not None:
                consumer.commit()
            return True

        joins_anew = (errors.RebalanceInProgressError,)  # its first metadata came late
        wait_until(done, f"the end of {topic}", TIMEOUT, every=0, tolerate=joins_anew)
        return list(found.values())


def lag(brokers: Brokers, topic: str, group: str) -> int:
    """How many records of a topic the group has not committed yet."""
    done_by_group = committed(brokers, group)
    with KafkaConsumer(**_kafka(brokers)) as consumer:
        ends = _end_offsets(consumer, topic)
        starts = consumer.beginning_offsets(list(ends))
    done = {p: done_by_group.get(p, starts[p]) for p in ends}
    return sum(end - max(done[p], 0) for p, end in ends.items())


def committed(brokers: Brokers, group: str) -> dict[TopicPartition, int]:
    """The offset that the group has committed in each partition in which it has committed any."""
    with KafkaAdminClient(**_kafka(brokers)) as admin:
        found = wait_until(
            lambda: [admin.list_group_offsets([group])[group]],
            f"the offsets of group {group}",
            TIMEOUT,
            tolerate=NO_GROUP_YET,
        )[0]
    return {partition: known.offset for partition, known in found.items()}


def wait_for_group(brokers: Brokers, group: str, members: int) -> None:
    """Wait until the group has this many members, and each knows its share."""
    with KafkaAdminClient(**_kafka(brokers)) as admin:

        def settled() -> bool:
            found = admin.describe_groups([group])[group]
            state, number = found["group_state"], len(found["members"])
            if (state, number) != ("Stable", members):
                raise LookupError(f"the group is {state}, with {number} members")
            return True

        what = f"{members} members in group {group}"
        wait_until(settled, what, TIMEOUT, tolerate=(*NO_GROUP_YET, LookupError))


def _end_offsets(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    return consumer.end_offsets(partitions)


def _kafka(brokers: Brokers) -> dict[str, Any]:
    if brokers.kafka is None:
        raise ValueError('Kafka was not asked for: call up() or up("kafka") first.')
    return brokers.kafka


# -- RabbitMQ --------------------------------------------------------------------------------


def declare_queue(channel: BlockingChannel, queue: str, kind: str = "quorum", **more: Any) -> str:
    """Declare a durable queue, and return its name.

    Args:
        kind: ``"quorum"``, ``"classic"`` or ``"stream"``.
        more: its other arguments, with underscores for hyphens: ``x_max_length=10``.
    """
    arguments = {name.replace("_", "-"): value for name, value in more.items()}
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind, **arguments})
    return queue


def publish(
    channel: BlockingChannel,
    routing_key: str,
    orders: Iterable[Any],
    ledger: Ledger | None = None,
    exchange: str = "",
) -> None:
    """Publish orders as persistent text messages, each confirmed by the broker before the next.

    Args:
        channel: one in confirm mode; it is put into it if need be.
        routing_key: the queue's name, unless an exchange is given.
        ledger: notes each as attempted, and as acknowledged.
    """
    channel.confirm_delivery()
    for order in orders:
        if ledger is not None:
            ledger.attempt(order)
        channel.basic_publish(exchange, routing_key, str(order), PERSISTENT)
        if ledger is not None:
            ledger.acknowledge(order)


def take_all(channel: BlockingChannel, queue: str) -> list[str]:
    """Take and acknowledge whatever is ready in a queue, in its order."""
    bodies = []
    while (message := channel.basic_get(queue, auto_ack=True))[0] is not None:
        bodies.append(message[2].decode())
    return bodies


def read_stream(channel: BlockingChannel, stream: str, begin: str | int = "first") -> list[str]:
    """All messages of a stream from an offset on, up to one that is published here to mark its end.

    The mark stays in the stream, as everything does: whoever reads it again finds it there.

    Args:
        begin: where to begin: ``"first"``, ``"next"`` (at its end) or an offset.
    """
    bodies: list[str] = []
    end = fresh("end")

    def note(channel: BlockingChannel, method: Any, _properties: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        bodies.append(body.decode(errors="replace"))

    def at_end() -> bool:
        channel.connection.process_data_events(0.2)
        return end in bodies

    channel.basic_qos(prefetch_count=100)
    consumer = channel.basic_consume(stream, note, arguments={"x-stream-offset": begin})
    channel.basic_publish("", stream, end)
    wait_until(at_end, f"the end of {stream}", TIMEOUT, every=0)
    channel.basic_cancel(consumer)
    return bodies[: bodies.index(end)]


def wait_for_stream(parameters: pika.connection.Parameters, stream: str) -> None:
    """Wait until a stream can be read: after its node's start it may be there some time before."""

    def attach() -> bool:
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1)
            begin = {"x-stream-offset": "next"}
            return bool(channel.basic_consume(stream, lambda *_: None, arguments=begin))

    wait_until(attach, f"the stream {stream}", TIMEOUT, tolerate=(pika.exceptions.AMQPError,))


def ready(channel: BlockingChannel, queue: str) -> int:
    """How many messages wait in a queue; those in a consumer's hands are not among them."""
    return channel.queue_declare(queue, passive=True).method.message_count


def wait_for_consumers(
    channel: BlockingChannel, queue: str, consumers: int, timeout: float = TIMEOUT
) -> None:
    """Wait until exactly so many consumers are at a queue."""

    def found() -> bool:
        return channel.queue_declare(queue, passive=True).method.consumer_count == consumers

    wait_until(found, f"{consumers} consumers at {queue}", timeout)


# -- programs --------------------------------------------------------------------------------


def wait_for_handled(workers: Mapping[str, Program], orders: int) -> None:
    """Wait until the workers together have handled so many different orders."""
    wait_until(
        lambda: len({order for w in workers.values() for _, order in w.handled()}) >= orders,
        f"{orders} orders to be handled",
        TIMEOUT,
        log=lambda: "\n".join(line for w in workers.values() for line in w.words()),
    )
