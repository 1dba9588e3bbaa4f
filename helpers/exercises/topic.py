"""A Kafka topic for one grading, and how to reach Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient

from ..brokers import up
from ..names import fresh


def kafka_options() -> dict[str, Any]:
    """Options of a client for the learner's brokers."""
    return up("kafka", quiet=True).kafka or {}


@contextmanager
def new_topic(partitions: int) -> Iterator[str]:
    """A topic with a fresh name; deleted when the grading is over."""
    topic = fresh("exercise")
    shape = {"num_partitions": partitions, "replication_factor": 1}
    with KafkaAdminClient(**kafka_options()) as admin:
        admin.create_topics({topic: shape}, wait_for_metadata=True)
        try:
            yield topic
        finally:
            admin.delete_topics([topic])
