"""What the lab on windows does beside Flink: it places orders, and reads and counts the rows of windows."""

import json
from datetime import UTC, datetime, timedelta

from kafka import KafkaConsumer, TopicPartition

from helpers import Ledger, clients, fresh, wait_until

HOUR = timedelta(hours=1)


def new_topics(brokers, *names):
    """A topic of each name, with one partition."""
    topics = [fresh(name) for name in names]
    for topic in topics:
        clients.make_topic(brokers, topic)
    return topics


def day(number, times):
    """When the orders of a day in March are placed, by their numbers: a text of hours and minutes."""
    parts = (time.split(":") for time in times.split())
    return {n: datetime(2026, 3, number, int(h), int(m)) for n, (h, m) in enumerate(parts, 1)}


def now():
    """The time, as Flink is told it: in UTC, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def place(brokers, topic, times):
    """Orders come to a topic one after the other, each with the time at which it was placed."""
    orders = [{"id": number, "placed_at": str(time)} for number, time in times.items()]
    clients.send(brokers, topic, map(json.dumps, orders), key=lambda _order: None)


def rows(brokers, topic, level="read_committed"):
    """What Flink has written: when each window begins, and the numbers of its orders."""
    records = clients.read_topic(brokers, topic, isolation_level=level)
    return [json.loads(record.value) for record in records]


def wait_for(brokers, flink, topic, orders, level="read_committed"):
    """Wait until there are so many orders in the rows of a topic."""

    def come():
        return sum(len(row["orders"]) for row in rows(brokers, topic, level)) >= orders

    wait_until(come, f"{orders} orders in {topic}", timeout=100, log=flink.log_tail)


def in_time(brokers, topic, placed):
    """How many orders are in a window that begins less than an hour from when they were placed."""
    found = [(datetime.fromisoformat(row["begins"]), row["orders"]) for row in rows(brokers, topic)]
    pairs = [(begins, placed[n]) for begins, orders in found for n in orders if n in placed]
    return sum(abs(begins - then) < HOUR for begins, then in pairs)


def checkpoint_of_all(brokers, job, topic, *groups):
    """Have a job write checkpoints until one has all orders of the topic in it; returns where that is."""

    def written():
        path = job.checkpoint()
        return None if any(clients.lag(brokers, topic, group) for group in groups) else path

    return wait_until(written, f"all of {topic}", timeout=100, log=job.flink.log_tail)


def wait_for_commit(brokers, *topics):
    """Wait until each row of these topics is committed or given up."""

    def end(topic, level):
        with KafkaConsumer(**brokers.kafka, isolation_level=level) as consumer:
            partition = TopicPartition(topic, 0)
            return consumer.end_offsets([partition])[partition]

    def over():
        return all(
            end(topic, "read_committed") == end(topic, "read_uncommitted") for topic in topics
        )

    wait_until(over, "the transactions to be over", timeout=60)


def close_books(orders, rows):
    """A ledger for each count: which orders were placed, and in how many of its rows each of them is."""
    ledgers = {name: Ledger(name) for name in rows}
    for name, ledger in ledgers.items():
        for number in orders:
            ledger.attempt(number)
            ledger.acknowledge(number)
        for row in rows[name]:
            for number in row["orders"]:
                ledger.read(number)
        ledger.finish("a checkpoint has all orders, and each of their windows is closed")
    return ledgers
