"""What the services of the task queue have in common: the brokers' addresses, and the queues."""

import argparse

import pika

JOBS, PARKED, DONE = "jobs", "parked", "done"  # each with the name of the run in front
BACK = 3000  # milliseconds


def arguments(description):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    return parser


def connect(brokers):
    """A channel at the first node that answers. Its connection ends with `channel.connection.close()`."""
    nodes = [pika.URLParameters(address) for address in brokers]
    for node in nodes:
        node.blocked_connection_timeout = node.socket_timeout = 5  # seconds
    nodes[-1].connection_attempts, nodes[-1].retry_delay = 5, 1  # a new leader needs a moment
    return pika.BlockingConnection(nodes).channel()


def declare(channel, name):
    """Quorum queues: they outlive a node, as each message is on most of them.

    What was in a consumer's hands at a node that has died comes back after `BACK`: RabbitMQ 4.3 and
    newer wait a minute, if they aren't told. A job that has ended its worker ten times is parked by the
    broker itself, whose reason stands in the header `x-death`.
    """
    parked = f"{name}.{PARKED}"
    patient = {"x-delivery-limit": 1_000_000}  # by default it drops what came back twenty times
    last_resort = {
        "x-delivery-limit": 10,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": parked,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # without it, at-least-once is not to be had
    }
    kinds = (parked, patient), (f"{name}.{DONE}", patient), (f"{name}.{JOBS}", last_resort)
    for queue, more in kinds:
        kind = {"x-queue-type": "quorum", "x-consumer-disconnected-timeout": BACK, **more}
        channel.queue_declare(queue, durable=True, arguments=kind)


def persistent(**properties):
    """Properties of a message that is to outlive the broker's end."""
    return pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent, **properties)
