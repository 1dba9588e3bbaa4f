"""Indexes the lines of all services, so that they can be searched. Works as long as nothing goes wrong.

By hand: python indexer.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import argparse
import json
import sqlite3

from kafka import KafkaConsumer

from helpers.programs import asked_to_end

TABLES = """
    PRAGMA journal_mode = WAL;
    CREATE VIRTUAL TABLE IF NOT EXISTS lines USING
        fts5 (service UNINDEXED, time UNINDEXED, level UNINDEXED, message, error);
    CREATE TABLE IF NOT EXISTS parked (service TEXT, line TEXT, reason TEXT);
    CREATE TABLE IF NOT EXISTS gaps (partition INTEGER, first INTEGER, next INTEGER);
"""
COLUMNS = "service", "time", "level", "message", "error"


def handle(database, record):
    """Index a line."""
    line = {"error": "", **json.loads(record.value)}
    with database:
        row = [line[name] for name in COLUMNS]
        database.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", row)


def main():
    """Index until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition(",")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument("--name", required=True, help="what the topic of this run begins with")
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    args = parser.parse_args()
    asked = asked_to_end()
    database = sqlite3.connect(args.database, timeout=60)  # seconds, while another process writes
    database.executescript(TABLES)
    consumer = KafkaConsumer(
        f"{args.name}.logs",
        bootstrap_servers=args.brokers,
        group_id=f"{args.name}.indexer",
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
    )
    consumer.partitions_for_topic(
        f"{args.name}.logs"
    )  # who joins before it knows may be given none
    while not asked.is_set():
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                handle(database, record)
    consumer.close()


if __name__ == "__main__":
    main()
