"""A subscriber that notes changes of address, such as "ben 2", and has a plan for what fails.

What fails is tried again in place, or it goes to another topic (--next), after which the next record
is taken. A rung of a ladder is this program too: with the topic of retries, and a --delay.

It prints "failed CHANGE" for each try that fails, and "handled CHANGE TIME" for each that doesn't.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/address_book.py TOPIC GROUP --next RETRIES
"""

import argparse
import sqlite3
import time
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer

from helpers import up
from helpers.programs import asked_to_end, say


def note(args, database, change):
    """Note a change, once if there is an inbox; its row is written with the effect, or not at all."""
    customer, number = change.split()  # ValueError, if it is none: this won't pass
    known = args.trouble.read_text().split(",") if args.trouble else []
    if change in known or "all" in known:
        raise ConnectionError("the register does not answer")  # this may pass
    with database:
        new = database.execute("INSERT OR IGNORE INTO inbox VALUES (?)", [change]).rowcount
        if new or not args.inbox:
            say("handled", f"{customer}-{number}")  # the work is done here


def place_after(args, error):
    """The topic for a change that failed; nothing, if it is to be tried again in place."""
    return args.dead if args.dead and isinstance(error, ValueError) else args.next


def handle(args, database, producer, aside, leaving, record):
    """See a record through: noted, or safe in another topic. Say if it is; not if we are to end."""
    while not leaving.is_set():
        try:
            if record.key in aside:
                raise LookupError("an earlier change of this customer waits")
            note(args, database, record.value.decode())
            return True
        except (ConnectionError, LookupError, ValueError) as error:
            print("failed", record.value.decode(), flush=True)
            if place := place_after(args, error):
                as_it_came = {"key": record.key, "headers": record.headers}
                producer.send(place, record.value, **as_it_came).get(timeout=20)
                aside |= {record.key} if args.together else set()
                return True
            leaving.wait(0.1)
    return False


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--next", help="the topic for what fails")
    parser.add_argument("--dead", help="the topic for what will never pass")
    parser.add_argument("--delay", type=float, default=0, help="seconds from sending to trying")
    parser.add_argument("--together", action="store_true", help="later changes go there as well")
    parser.add_argument("--trouble", type=Path, help="a file: changes that fail, by commas, or all")
    parser.add_argument("--inbox", help="a database of what was handled")
    args = parser.parse_args()

    leaving, aside = asked_to_end(), set()
    database = sqlite3.connect(args.inbox or ":memory:")
    database.execute("CREATE TABLE IF NOT EXISTS inbox (change TEXT PRIMARY KEY)")
    options = {"group_id": args.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    kafka = up("kafka", quiet=True).kafka
    with (
        KafkaProducer(**kafka, acks="all") as producer,
        KafkaConsumer(args.topic, **options, **kafka, consumer_timeout_ms=200) as consumer,
    ):
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while not leaving.is_set():
            for record in consumer:
                leaving.wait(max(0, record.timestamp / 1000 + args.delay - time.time()))
                if not handle(args, database, producer, aside, leaving, record):
                    break
                consumer.commit()


if __name__ == "__main__":
    main()
