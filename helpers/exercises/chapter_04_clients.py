"""The grader of the lab on five clients: whom two hashes put in two places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import confluent_kafka
from kafka import KafkaProducer

from .. import clients
from .answers import Wrong, ask
from .grading import grader
from .places import brokers, kafka_options, new_topic

Split = Callable[[list[bytes], int], set[bytes]]
SEND = 20  # seconds


@grader("4.13", needs=("kafka",))
def split(answer: Split, data: Random) -> str:
    """Keys that are drawn, in topics with one partition and more; both clients send each of them."""
    # With 3 and with 9, the hash of an empty key would lead both clients to partition 0.
    others = [data.choice((3, 9)), data.choice((2, 4, 5, 6, 7, 10, 11, 12))]
    for partitions in (1, *data.sample(others, 2)):
        keys = _drawn(data)
        expected = _apart(keys, partitions)
        if b"" in keys and partitions > 1:
            expected.add(b"")  # a lot may fall on the same partition: it still is one
        _expect(answer, keys, partitions, expected)
    return "in topics of three sizes, what two clients did with each key, foretold."


def _drawn(data: Random) -> list[bytes]:
    """Names, numbers, letters beyond ASCII, bytes of every length, and the empty key."""
    names = [f"customer-{data.randint(1, 10**6)}".encode() for _ in range(20)]
    umlauts = [
        f"Käufer {data.randint(1, 999)} {'ß' * data.randint(0, 3)}".encode() for _ in range(8)
    ]
    others = [data.randbytes(length) for length in range(1, 12)]
    keys = list(dict.fromkeys([*names, *umlauts, *others, b""]))
    data.shuffle(keys)
    return keys


def _apart(keys: Sequence[bytes], partitions: int) -> set[bytes]:
    """The keys that two live clients put into two partitions."""
    with new_topic(partitions) as topic:
        with KafkaProducer(**kafka_options()) as producer:
            for key in keys:
                producer.send(topic, b"kafka-python", key=key)
        servers = kafka_options()["bootstrap_servers"]
        other = confluent_kafka.Producer({"bootstrap.servers": servers, "log_level": 0})
        for key in keys:
            other.produce(topic, b"librdkafka", key=key)
        if left := other.flush(SEND):
            raise RuntimeError(f"{left} records were not stored within {SEND} s")
        found = {(one.key, one.partition) for one in clients.read_topic(brokers("kafka"), topic)}
    places = [key for key, _ in found]
    return {key for key in keys if places.count(key) > 1}


def _expect(answer: Split, keys: list[bytes], partitions: int, expected: set[bytes]) -> None:
    call = f"split of {len(keys)} keys and {partitions} partition{'s' * (partitions > 1)}"
    said = ask(answer, list(keys), partitions)
    if not isinstance(said, set):
        raise Wrong("no_set", f"{call} returned {said!r:.60}.", "Return a set of keys.")
    if wrongly := said - expected:
        key = min(wrongly, key=lambda one: (len(str(one)), str(one)))
        raise Wrong(
            "invented",
            f"{call}: {key!r} is in it, and both clients put it into one partition.",
            "Compare the partitions, not the hashes; and mind how many of its bits Java uses.",
        )
    if left := expected - said:
        key = min(left, key=lambda one: (len(one), one))
        raise Wrong(
            "overlooked",
            f"{call}: {key!r} isn't in it, and may come to lie in two partitions.",
            "What does each of the two clients do with this key?",
        )
