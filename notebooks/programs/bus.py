"""The ends of a service bus: a topic, a queue with little room, and what has come there."""

import pika

from helpers import clients, fresh, wait_until


def new_topic(brokers):
    """A topic of Kafka's, for analytics."""
    topic = fresh("analytics")
    clients.make_topic(brokers, topic)
    return topic


def new_queue(brokers, room):
    """A queue of RabbitMQ's, for the packers: it refuses what it has no room for."""
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        limit = {"x_max_length": room, "x_overflow": "reject-publish"}
        return clients.declare_queue(connection.channel(), fresh("packers"), "classic", **limit)


def at_analytics(brokers, topic):
    """The orders in a topic."""
    return [int(record.value) for record in clients.read_topic(brokers, topic)]


def at_packers(brokers, queue):
    """How many orders wait in a queue."""
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        return clients.ready(connection.channel(), queue)


def wait_for_analytics(brokers, topic, orders):
    """Wait until so many orders are in a topic."""
    come = lambda: len(at_analytics(brokers, topic)) >= orders  # noqa: E731
    wait_until(come, f"{orders} orders in {topic}", timeout=60)


def wait_for_packers(brokers, queue, orders):
    """Wait until so many orders wait in a queue."""
    come = lambda: at_packers(brokers, queue) >= orders  # noqa: E731
    wait_until(come, f"{orders} orders in {queue}", timeout=60)


def pack(brokers, queue, last):
    """Take orders from a queue until the last has come: all of them, as they came."""
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel, taken = connection.channel(), []

        def take():
            taken.extend(int(body) for body in clients.take_all(channel, queue))
            return last in taken

        wait_until(take, f"order {last} in {queue}", timeout=60)
        return taken
