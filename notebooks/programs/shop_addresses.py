"""The shop's address book: it takes changes of address, and keeps each customer's newest.

It prints "handled CHANGE TIME" for each.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_addresses.py QUEUE DATABASE set
"""

import argparse
import json
import sqlite3

import pika

from helpers import programs, up

TABLES = """
    CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS book (customer TEXT PRIMARY KEY, address TEXT, version INTEGER);
"""
SET = """
    INSERT INTO book VALUES (:customer, :address, :version) ON CONFLICT (customer)
    DO UPDATE SET address = excluded.address, version = excluded.version
"""


def set_value(database, change):
    """The address is what the message says."""
    database.execute(SET, change)


def remember_keys(database, change):
    """The same, once for each key."""
    note = "INSERT INTO keys VALUES (:key) ON CONFLICT DO NOTHING"
    if database.execute(note, change).rowcount:
        database.execute(SET, change)


def compare_versions(database, change):
    """The address is what the message says, unless a newer one is there."""
    database.execute(f"{SET} WHERE excluded.version > book.version", change)


RULES = {"set": set_value, "keys": remember_keys, "versions": compare_versions}


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("database")
    parser.add_argument("rule", choices=RULES)
    parser.add_argument("--pause", choices=["before", "after"], help="the first write")
    args = parser.parse_args()

    leaving, database = programs.asked_to_end(), sqlite3.connect(args.database, timeout=20)
    database.executescript(TABLES)
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is None:
                continue
            change = json.loads(body)
            if args.pause == "before":
                programs.pause()
            with database:
                RULES[args.rule](database, change)
            if args.pause == "after":
                programs.pause()
            channel.basic_ack(method.delivery_tag)
            programs.say("handled", change["key"])


if __name__ == "__main__":
    main()
