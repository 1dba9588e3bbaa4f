"""A till: it reads orders, charges a card for each, and writes a receipt; ten orders at a time.

It stores the offset behind its batch in one of two ways: in the same transaction as the receipts, or
after them (plain). It prints "handled ORDER TIME" for each order, TIME in seconds of a clock that all
processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/till_kafka.py ORDERS RECEIPTS NAME BANK_FILE --transaction
"""

import argparse
import sqlite3
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from helpers import up
from helpers.programs import pause


def pause_if(args, place):
    """Stop where we are told to, until somebody kills us."""
    if place == args.pause_at:
        pause()


def charge(bank, order):
    """Charge the card: an effect outside Kafka. Once without looking, and once by the order's number."""
    bank.execute("INSERT INTO charges VALUES (?)", [order])
    bank.execute("INSERT OR IGNORE INTO charges_by_order VALUES (?)", [order])
    bank.commit()


def do_batch(args, records, consumer, producer, bank):
    """Charge, write the receipts, and store the offset behind the last order."""
    if args.transaction:
        producer.begin_transaction()
    promises = []
    for number, record in enumerate(records, 1):
        charge(bank, int(record.value))
        promises.append(producer.send(args.receipts, record.value))
        print("handled", int(record.value), time.monotonic(), flush=True)
        if number == 5 and records[0].offset == 10:  # in the middle of the second batch
            producer.flush()
            pause_if(args, "half the receipts")
    for promise in promises:
        promise.get(timeout=60)  # raises if there is no receipt; flush() would not
    behind = {TopicPartition(args.orders, 0): OffsetAndMetadata(records[-1].offset + 1, "", -1)}
    if args.transaction:
        producer.send_offsets_to_transaction(behind, consumer.group_metadata())
    if records[0].offset == 10:
        pause_if(args, "before the commit")
    if args.transaction:
        producer.commit_transaction()  # the receipts and the offset, together
    else:
        consumer.commit(behind)  # the receipts are there already
    if records[0].offset == 10:
        pause_if(args, "after the commit")


def main():
    """Work up to the end that the topic has now."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("orders", "receipts", "name", "bank"):
        parser.add_argument(name)
    parser.add_argument("--transaction", action="store_true")
    parser.add_argument("--pause-at", help="half the receipts, before or after the commit")
    args = parser.parse_args()

    kafka, bank = up("kafka", quiet=True).kafka, sqlite3.connect(args.bank)
    bank.execute("CREATE TABLE IF NOT EXISTS charges (number INTEGER)")
    bank.execute("CREATE TABLE IF NOT EXISTS charges_by_order (number INTEGER PRIMARY KEY)")
    options = {"group_id": args.name, "auto_offset_reset": "earliest", "max_poll_records": 10}
    with KafkaConsumer(enable_auto_commit=False, **options, **kafka) as consumer:
        producer = KafkaProducer(transactional_id=args.name if args.transaction else None, **kafka)
        if args.transaction:
            producer.init_transactions()  # whatever an earlier till of this name left open is aborted
        partition = TopicPartition(args.orders, 0)
        consumer.assign([partition])  # from the offset that is stored for this name
        [end] = consumer.end_offsets([partition]).values()
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1000).values():
                do_batch(args, records, consumer, producer, bank)
        producer.close()


if __name__ == "__main__":
    main()
