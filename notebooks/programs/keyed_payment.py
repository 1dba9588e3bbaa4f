"""A payment service that tells a repeat by a key, and charges once for each key.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/keyed_payment.py TOPIC GROUP DATABASE client
"""

import argparse
import hashlib
import json
import sqlite3
import uuid

from kafka import KafkaConsumer

from helpers import programs, up

TABLES = """
    CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS charges (order_id INTEGER, cents INTEGER);
"""
KEYS = {
    "none": lambda _record: str(uuid.uuid4()),  # a new one for each delivery
    "place": lambda record: f"{record.topic}/{record.partition}/{record.offset}",
    "hash": lambda record: hashlib.sha256(record.value).hexdigest(),
    "order": lambda record: str(json.loads(record.value)["order"]),
    "client": lambda record: dict(record.headers)["idempotency-key"].decode(),
}


def pay(database, record, key):
    """Note the key and charge the order in one transaction, unless the key is there already."""
    payment = json.loads(record.value)
    with database:
        note = "INSERT INTO keys VALUES (?) ON CONFLICT DO NOTHING"
        if database.execute(note, [key]).rowcount:
            charge = [payment["order"], payment["cents"]]
            database.execute("INSERT INTO charges VALUES (?, ?)", charge)
    return payment["order"]


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("topic", "group", "database"):
        parser.add_argument(name)
    parser.add_argument("key", choices=KEYS, help="what tells a repeat")
    parser.add_argument("--pause-at", type=int, help="an order that is charged, and not committed")
    args = parser.parse_args()

    leaving, database = programs.asked_to_end(), sqlite3.connect(args.database)
    database.executescript(TABLES)
    options = {"group_id": args.group, "group_instance_id": args.group, "enable_auto_commit": False}
    options |= {"auto_offset_reset": "earliest", "consumer_timeout_ms": 200}
    with KafkaConsumer(args.topic, **options, **up("kafka", quiet=True).kafka) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while not leaving.is_set():
            for record in consumer:
                order = pay(database, record, KEYS[args.key](record))
                if order == args.pause_at:
                    programs.pause()
                consumer.commit()
                if leaving.is_set():  # though there is more
                    break


if __name__ == "__main__":
    main()
