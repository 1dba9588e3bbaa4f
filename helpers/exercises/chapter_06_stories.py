"""Grader of the lab on keys and failures: an order whose event is set aside waits as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from .. import clients
from ..names import fresh
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live
from .places import brokers, kafka_options, new_topic, send

Handle = Callable[[Any], None]
Follow = Callable[[KafkaConsumer, list[Any], Handle, Handle], Any]
LATE_MS = 20_000  # a record that is there has not come
DEATHS = (("handle", "before"), ("handle", "after"), ("aside", "before"), ("aside", "after"))


class Event(NamedTuple):
    """A record of the topic; its offset is its place in the list."""

    key: bytes | None
    value: bytes
    bad: bool  # `handle` raises ValueError


@grader("6.8", needs=("kafka",))
def stories(follow: Follow, data: Random) -> str:
    """Keys that are alike, an empty one and none; four deaths, two of them right after something was
    set aside whose order goes on."""
    events, deaths = _events(data)
    with new_topic() as topic, new_topic() as dead_letters:
        send(topic, [(0, event.key, event.value) for event in events])
        day = _Day(follow, events, deaths, topic, dead_letters)
        for _ in range(len(DEATHS) + 1):
            if live(follow, day.live, seconds=20) is not KILLED:
                break
        _expect_all(day)
        reached = clients.committed(brokers("kafka"), day.group).get(TopicPartition(topic, 0), 0)
    if reached != len(events):
        what = f"{len(events)} records are done, and offset {reached} is committed at the end."
        raise Wrong("not_committed", what, "The next start begins there.")
    return (
        "each story handled as far as it could be, and the rest of it set aside, over four deaths."
    )


def _events(data: Random) -> tuple[list[Event], dict[tuple[str, str], int]]:
    """The story of some orders, all of whose events read alike; and at which record the service dies, by
    what it does.

    Between what is set aside and the rest of its order, two deaths fall on other orders."""
    number, value = data.randrange(10, 99), b"\xff %d" % data.randrange(9)
    stem = b"order-%d" % number
    whole = [stem + b"%d" % data.randrange(9), stem.title(), stem + b" "]
    torn = [stem, b""]
    every = [*torn, *whole, None]

    def told(keys: Iterable[bytes | None], bad: bool = False) -> list[Event]:
        keys = list(keys)
        return [Event(key, value, bad) for key in data.sample(keys, len(keys))]

    events = told(every)
    begins = len(events)
    events += told([*torn, None], bad=True)
    between = len(events)
    events += told(data.sample(whole, 2))
    events += told(every * 2)
    events += told([whole[0]], bad=True) + told([whole[0]]) + told([stem])
    events += told([None], bad=True) + told([None])
    bad = [n for n in range(begins, between) if events[n].key is not None]
    data.shuffle(bad)
    places = [between, between + 1, *bad]
    return events, dict(zip(DEATHS, places, strict=True))


class _Reader(KafkaConsumer):
    """A consumer whose records end at the end of the topic, however slowly they come."""

    def read(self, partition: TopicPartition) -> None:
        self.assign([partition])
        self._place, self._end = partition, self.end_offsets([partition])[partition]

    def __next__(self) -> Any:
        if self.position(self._place) >= self._end:
            raise StopIteration
        return super().__next__()


class _Day:
    """What happens to a service that follows the topic, over its lives."""

    def __init__(
        self,
        follow: Follow,
        events: list[Event],
        deaths: dict[tuple[str, str], int],
        topic: str,
        dead_letters: str,
    ) -> None:
        self.follow, self.events, self.deaths = follow, events, deaths
        self.topic, self.dead_letters, self.group = topic, dead_letters, fresh("exercise")
        self.journal, self._died = Journal(), Journal()

    def live(self) -> None:
        """One life."""
        torn = any(what == "aside" for what, *_ in self.journal.read())
        aside = clients.read_topic(brokers("kafka"), self.dead_letters) if torn else []
        options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        options |= {"group_id": self.group, "consumer_timeout_ms": LATE_MS}
        with _Reader(**kafka_options(), **options) as consumer:
            consumer.read(TopicPartition(self.topic, 0))
            handle, letter = partial(self._do, "handle"), partial(self._do, "aside")
            self.follow(consumer, aside, handle, letter)

    def _do(self, what: str, record: Any) -> None:
        """What the learner calls: handle a record, or set it aside; die before that, or after."""
        offset = getattr(record, "offset", -1)
        if getattr(record, "topic", "") != self.topic or not 0 <= offset < len(self.events):
            name = "handle" if what == "handle" else "set_aside"
            said = f"{name} was given {record!r:.60}."
            stop(Wrong("wrong_record", said, "Give it the record as the consumer did."))
        bad = what == "handle" and self.events[offset].bad
        self._die_at(what, "before", offset)
        if what == "aside":
            send(self.dead_letters, [(0, record.key, record.value)])
        self.journal.note(what, offset, not bad)
        if bad:
            raise ValueError("no amount")
        self._die_at(what, "after", offset)

    def _die_at(self, what: str, when: str, offset: int) -> None:
        if self.deaths[what, when] == offset and [what, when] not in self._died.read():
            self._died.note(what, when)
            die()


def _waiting(events: list[Event]) -> set[int]:
    """The offsets of what is to be set aside."""
    stuck: set[bytes] = set()
    found = set()
    for offset, event in enumerate(events):
        if event.bad or event.key in stuck:
            found.add(offset)
            if event.key is not None:
                stuck.add(event.key)
    return found


def _expect_all(day: _Day) -> None:
    waiting, notes = _waiting(day.events), day.journal.read()
    tried = [offset for what, offset, _ in notes if what == "handle"]
    handled = Counter(offset for what, offset, good in notes if what == "handle" and good)
    aside = Counter(offset for what, offset, _ in notes if what == "aside")
    after = [day.deaths[what, "after"] for what in ("handle", "aside")]
    for offset, event in enumerate(day.events):
        told = f"record {offset}, of the order {event.key!r},"
        if offset in waiting and not event.bad and offset in tried:
            what = f"{told} was given to handle, though an earlier one of its order was set aside."
            hint = "What does a new life know of the orders whose story is torn?"
            raise Wrong("overtaken", what, hint)
        if handled[offset] + aside[offset] > 1 + (offset in after):
            what = (
                f"{told} was done {handled[offset] + aside[offset]} times, and no death caught it."
            )
            raise Wrong("repeated", what, "How much is uncommitted when a life ends?")
        if aside[offset] and offset not in waiting:
            what = f"{told} was set aside; it could be handled, and nothing of its order is aside."
            raise Wrong("set_aside_wrongly", what, "Whose story is it? Compare whole keys.")
        if not (handled[offset] or aside[offset]):
            what = f"{told} was neither handled nor set aside in the end."
            hint = (
                "What is committed does not come again; and what reads alike need not be the same."
            )
            raise Wrong("lost", what, hint)
