"""A topic whose old segments move to another store: orders written and read, and what lies where.

`kafka` is a node of the lab's own, `store` the folder that stands for the object store. Topics have
one partition. It is called by the notebook, in its own process.
"""

import pandas
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

MB = 1_048_576  # bytes
SIZE = 10_000  # bytes of an order: a hundred and four fill a segment
TIERED = {
    "remote.storage.enable": "true",
    "retention.ms": -1,  # for ever
    "segment.bytes": MB,
    "local.retention.bytes": MB,
}
POLLS = 100  # after which a reader gives up, if nothing comes


def make_topics(kafka, *topics):
    """Create topics that keep everything, and of it at least a megabyte on the broker's disk."""
    with KafkaAdminClient(**kafka.options()) as admin:
        admin.create_topics({name: {"configs": TIERED} for name in topics}, wait_for_metadata=True)


def delete_topic(kafka, topic):
    """Delete a topic, as `kafka-topics --delete` does."""
    with KafkaAdminClient(**kafka.options()) as admin:
        admin.delete_topics([topic])


def write(kafka, topic, orders):
    """Send so many orders, and return how many were acknowledged."""
    with KafkaProducer(**kafka.options()) as producer:
        sent = [producer.send(topic, bytes(SIZE), partition=0) for _ in range(orders)]
        return sum(answer.get(timeout=20) is not None for answer in sent)


def offsets(kafka, topic):
    """The first offset there is, the first on the broker's disk, and the one that comes next."""
    partition = TopicPartition(topic, 0)
    asked = OffsetSpec.EARLIEST, OffsetSpec.EARLIEST_LOCAL, OffsetSpec.LATEST
    with KafkaAdminClient(**kafka.options()) as admin:
        return [admin.list_partition_offsets({partition: spec})[partition].offset for spec in asked]


def read(kafka, topic, start):
    """Read from an offset to the end. Returns how many orders came, and the error, if one came."""
    partition = TopicPartition(topic, 0)
    read, (*_, end) = 0, offsets(kafka, topic)
    with KafkaConsumer(**kafka.options(), auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        consumer.seek(partition, start)
        try:
            for _ in range(POLLS):
                if consumer.position(partition) == end:
                    break
                read += len(consumer.poll(timeout_ms=200).get(partition, []))
        except KafkaError as error:
            return read, type(error).__name__
    return read, ""


def on_the_broker(kafka, topic):
    """The first offset of each segment on the broker's disk."""
    folder = kafka.directory / "data" / f"{topic}-0"
    return sorted(int(file.stem) for file in folder.glob("*.log"))


def in_the_store(store, topic):
    """The first offset of each segment in the object store."""
    return sorted(int(file.name.split("-")[0]) for file in store.glob(f"*/{topic}-0-*/*.log"))


def where(kafka, store, topic):
    """A row for the broker's disk and one for the store: the orders of each segment that lies there."""
    places = {"broker": on_the_broker(kafka, topic), "store": in_the_store(store, topic)}
    starts = sorted({start for found in places.values() for start in found})
    *_, end = offsets(kafka, topic)
    orders = {a: b - a for a, b in zip(starts, [*starts[1:], end], strict=True)}
    rows = {place: [orders[s] * (s in found) for s in starts] for place, found in places.items()}
    return pandas.DataFrame.from_dict(rows, "index", columns=starts)
