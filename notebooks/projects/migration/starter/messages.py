"""A message on both brokers: what it is called there, how it is sent, and how it is read again.

Its id and its key go with it over every bridge.
"""

import argparse
from dataclasses import dataclass

import pika
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from state import State

from helpers.programs import asked_to_end

QUORUM = {
    "x-queue-type": "quorum",
}
AWAY = (pika.exceptions.AMQPError, KafkaError, ConnectionError)  # a broker, or what we know of it


@dataclass(frozen=True)
class Message:
    """One message; what a stranger sends may have neither id nor key."""

    id: str | None
    key: str | None
    body: bytes


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
            if role == "rest":
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
    """Publish a message to the exchange."""
    headers = {} if message.key is None else {"key": message.key}
    properties = pika.BasicProperties(message_id=message.id, headers=headers, delivery_mode=2)
    channel.basic_publish(name, "", message.body, properties, mandatory=True)


def from_rabbitmq(properties, body):
    """The message in a delivery."""
    headers = properties.headers or {}
    return Message(properties.message_id, headers.get("key"), body)


def consume(args, queue, handle, goes_on):
    """Handle what comes to a queue: ``handle(channel, properties, body)``."""
    channel = rabbitmq(args)

    def react(channel, _method, properties, body):
        handle(channel, properties, body)

    try:
        channel.basic_consume(queue, react, auto_ack=True)
        while goes_on():
            channel.connection.process_data_events(time_limit=0.1)
    finally:
        if channel.connection.is_open:
            channel.connection.close()


# -- Kafka ---------------------------------------------------------------------------------------


def producer(args):
    """What it sends, every copy of the topic gets."""
    return KafkaProducer(bootstrap_servers=args.kafka, acks="all")


def to_kafka(producer, topic, message, **more):
    """Send a message to a topic."""
    headers = {"message_id": message.id, **more}
    headers = [(key, value.encode()) for key, value in headers.items() if value is not None]
    key = None if message.key is None else message.key.encode()
    producer.send(topic, key=key, value=message.body, headers=headers)


def from_kafka(record):
    """The message in a record."""
    headers = {key: value.decode(errors="replace") for key, value in record.headers}
    key = None if record.key is None else record.key.decode(errors="replace")
    return Message(headers.get("message_id"), key, record.value or b"")


def read(args, group, handle, goes_on):
    """Handle the records of the topic as a member of a group: ``handle(message)`` gets one at a time."""
    consumer = KafkaConsumer(
        f"{args.name}.orders",
        bootstrap_servers=args.kafka,
        group_id=f"{args.name}.{group}",
    )
    try:
        while goes_on():
            for records in consumer.poll(timeout_ms=100).values():
                for record in records:
                    handle(from_kafka(record))
    finally:
        consumer.close()
