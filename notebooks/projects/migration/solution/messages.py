"""A message on both brokers: what it is called there, how it is sent, and how it is read again.

Its id and its key go with it over every bridge: the id tells who has met it before, and what has one key
stays in order. What a bridge has carried says in ``origin`` on which side it was born.
"""

import argparse
from dataclasses import dataclass, replace

import pika
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from state import State

from helpers.programs import asked_to_end

QUORUM = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 1_000_000,  # a broker that is away for long is no reason to drop a message
}
LONGEST = 255  # bytes of an id at RabbitMQ
MARKER = "marker"  # the type of what the operator puts into a queue, to see who is how far
AWAY = (pika.exceptions.AMQPError, KafkaError, ConnectionError)  # a broker, or what we know of it


@dataclass(frozen=True)
class Message:
    """One message; what a stranger sends may have neither id nor key."""

    id: str | None
    key: str | None
    body: bytes
    origin: str | None = None


def arguments(description):
    """A parser with what every program is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rabbitmq", required=True, help="amqp://…")
    parser.add_argument("--kafka", required=True, help="HOST:PORT")
    parser.add_argument(
        "--name", required=True, help="the exchange; queues and topics begin with it"
    )
    parser.add_argument("--folder", required=True, help="where the databases are")
    return parser


def serve(service, args, work):
    """Do what the step of the migration asks for, until we are asked to end.

    ``work(args, role, goes_on)`` returns when ``goes_on()`` is no longer true. While a broker is away it
    is tried again.
    """
    asked, state = asked_to_end(), State(args.folder)
    while not asked.is_set():
        role = state.obey(service)
        try:
            if role in ("rest", "hold"):
                asked.wait(0.1)
            else:
                work(args, role, lambda now=role: not asked.is_set() and state.obey(service) == now)
        except AWAY as error:
            print(f"tries again: {error!r}", flush=True)
            asked.wait(0.5)


# -- RabbitMQ ------------------------------------------------------------------------------------


def rabbitmq(args):
    """A channel that confirms."""
    channel = pika.BlockingConnection(pika.URLParameters(args.rabbitmq)).channel()
    channel.confirm_delivery()
    return channel


def declare(channel, name, queue):
    """The exchange, and a queue that gets all that is published there."""
    channel.exchange_declare(name, "fanout", durable=True)
    channel.queue_declare(queue, durable=True, arguments=QUORUM)
    channel.queue_bind(queue, name)


def to_rabbitmq(channel, name, message):
    """Publish a message to the exchange; on return the broker has it in every queue."""
    headers = {"key": message.key, "origin": message.origin}
    headers = {key: value for key, value in headers.items() if value is not None}
    properties = pika.BasicProperties(message_id=message.id, headers=headers, delivery_mode=2)
    channel.basic_publish(name, "", message.body, properties, mandatory=True)


def from_rabbitmq(properties, body):
    """The message in a delivery."""
    headers = properties.headers or {}  # of any type, from a stranger
    said = (headers.get(name) for name in ("key", "origin"))
    key, origin = (None if value is None else str(value) for value in said)
    return Message(properties.message_id, key, body, origin)


def park(channel, name, body, reason):
    """Put a message aside in the queue NAME.parked, with the reason."""
    channel.queue_declare(f"{name}.parked", durable=True, arguments=QUORUM)
    why = pika.BasicProperties(headers={"reason": reason}, delivery_mode=2)
    channel.basic_publish("", f"{name}.parked", body, why, mandatory=True)


def consume(args, state, service, queue, handle, goes_on):
    """Handle what comes to a queue, each message acknowledged when that is done.

    ``handle(channel, properties, body)`` is not asked about markers: they are noted as passed.
    """
    channel = rabbitmq(args)

    def react(channel, method, properties, body):
        if properties.type == MARKER:
            state.note_passed(service, properties.message_id)
        else:
            handle(channel, properties, body)
        channel.basic_ack(method.delivery_tag)

    try:
        channel.basic_qos(prefetch_count=1)  # of several, some may come back behind the others
        channel.basic_consume(queue, react)
        while goes_on():
            channel.connection.process_data_events(time_limit=0.1)
    finally:
        if channel.connection.is_open:
            channel.connection.close()


# -- Kafka ---------------------------------------------------------------------------------------


def producer(args):
    """What it says to be sent, the broker has; what it gives up after ten seconds is not sent later."""
    return KafkaProducer(
        bootstrap_servers=args.kafka,
        acks="all",
        max_block_ms=10_000,
        request_timeout_ms=5_000,
        delivery_timeout_ms=10_000,
        reconnect_backoff_max_ms=200,
    )


def to_kafka(producer, topic, message, **more):
    """Send a message to a topic; on return the broker has it."""
    headers = {"message_id": message.id, "origin": message.origin, **more}
    headers = [(key, value.encode()) for key, value in headers.items() if value is not None]
    key = None if message.key is None else message.key.encode()
    producer.send(topic, key=key, value=message.body, headers=headers).get()


def from_kafka(record):
    """The message in a record."""
    there = [(key, value) for key, value in record.headers if value is not None]
    headers = {key: value.decode(errors="replace") for key, value in there}
    if len(headers.get("message_id", "").encode()) > LONGEST:
        del headers["message_id"]  # RabbitMQ would not take it; without an id nobody books it
    key = None if record.key is None else record.key.decode(errors="replace")
    return Message(headers.get("message_id"), key, record.value or b"", headers.get("origin"))


def read(args, group, handle, goes_on, always=lambda: None):
    """Handle the records of the topic as a member of a group, each poll's committed when that is done.

    ``handle(message)`` gets one at a time; ``always()`` is called after each poll.
    """
    consumer = KafkaConsumer(
        f"{args.name}.orders",
        bootstrap_servers=args.kafka,
        group_id=f"{args.name}.{group}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        reconnect_backoff_max_ms=200,
    )
    try:
        consumer.partitions_for_topic(f"{args.name}.orders")  # who joins earlier may be given none
        while goes_on():
            records = [one for some in consumer.poll(timeout_ms=100).values() for one in some]
            for record in records:
                handle(from_kafka(record))
            always()
            if records:
                consumer.commit()
    finally:
        consumer.close()


def carried(message, origin):
    """The message as a bridge hands it on."""
    return replace(message, origin=origin)
