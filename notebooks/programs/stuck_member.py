"""A member of a consumer group in Python, with its client's own defaults, that may get stuck at an order.

It prints "handled ORDER TIME" for each order that it has done, and "stuck" before it stands still; its
client's threads live on, until it is killed. Its group misses it after three silent seconds.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/stuck_member.py librdkafka TOPIC GROUP
"""

import argparse
import threading

import confluent_kafka
import kafka

from helpers import up
from helpers.programs import say


def handle(order, stuck_at):
    """What is to be done with an order; with one of them it does not come to an end."""
    if order == stuck_at:
        print("stuck", flush=True)
        threading.Event().wait()
    say("handled", order)


def kafka_python(servers, topic, group, stuck_at):
    """The loop of its documentation."""
    consumer = kafka.KafkaConsumer(
        topic,
        group_id=group,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        session_timeout_ms=3000,
        heartbeat_interval_ms=300,
    )
    for record in consumer:
        handle(record.value.decode(), stuck_at)


def librdkafka(servers, topic, group, stuck_at):
    """The loop of its documentation."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 3000,
            "heartbeat.interval.ms": 300,
        }
    )
    consumer.subscribe([topic])
    while True:
        record = consumer.poll(1.0)
        if record is not None and not record.error():
            handle(record.value().decode(), stuck_at)


CLIENTS = {"kafka-python": kafka_python, "librdkafka": librdkafka}


def main():
    """Handle orders until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("stuck_at", nargs="?")
    args = parser.parse_args()
    servers = up("kafka", quiet=True).kafka["bootstrap_servers"]
    CLIENTS[args.client](servers, args.topic, args.group, args.stuck_at)


if __name__ == "__main__":
    main()
