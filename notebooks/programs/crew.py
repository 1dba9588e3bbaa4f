"""For a notebook that measures workers: so many orders go to them, and each order takes them a
while.

    crew = module("crew.py")
"""

import time
from threading import Event, Thread

import pika
from kafka import KafkaConsumer, KafkaProducer

from helpers import Program, clients, fresh, wait_until


def work(cluster, topic, group, name, seconds, handled, done):
    """A member of a group: note when each order of its partitions is done."""
    options = {"group_id": group, "client_id": name, "auto_offset_reset": "earliest"}
    with KafkaConsumer(topic, **options, **cluster.kafka) as consumer:
        while not done.is_set():
            # who stops asking while it joins, joins twice, and the group waits for its first self
            patience = 200 if consumer.assignment() else 5_000
            for records in consumer.poll(timeout_ms=patience).values():
                for _ in records:
                    time.sleep(seconds)
                    handled.append(time.monotonic())


def count(handled):
    """How many orders all members have done."""
    return sum(map(len, handled.values()))


def group_of_four(cluster, customers, partitions, seconds=0.01):
    """An order for each customer named, in a topic of so many partitions, to a group of four workers.

    Returns how many orders the busiest worker had, and how many a second they did together.
    """
    topic, group, done = fresh("orders"), fresh("workers"), Event()
    clients.make_topic(cluster, topic, partitions)
    handled = {f"worker {n}": [] for n in range(1, 5)}
    members = [
        Thread(target=work, args=(cluster, topic, group, name, seconds, log, done))
        for name, log in handled.items()
    ]
    for member in members:
        member.start()
    try:
        clients.wait_for_group(cluster, group, 4)
        with KafkaProducer(**cluster.kafka) as producer:
            for customer in customers:
                producer.send(topic, key=customer.encode(), value=b"an order")
        wait_until(lambda: count(handled) == len(customers), "all orders to be handled", 60)
    finally:
        done.set()
        for member in members:
            member.join()
    moments = [moment for log in handled.values() for moment in log]
    return max(map(len, handled.values())), count(handled) / (max(moments) - min(moments))


def at_queue(brokers, due, seconds=0.1):
    """One worker at a RabbitMQ queue, and orders that are published when each is due.

    Returns how long each took from when it was due until it was handled, in seconds.
    """
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel = connection.channel()
        queue = clients.declare_queue(channel, fresh("orders"), "classic")
        worker = Program("worker_rabbitmq.py", queue, "--seconds", seconds)
        clients.wait_for_consumers(channel, queue, 1)
        begin = time.monotonic()
        for order, moment in enumerate(due):
            time.sleep(max(0, begin + moment - time.monotonic()))
            channel.basic_publish("", queue, str(order))
        worker.wait_for(f"handled {len(due) - 1} ", timeout=60)
        worker.stop()
    return [moment - (begin + due[int(order)]) for moment, order in worker.handled()]
