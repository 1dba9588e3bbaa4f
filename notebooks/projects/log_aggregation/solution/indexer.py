"""Indexes the lines of all services, so that they can be searched.

How far it is stands in the index itself, and is saved with the lines in one transaction. If the topic
has deleted what was to come next, as this was away for too long, the gap is noted before it goes on.

By hand: python indexer.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import index
import lines
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from helpers.programs import asked_to_end


def save(database, partition, position, records):
    """One transaction: the lines, and how far we are; none of it, if another indexer is further."""
    with database:
        if not index.move(database, partition, position, records[-1].offset + 1):
            return False
        for record in records:
            save_one(database, record)
    return True


def save_one(database, record):
    """A line to be searched, or one to be parked with the reason."""
    service = (record.key or b"").decode(errors="replace")
    place = f"record {record.partition}:{record.offset}"
    line = (record.value or b"").decode(errors="backslashreplace")
    try:
        there, line, whole = lines.unpack(record.value)
        place = f"{service} {there}"  # two services may begin their logs with the same words
        index.add(database, place, service, lines.read(line, whole))
    except lines.BadLineError as error:
        index.park(database, place, service, line, str(error))


def begin(consumer, database, partition):
    """Read on where the index is; return that offset."""
    position = index.position(database, partition.partition)
    consumer.seek(partition, position)
    return position


def skip_gaps(consumer, database, partitions):
    """Where the next record was deleted, note the gap, and move to the first that is left.

    Raises:
        SystemExit: the topic is shorter than what was read: it is another one.
    """
    ends = consumer.end_offsets(partitions)
    for partition, beginning in consumer.beginning_offsets(partitions).items():
        number = partition.partition
        position = index.position(database, number)
        if position > ends[partition]:
            raise SystemExit(f"{partition} ends at {ends[partition]}, the index is at {position}.")
        if position < beginning:
            with database:
                if index.move(database, number, position, beginning):
                    index.note_gap(database, number, position, beginning)
                    print(f"gap {number} {position} {beginning}", flush=True)


def main():
    """Index until we are asked to end."""
    parser = lines.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    args = parser.parse_args()
    asked = asked_to_end()
    database = index.connect(args.database)
    consumer = KafkaConsumer(
        bootstrap_servers=args.brokers,
        auto_offset_reset="none",  # never jump in silence
        enable_auto_commit=False,
        reconnect_backoff_max_ms=200,
    )
    topic = f"{args.name}.logs"
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    if not partitions:
        raise SystemExit(f"There is no topic {topic}.")
    consumer.assign(partitions)
    positions = {partition: begin(consumer, database, partition) for partition in partitions}
    while not asked.is_set():
        try:
            found = consumer.poll(timeout_ms=200)
        except OffsetOutOfRangeError:
            skip_gaps(consumer, database, partitions)
            positions = {one: begin(consumer, database, one) for one in partitions}
            continue
        for partition, records in found.items():
            if save(database, partition.partition, positions[partition], records):
                positions[partition] = records[-1].offset + 1
            else:
                positions[partition] = begin(consumer, database, partition)
    consumer.close()


if __name__ == "__main__":
    main()
