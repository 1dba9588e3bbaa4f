"""Turns clicks into sessions and page views, each click exactly once.

How far it is in a partition stands in the database, beside the results, and not in Kafka. What is
refused or too late goes to a topic of its own, by way of an outbox. Two of us can share the work.

By hand: python processor.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import argparse

import store
from kafka import KafkaConsumer, KafkaProducer

from helpers.programs import asked_to_end


def consumer(args):
    """A member of the group; it is missed two seconds after its last word."""
    topic = f"{args.name}.clicks"
    group = KafkaConsumer(
        topic,
        group_id=f"{args.name}.processor",
        bootstrap_servers=args.brokers,
        auto_offset_reset="earliest",  # each time: from there the database shows the way
        enable_auto_commit=False,
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        reconnect_backoff_max_ms=200,
    )
    group.partitions_for_topic(topic)  # who joins before it knows may be given none
    return group


def publish(args, database, producer, number):
    """Publish what of this partition is to be put aside; strike it out once the brokers have it."""
    asked = """SELECT position, topic, key, value, reason FROM outbox WHERE number = ?
        ORDER BY position"""
    rows = database.execute(asked, [number]).fetchall()
    sent = []
    for position, topic, key, value, reason in rows:
        origin = {"partition": str(number), "offset": str(position), "reason": reason}
        headers = [(name, said.encode()) for name, said in origin.items()]
        key = key or b""  # kafka-python sends nothing that has neither a key nor a value
        sent.append(producer.send(f"{args.name}.{topic}", key=key, value=value, headers=headers))
    for one in sent:
        one.get(timeout=20)
    if rows:
        strike = "DELETE FROM outbox WHERE number = ? AND position <= ?"
        database.execute(strike, [number, rows[-1][0]])


def main():
    """Process clicks until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument(
        "--name", required=True, help="what topics and groups of this run begin with"
    )
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    args = parser.parse_args()
    asked = asked_to_end()
    database = store.connect(args.database)
    producer = KafkaProducer(
        bootstrap_servers=args.brokers, acks="all", reconnect_backoff_max_ms=200
    )
    group = consumer(args)
    while not asked.is_set():
        for partition, records in group.poll(timeout_ms=200).items():
            try:
                store.save(database, partition.partition, records)
            except store.DoneBeforeError as error:
                group.seek(partition, error.position)
        for partition in group.assignment():
            publish(args, database, producer, partition.partition)
    group.close()


if __name__ == "__main__":
    main()
