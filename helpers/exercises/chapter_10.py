"""Graders of chapter 10: a worker that is told to end, and a topic that loses a node for good."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from random import Random
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from .. import clients
from ..waiting import wait_until
from .answers import Wrong, ask
from .grading import grader
from .places import brokers, kafka_options, new_topic, send

Work = Callable[[KafkaConsumer, Callable[[Any], None], threading.Event], None]
Topic = dict[str, Any]
PATIENCE = 3.0  # seconds in which a worker that was asked to end has ended
IDLE, COMING = "when there were no more orders", "right before one more order came"
LOOK = 3  # the order at which it's looked whether a worker commits before the work
NODES = (1, 2, 3, 4)


# -- 10.1: told to end ---------------------------------------------------------------------------


@grader("10.1", needs=("kafka",))
def told_to_end(work: Work, data: Random) -> str:
    """Asked before it begins, amid its orders on one partition and on two, while it is idle, and when
    one more order is just coming."""
    for partitions, orders, at in (
        (1, 25, 0),
        (1, 25, data.randint(11, 19)),
        (1, 25, 20),
        (2, 40, data.randint(21, 29)),
        (1, 7, IDLE),
        (1, 7, COMING),
    ):
        _expect_end(work, partitions, orders, at)
    return (
        "the order in hand is finished, no other is begun, and all that was handled is committed."
    )


class _Asked(threading.Event):
    """An event that notes when it was set first, and whether all that was handled was committed by then."""

    at = math.inf
    all_committed = True

    def set(self) -> None:
        self.at = min(self.at, time.monotonic())
        super().set()


def _expect_end(work: Work, partitions: int, orders: int, at: int | str) -> None:
    """One life of the worker: asked to end at its ``at``-th order, or when there are no more and all are
    committed; then perhaps by whoever sends one more."""
    handled: list[Any] = []
    late: list[Any] = []  # handled after it was asked
    ahead: list[Any] = []  # committed before it was handled
    asked = _Asked()

    def handle(record: Any) -> None:
        if asked.is_set():
            late.append(record)
            return
        handled.append(record)
        place = TopicPartition(topic, record.partition)
        if len(handled) == LOOK and _committed(topic)[place] > record.offset:
            ahead.append(record)
        if len(handled) == at:
            asked.set()
        elif len(handled) == orders:
            idle.start()

    with new_topic(partitions) as topic, _reader(topic, orders, partitions) as consumer:
        ask_now = _asked_with_one_more(consumer, topic, asked) if at == COMING else asked.set
        idle = threading.Timer(0.7, _ask_when_committed, (asked, topic, orders, ask_now))
        if at == 0:
            asked.set()
        deaf = Wrong(
            "deaf",
            f"the worker was asked to end {_when(at)}, and was still running {PATIENCE:g} s later.",
            "look at `asked` between two orders, and also when nothing comes.",
        )
        ask(work, consumer, handle, asked, seconds=PATIENCE + 4, late=deaf)
        returned = time.monotonic()
        idle.cancel()
        if not asked.is_set():
            raise Wrong(
                "gave_up",
                f"the worker returned after {len(handled)} of {orders} orders. Nobody had asked it to.",
                "that nothing comes for a while is no reason to end.",
            )
        if returned - asked.at > PATIENCE:
            raise deaf
        if not asked.all_committed:
            raise Wrong(
                "kept_for_the_end",
                f"{orders} orders were handled, no more came for {PATIENCE:g} s, and not all are committed.",
                "commit while you work, too: a kill has all that is not committed done again.",
            )
        if ahead:
            raise Wrong(
                "committed_too_far",
                f"order {ahead[0].value.decode()} was committed before it was handled.",
                "a worker that is killed amid an order has to get it again: commit after the work.",
            )
        if late:
            raise Wrong(
                "handled_after_asked",
                f"asked to end {_when(at)}, the worker handled {len(late)} more.",
                "finish the order in hand, and begin no other: look at `asked` before each.",
            )
        _expect_committed(topic, handled, partitions)


def _ask_when_committed(
    asked: _Asked, group: str, orders: int, ask_now: Callable[[], None]
) -> None:
    """Ask a worker that has nothing to do to end: when its orders are committed, or never will be."""

    try:
        wait_until(
            lambda: _committed(group).total() == orders, "all to be committed", timeout=PATIENCE
        )
    except TimeoutError:
        asked.all_committed = False
        asked.set()
    else:
        ask_now()


def _asked_with_one_more(consumer: KafkaConsumer, topic: str, asked: _Asked) -> Callable[[], None]:
    """What sends one more order, and has the worker asked to end when its consumer has got that one, and
    it itself has not."""
    poll, sent = consumer.poll, threading.Event()

    def poll_and_ask(*arguments: Any, **options: Any) -> Any:
        found = poll(*arguments, **options)
        if found and sent.is_set():
            asked.set()
        return found

    def send_one_more() -> None:
        sent.set()  # a moment before: all others have been handled
        send(topic, [(0, None, b"late")])

    consumer.poll = poll_and_ask
    return send_one_more


def _committed(group: str) -> Counter[TopicPartition]:
    """The offset that the group has committed in each partition: that of the next order."""
    return Counter(clients.committed(brokers("kafka"), group))


def _when(at: int | str) -> str:
    return at if isinstance(at, str) else f"at order {at}" if at else "before"


@contextmanager
def _reader(topic: str, orders: int, partitions: int) -> Iterator[KafkaConsumer]:
    """A consumer of a group of its own; the orders lie before it, dealt out in turn."""
    send(topic, [(n % partitions, None, str(n).encode()) for n in range(orders)])
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    options |= {"group_id": topic, "consumer_timeout_ms": 200}
    with KafkaConsumer(**kafka_options(), **options) as consumer:
        consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
        yield consumer


def _expect_committed(topic: str, handled: Sequence[Any], partitions: int) -> None:
    found = _committed(topic)
    for n in range(partitions):
        done = sum(record.partition == n for record in handled)
        committed = found[TopicPartition(topic, n)]
        if committed != done:
            raise Wrong(
                "committed_too_far" if committed > done else "not_committed",
                f"{done} orders of partition {n} were handled, and offset {committed} is committed.",
                "commit at the end too, and only what was handled: what a poll has returned is not.",
            )


# -- 10.2: a node burns down ---------------------------------------------------------------------


@grader("10.2")
def burnt_down(outcome: Callable[[Topic, int], Any], data: Random) -> str:
    """Every topic of up to three replicas, in an order of chance; each node that it may lose."""
    cases = [(topic, dead) for topic in _topics() for dead in NODES]
    data.shuffle(cases)
    for topic, dead in cases:
        given = {name: list(v) if isinstance(v, list) else v for name, v in topic.items()}
        said = ask(outcome, given, dead)
        call = f"node {dead} of {topic}"
        if not isinstance(said, set) or not said <= {"lost", "refused"}:
            raise Wrong(
                "no_set",
                f"{call}: returned {said!r}.",
                'return a set: {"lost"}, {"refused"}, both of them, or set().',
            )
        if given != topic:
            raise Wrong("changed", f"{call}: the topic was changed.", "only look at it.")
        meant = _outcome(topic, dead)
        if said == meant:
            continue
        for word, hint in (
            ("lost", "which nodes are sure to have a record when its sender hears yes?"),
            ("refused", "who can lead then, and how many are in sync with it?"),
        ):
            if (word in said) != (word in meant):
                kind = f"not_{word}" if word in said else f"{word}_overlooked"
                raise Wrong(
                    kind, f"{call}: you say {said or 'set()'}, it is {meant or 'set()'}.", hint
                )
    return f"{len(cases)} deaths judged right."


def _topics() -> list[Topic]:
    found = []
    for replicas in ([2], [2, 1], [2, 1, 3]):
        for size in range(1, len(replicas) + 1):
            for least, unclean, acks in product((1, 2, 3), (False, True), (1, "all")):
                if least <= len(replicas):
                    found.append(
                        {
                            "replicas": replicas,
                            "in_sync": replicas[:size],
                            "leader": 2,
                            "min_in_sync": least,
                            "unclean": unclean,
                            "acks": acks,
                        }
                    )
    return found


def _outcome(topic: Topic, dead: int) -> set[str]:
    """Kafka's rules, as the labs on losses and chapter 4 show them."""
    in_sync = set(topic["in_sync"]) - {dead}
    lost = topic["leader"] == dead and (topic["acks"] == 1 or not in_sync)
    leads = bool(in_sync)
    if not leads and topic["unclean"] and set(topic["replicas"]) - {dead}:
        in_sync, leads = {0}, True  # whoever it is, it is alone
    refused = not leads or (topic["acks"] == "all" and len(in_sync) < topic["min_in_sync"])
    return {word for word, is_so in (("lost", lost), ("refused", refused)) if is_so}
