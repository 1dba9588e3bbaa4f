"""How a service follows the topic of events. Works as long as nothing goes wrong."""

import argparse
import json
import sqlite3

from kafka import KafkaConsumer, KafkaProducer


def arguments(description):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument(
        "--name", required=True, help="what topics and groups of this run begin with"
    )
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    return parser


def connect(args, tables=""):
    """The service's database, with its tables."""
    database = sqlite3.connect(args.database, isolation_level=None)
    database.executescript(tables)
    return database


def consumer(args, topic, service):
    """A member of the service's group; it is missed two seconds after its last word."""
    group = KafkaConsumer(
        f"{args.name}.{topic}",
        group_id=f"{args.name}.{service}",
        bootstrap_servers=args.brokers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        reconnect_backoff_max_ms=200,
    )
    group.partitions_for_topic(
        f"{args.name}.{topic}"
    )  # who joins before it knows may be given none
    return group


def producer(args):
    """For what is to be published."""
    return KafkaProducer(bootstrap_servers=args.brokers, reconnect_backoff_max_ms=200)


def poll(group):
    """The next records; an empty list after 0.2 s."""
    records = [record for some in group.poll(timeout_ms=200).values() for record in some]
    if records:
        group.commit()
    return records


def follow(args, service, handle):
    """Handle each event."""
    group = consumer(args, "people", service)
    while True:
        for record in poll(group):
            handle(json.loads(record.value))
