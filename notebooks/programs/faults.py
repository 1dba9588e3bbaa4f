"""A healthy day at a Kafka and a RabbitMQ, and what goes wrong there, for a notebook that watches both.

``kafka`` and ``rabbit`` are clusters of the course's own. Each function returns what it made, or its name.
"""

import pika
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from helpers import Program, clients, fresh

PAUSE = "--seconds", 0.12  # what a worker needs for an order: a burst outlasts the longest rule


def new_vhost(rabbit):
    """A virtual host in which our user may do everything, on a node with room on its disk."""
    rabbit.ctl(1, "set_disk_free_limit", "50MB")  # a run that was cut off may have left it full
    vhost = fresh("shop")
    rabbit.ctl(1, "add_vhost", vhost)
    rabbit.ctl(1, "set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    return vhost


def connected(rabbit, vhost):
    """A connection to a virtual host."""
    place = pika.ConnectionParameters("127.0.0.1", rabbit.rabbitmq(1).port, vhost)
    return pika.BlockingConnection(place)


def full_queue(rabbit, vhost, orders):
    """A classic queue with so many orders in it."""
    with connected(rabbit, vhost) as connection:
        channel = connection.channel()
        queue = clients.declare_queue(channel, fresh("orders"), "classic")
        clients.publish(channel, queue, range(1, orders + 1))
    return queue


def worker_at(rabbit, vhost, queue, *options):
    """A worker at a queue, as a program that runs."""
    port = rabbit.rabbitmq(1).port
    return Program("worker_rabbitmq.py", queue, "--port", port, "--vhost", vhost, *options)


def hanging_worker(rabbit, orders):
    """A queue whose worker hangs, with so many orders in its hand."""
    queue = full_queue(rabbit, "/", orders)
    worker_at(rabbit, "/", queue, "--pause-at", 1).wait_for("paused")
    return queue


def shop_at(rabbit, queue):
    """A shop that goes on publishing to a queue, two orders a second, as a program that runs."""
    shop = Program("steady_publisher.py", rabbit.rabbitmq(1).port, queue, "--seconds", 0.5)
    shop.wait_for("acknowledge 1 ", timeout=60)
    return shop


def busy_queue(rabbit, vhost, orders):
    """A worker whose queue gets a burst of orders."""
    worker = worker_at(rabbit, vhost, queue := full_queue(rabbit, vhost, 0), *PAUSE)
    with connected(rabbit, vhost) as connection:
        channel = connection.channel()
        clients.wait_for_consumers(channel, queue, 1, timeout=60)
        for order in range(orders):  # without confirms: all at once
            channel.basic_publish("", queue, str(order))
    return worker


def busy_topic(kafka, orders):
    """A worker whose topic gets a burst of orders."""
    topic, group, servers = full_topic(kafka, 0), fresh("group"), kafka.kafka["bootstrap_servers"]
    worker = Program("worker_kafka.py", topic, group, "--servers", servers, *PAUSE)
    clients.wait_for_group(kafka, group, members=1)
    with KafkaProducer(**kafka.kafka) as producer:
        for order in range(orders):
            producer.send(topic, str(order).encode())
    return worker


def drop_message(rabbit):
    """Publish a message that no queue wants; returns the connection, which is still open."""
    connection = connected(rabbit, "/")
    connection.channel().basic_publish("", fresh("nobody"), b"order 1")
    connection.process_data_events()
    return connection


def full_topic(kafka, orders, partitions=1):
    """A topic on all three nodes with so many orders; node 1 leads it if it has one partition."""
    topic = fresh("orders")
    where = {"nodes": [1, 2, 3]} if partitions == 1 else {"replicas": 3}
    clients.make_topic(kafka, topic, partitions, **where)
    clients.send(kafka, topic, range(orders))
    return topic


def group_at(kafka, committed, end, oldest=0):
    """A group that reads no more: what it has committed, where its topic ends, and where it begins."""
    partition, group = TopicPartition(full_topic(kafka, end), 0), fresh("group")
    with KafkaConsumer(group_id=group, enable_auto_commit=False, **kafka.kafka) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, committed)
        consumer.commit()
    with KafkaAdminClient(**kafka.kafka) as admin:
        admin.delete_records({partition: oldest})  # as retention does
    return group
