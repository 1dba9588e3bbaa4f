"""How a service follows the topic of events: from the beginning, each event once, nothing left out.

A service has a database of its own, which its processes share. An event and what follows from it are
noted there in one transaction: whoever meets the event again, leaves it alone. Only then is the offset
committed.
"""

import argparse
import sqlite3

from events import LONGEST, BadEventError, read
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import CommitFailedError, RebalanceInProgressError

from helpers.programs import asked_to_end

SETTINGS = "PRAGMA journal_mode = WAL;"
HANDLED = "CREATE TABLE IF NOT EXISTS handled (event TEXT PRIMARY KEY);"


def arguments(description):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument(
        "--name", required=True, help="what topics and groups of this run begin with"
    )
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    return parser


def connect(args, *tables):
    """The service's database, with its tables."""
    database = sqlite3.connect(args.database, timeout=60)  # seconds, while another process writes
    database.executescript(SETTINGS + HANDLED + "".join(tables))
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
    """Whatever it sends is on most of the nodes when they say so."""
    return KafkaProducer(bootstrap_servers=args.brokers, acks="all", reconnect_backoff_max_ms=200)


def poll(group):
    """The next records, those of each partition in their order; an empty list after 0.2 s."""
    return [record for some in group.poll(timeout_ms=200).values() for record in some]


def commit(group):
    """Say how far we are."""
    try:
        group.commit()
    except (
        CommitFailedError,
        RebalanceInProgressError,
    ):  # who gets the partitions sees what is noted
        print("not a member just now", flush=True)


def is_new(database, event):
    """Note that the event is handled, in the transaction of what follows from it; was it not yet?"""
    noted = database.execute("INSERT OR IGNORE INTO handled VALUES (?)", [event["id"]])
    return noted.rowcount == 1


def follow(args, service, handle):
    """Handle each event until we are asked to end. What can't be handled goes to the dead letters."""
    asked = asked_to_end()
    group, dead_letters = consumer(args, "people", service), producer(args)
    while not asked.is_set():
        records = poll(group)
        for record in records:
            try:
                handle(read(record.value))
            except BadEventError as error:
                park(args, service, dead_letters, record, error)
        if records:
            commit(group)
    group.close()


def park(args, service, dead_letters, record, error):
    """Put a record aside, with the reason, and with who could do nothing with it; a reason as long as the
    record would be too much for a second one."""
    why = [("reason", str(error)[:LONGEST].encode()), ("service", service.encode())]
    dead_letters.send(
        f"{args.name}.dead_letters", key=key_of(record), value=record.value, headers=why
    ).get(timeout=20)


def key_of(record):
    """The key to send it on with: an empty one if it has neither key nor value, which can't be sent."""
    return b"" if record.key is None and record.value is None else record.key
