"""The shop's projector: it follows the log of events and keeps a view up to date.

The view is a database of its own. It remembers its position too: for each partition of the log, the
offset of the event that comes next. It prints "handled ORDER TIME" for each event, TIME in seconds of
a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_projector.py TOPIC VIEW
"""

import argparse
import json
import sqlite3
import time

from kafka import KafkaConsumer, TopicPartition

from helpers import up
from helpers.programs import asked_to_end, pause

TABLES = """
    PRAGMA journal_mode = WAL;     -- readers and the projector don't wait for each other
    PRAGMA synchronous = NORMAL;   -- a killed process loses nothing by it
    CREATE TABLE IF NOT EXISTS orders
        (order_id INTEGER PRIMARY KEY, customer TEXT, state TEXT, version INTEGER);
    CREATE TABLE IF NOT EXISTS customers (customer TEXT PRIMARY KEY, placed INTEGER, paid INTEGER);
    CREATE TABLE IF NOT EXISTS position (partition INTEGER PRIMARY KEY, next INTEGER);
"""


def project(view, event):
    """Bring both tables up to date with what happened."""
    data, state = event["data"], event["type"].removeprefix("order.")
    row = [data["order"], data["customer"], state, event["version"]]
    view.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", row)
    paid = data["cents"] if state == "paid" else 0
    view.execute(
        "INSERT INTO customers VALUES (?, ?, ?) ON CONFLICT (customer) DO UPDATE"
        " SET placed = placed + excluded.placed, paid = paid + excluded.paid",
        [data["customer"], state == "placed", paid],
    )


def move_on(view, record):
    """The next event of this partition is the one after this."""
    moved = [record.offset + 1, record.partition]
    view.execute("UPDATE position SET next = ? WHERE partition = ?", moved)


def handle(args, view, record):
    """Two steps for each event: project it, and move the position on."""
    event = json.loads(record.value)
    time.sleep(args.needs)
    steps = [lambda: project(view, event), lambda: move_on(view, record)]
    if args.way == "position-first":
        steps.reverse()
    if args.way == "together":
        view.execute("BEGIN")
    steps[0]()
    if event["data"]["order"] == args.pause_at:
        pause()
    steps[1]()
    if args.way == "together":
        view.execute("COMMIT")
    print("handled", event["data"]["order"], time.monotonic(), flush=True)


def seek(args, view, consumer):
    """Go to where the view stopped. A new view begins at the beginning, or at the end if told so."""
    partitions = [TopicPartition(args.topic, n) for n in consumer.partitions_for_topic(args.topic)]
    find = consumer.end_offsets if args.from_end else consumer.beginning_offsets
    first = [(partition.partition, offset) for partition, offset in find(partitions).items()]
    view.executemany("INSERT OR IGNORE INTO position VALUES (?, ?)", first)
    consumer.assign(partitions)
    for number, offset in view.execute("SELECT partition, next FROM position").fetchall():
        consumer.seek(TopicPartition(args.topic, number), offset)


def main():
    """Follow the log until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("view", help="a file of its own")
    parser.add_argument("--from-end", action="store_true", help="where a new view begins")
    parser.add_argument("--needs", type=float, default=0.0, help="seconds of work for each event")
    parser.add_argument("--pause-at", type=int, help="the order between whose two steps we stop")
    parser.add_argument(
        "--way", choices=["together", "view-first", "position-first"], default="together"
    )
    args = parser.parse_args()

    leaving = asked_to_end()
    view = sqlite3.connect(args.view, isolation_level=None, timeout=20)
    view.executescript(TABLES)
    # if the log has lost what comes next, we end with an error: the view would have a gap
    options = {"consumer_timeout_ms": 200, "auto_offset_reset": "none"}
    with KafkaConsumer(**options, **up("kafka", quiet=True).kafka) as consumer:
        seek(args, view, consumer)
        print("ready", flush=True)
        while not leaving.is_set():
            for record in consumer:
                handle(args, view, record)
                if leaving.is_set():
                    break


if __name__ == "__main__":
    main()
