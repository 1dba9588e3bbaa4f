"""Turns clicks into sessions and page views. Works as long as nothing goes wrong.

By hand: python processor.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import argparse
import json
import sqlite3

from kafka import KafkaConsumer

GAP = 30 * 60_000  # milliseconds without a click end a session
WINDOW = 10 * 60_000  # milliseconds for which a page's views are counted together
TABLES = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS sessions
        (visitor TEXT, began INTEGER, ended INTEGER, clicks INTEGER, PRIMARY KEY (visitor, began));
    CREATE TABLE IF NOT EXISTS page_views
        (began INTEGER, page TEXT, views INTEGER, PRIMARY KEY (began, page));
    CREATE TABLE IF NOT EXISTS tally (kind TEXT PRIMARY KEY, number INTEGER);
"""
VIEWED = """INSERT INTO page_views VALUES (?, ?, 1)
    ON CONFLICT (began, page) DO UPDATE SET views = views + 1"""
TALLIED = """INSERT INTO tally VALUES ('counted', 1)
    ON CONFLICT (kind) DO UPDATE SET number = number + 1"""


def consumer(args):
    """A member of the group; it is missed two seconds after its last word."""
    topic = f"{args.name}.clicks"
    group = KafkaConsumer(
        topic,
        group_id=f"{args.name}.processor",
        bootstrap_servers=args.brokers,
        auto_offset_reset="earliest",
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        reconnect_backoff_max_ms=200,
    )
    group.partitions_for_topic(topic)  # who joins before it knows may be given none
    return group


def count(database, sessions, click):
    """Count a click among its page's views, and in its visitor's session."""
    visitor, time = click["visitor"], click["time"]
    database.execute(VIEWED, [time // WINDOW * WINDOW, click["page"]])
    began, ended, clicks = sessions.get(visitor, (0, 0, 0))
    if time - ended > GAP:
        began, ended, clicks = time, time, 0
    sessions[visitor] = began, max(ended, time), clicks + 1
    database.execute("REPLACE INTO sessions VALUES (?, ?, ?, ?)", [visitor, *sessions[visitor]])
    database.execute(TALLIED)


def main():
    """Process clicks until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument(
        "--name", required=True, help="what topics and groups of this run begin with"
    )
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    args = parser.parse_args()
    database = sqlite3.connect(args.database, timeout=60, isolation_level=None)
    database.executescript(TABLES)
    group = consumer(args)
    sessions = {}  # of each visitor, the one that goes on: when it began, its end so far, its clicks
    while True:
        for records in group.poll(timeout_ms=200).values():
            for record in records:
                count(database, sessions, json.loads(record.value))


if __name__ == "__main__":
    main()
