"""For a notebook that measures how long orders take: what sends them, the stopwatches, and when each
order is due.

    load = module("load.py")
"""

import json
import math
import random
import time

from kafka import KafkaAdminClient, KafkaProducer

from helpers import clients, fresh

ORDER = b"x" * 100
CUSTOMERS, ITEMS = ["ada", "bob", "cem", "dua", "eve"], ["tea", "jam", "rice", "salt"]


def waiting(producer, topic, due):
    """Send each order when it is due and wait for the answer; what comes after a late one is late.

    Returns how long each took from when it was sent, and from when it was due, in seconds.
    """
    begin, own, customers = time.monotonic(), [], []
    for moment in due:
        time.sleep(max(0, begin + moment - time.monotonic()))
        sent = time.monotonic()
        producer.send(topic, ORDER).get(timeout=30)
        answered = time.monotonic()
        own.append(answered - sent)
        customers.append(answered - (begin + moment))
    return own, customers


def on_time(producer, topic, due):
    """Send each order when it is due, whether the others are answered or not.

    Returns how long each took from when it was due, in seconds."""
    begin, took = time.monotonic(), [math.inf] * len(due)  # until it is stored, if ever

    def note(n):
        took[n] = time.monotonic() - (begin + due[n])

    for n, moment in enumerate(due):
        time.sleep(max(0, begin + moment - time.monotonic()))
        producer.send(topic, ORDER).add_callback(lambda _, n=n: note(n))
    producer.flush(timeout=60)
    return took


def stand_still(cluster, node, after, seconds):
    """Freeze a node for so long, after so many seconds."""
    time.sleep(after)
    cluster.pause(node)
    time.sleep(seconds)
    cluster.resume(node)


def evenly(orders, rate):
    """When each order is due, in seconds: so many a second, at equal distances."""
    return [n / rate for n in range(orders)]


def at_random(orders, rate, seed=9):
    """When each order is due: so many a second on average, none of which knows of another.

    Eighty orders are few. This seed's make waits that are near to those of an endless day, as theory
    has them."""
    draw, due = random.Random(seed), [0.0]
    for _ in range(orders - 1):
        due.append(due[-1] + draw.expovariate(rate))
    return due


def orders(number, seed=1):
    """So many orders as a shop would write them: 62 bytes each on average."""
    draw = random.Random(seed)
    for n in range(number):
        customer, item = draw.choice(CUSTOMERS), draw.choice(ITEMS)
        order = {"order": n, "customer": customer, "item": item, "amount": draw.randint(1, 99)}
        yield json.dumps(order).encode()


def bytes_an_order(cluster, together, compression):
    """What an order takes up on the leader's disk, when so many are sent together."""
    topic = fresh("orders")
    clients.make_topic(cluster, topic, nodes=[1])
    options = {"linger_ms": 20_000, "compression_type": compression}
    with KafkaProducer(**options, **cluster.kafka) as producer:
        for n, order in enumerate(orders(100), 1):
            producer.send(topic, order)
            if n % together == 0:
                producer.flush(timeout=30)
    with KafkaAdminClient(**cluster.kafka) as admin:
        folders = [folder for node in admin.describe_log_dirs() for folder in node["log_dirs"]]
    stored = {t["name"]: t["partitions"] for folder in folders for t in folder["topics"]}
    return sum(partition["partition_size"] for partition in stored[topic]) / 100
