"""Grader of the lab on tiered storage: what can still be read, and what is missing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec

from .. import nodes
from ..names import fresh
from ..waiting import wait_until
from .answers import Wrong, ask
from .grading import grader

Range = tuple[int, int]
Rescue = Callable[[dict[str, Any], str], tuple[Mapping[int, list[bytes]], Mapping[int, Range]]]
SEGMENT = 104  # records of SIZE bytes, in a segment of a megabyte
SIZE = 10_000
TIERED = {
    "remote.storage.enable": "true",
    "retention.ms": "-1",
    "segment.bytes": "1048576",
    "local.retention.bytes": "1048576",
}


@grader("10.8")
def rescues(rescue: Rescue, data: Random) -> str:
    """Five partitions: in both places, only on the broker, empty, and with a half and a whole loss."""
    with tempfile.TemporaryDirectory() as folder, _node(Path(folder)) as node:
        log = _Log(node, Path(folder), data)
        _expect(rescue, log, "the store has lost a part")
        log.lose_the_store()
        _expect(rescue, log, "the store can't be reached")
        log.get_the_store_back()
        _expect(rescue, log, "the store is back")
    return "whatever could be read was read, and what could not was said, to the offset."


@contextmanager
def _node(store: Path) -> Iterator[nodes.Kafka]:
    node = nodes.Kafka({}, nodes.remote_tier(store / "store"))
    try:
        yield node
    finally:
        node.close()


class _Log:
    """A topic of which a part lies in a store, and what of it can be read."""

    def __init__(self, node: nodes.Kafka, folder: Path, data: Random) -> None:
        self.options, self.topic = node.options(), fresh("orders")
        self._store, self._away = folder / "store", folder / "away"
        numbers = data.sample(range(5), 5)
        whole, half, nothing, young, empty = numbers
        segments = {whole: data.randint(2, 3), half: 3, nothing: data.randint(2, 3)}
        lengths = {number: SEGMENT * k + data.randint(20, 90) for number, k in segments.items()}
        lengths |= {young: data.randint(1, 90), empty: 0}
        self.values = {n: _values(data, lengths[n]) for n in sorted(lengths)}
        self.local = {n: SEGMENT * (segments.get(n, 1) - 1) for n in self.values}
        self._fill()
        self._lose(half, SEGMENT)
        self._lose(nothing, 0)
        self.missing = {half: (SEGMENT, self.local[half]), nothing: (0, self.local[nothing])}

    def lose_the_store(self) -> None:
        """Nothing that is in it can be read, and nothing be written to it."""
        self._in_between = self.missing
        self._store.rename(self._away)
        self._store.touch()
        self.missing = {n: (0, local) for n, local in self.local.items() if local}

    def get_the_store_back(self) -> None:
        self._store.unlink()
        self._away.rename(self._store)
        self.missing = self._in_between

    def _fill(self) -> None:
        with KafkaAdminClient(**self.options) as admin:
            shape = {"num_partitions": len(self.values), "configs": TIERED}
            admin.create_topics({self.topic: shape}, wait_for_metadata=True)
            with KafkaProducer(**self.options) as producer:
                for number, values in self.values.items():
                    for value in values:
                        producer.send(self.topic, value, partition=number)
            asked = {TopicPartition(self.topic, n): OffsetSpec.EARLIEST_LOCAL for n in self.local}

            def moved() -> bool:
                found = admin.list_partition_offsets(asked)
                return {p.partition: at.offset for p, at in found.items()} == self.local

            wait_until(moved, "old segments to move to the store", 30)

    def _lose(self, number: int, first: int) -> None:
        """Delete from the store a partition's segments that begin here or later."""
        for file in self._store.glob(f"*/{self.topic}-{number}-*/*"):
            if int(file.name.split("-")[0]) >= first:
                shutil.rmtree(file) if file.is_dir() else file.unlink()


def _values(data: Random, length: int) -> list[bytes]:
    names = (f"order-{data.randrange(10**9)}" for _ in range(length))
    return [name.ljust(SIZE).encode() for name in names]


def _expect(rescue: Rescue, log: _Log, day: str) -> None:
    said = ask(rescue, dict(log.options), log.topic, seconds=20)
    try:
        values, missing = said
        values = {n: list(found) for n, found in dict(values).items()}
        missing = {n: tuple(found) for n, found in dict(missing).items()}
    except (TypeError, ValueError):
        raise Wrong(
            "no_pair",
            f"{day}: the function returned {_short(said)}.",
            "Return two dictionaries by the partition's number: the values, and what is missing.",
        ) from None
    if odd := [one for found in values.values() for one in found if not isinstance(one, bytes)]:
        what = f"{day}: among the values is {_short(odd[0])}."
        raise Wrong("no_values", what, "Return each record's `value`, as it is: bytes.")
    if left_out := sorted(set(log.values) - set(values)):
        raise Wrong(
            "left_out",
            f"{day}: partition {left_out[0]} is not in the dictionary of values.",
            "Of a partition from which nothing can be read, an empty list is told.",
        )
    for number, all_of_it in log.values.items():
        first, end = log.missing.get(number, (0, 0))
        _expect_values(day, number, all_of_it[:first] + all_of_it[end:], values[number])
    if missing != log.missing:
        raise Wrong(
            "missing",
            f"{day}: {_ranges(log.missing)} can't be read, and the function says {_ranges(missing)}.",
            "A range begins at the offset that was asked for when the error came, and ends where the "
            "broker's own disk begins. What can be read isn't missing, and has no entry.",
        )


def _expect_values(day: str, number: int, wanted: list[bytes], found: list[bytes]) -> None:
    if found == wanted:
        return
    where = f"{day}: of partition {number}"
    if len(found) != len(set(found)):
        raise Wrong(
            "doubled",
            f"{where} some values came twice.",
            "After an error, go on at the offset where the broker's own disk begins.",
        )
    if sorted(found) == sorted(wanted):
        raise Wrong("order", f"{where} the values are not in order.", "Keep that of the offsets.")
    raise Wrong(
        "lost",
        f"{where} {len(wanted)} values can be read, and the function has {len(found)}.",
        "What is in the store can be read like all else, up to the first error. What is on the "
        "broker's disk can be read whatever the store does, to the very end.",
    )


def _ranges(found: Mapping[int, Any]) -> str:
    listed = [f"{n}: {first_end}" for n, first_end in sorted(found.items())]
    return "{" + ", ".join(listed) + "}"


def _short(said: object) -> str:
    return repr(said)[:80]
