"""Graders of chapter 2: enough workers for a rush, and a worker that loses nothing."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from ..brokers import up
from ..names import fresh
from . import Wrong, grader

CLASSIC = {"x-queue-type": "classic"}
MOST_WORKERS = 10
TICKS = 10  # in a second


# -- 2.1: how many workers -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Rush:
    """So many messages wait; so many a second come, and each worker handles so many a second."""

    backlog: int
    arrivals: int
    each: int
    deadline: float

    def __str__(self) -> str:
        return (
            f"{self.backlog} waiting, {self.arrivals} more a second, {self.each} a second for "
            f"each worker, {self.deadline:g} s"
        )


# 2.4, 1.5 and exactly 2 workers
RUSHES = (_Rush(40, 40, 50, 0.5), _Rush(60, 20, 40, 1.5), _Rush(60, 20, 30, 1.5))


@grader("2.1")
def workers_needed(answer: Callable[[int, int, int, float], int]) -> str:
    """Three rushes, each twice on a real queue: with as many workers as told, and with one fewer."""
    for rush in RUSHES:
        workers = _told(answer, rush)
        if left := _left(rush, workers):
            raise Wrong(
                f"{rush}: with {_workers(workers)} there were still {left} messages when the "
                "time was up.",
                "All workers together must handle the backlog and what arrives meanwhile. Round up.",
            )
        if not _left(rush, workers - 1):
            raise Wrong(
                f"{rush}: {_workers(workers)} were in time, and {_workers(workers - 1)} as well.",
                "What has to be handled in each second, divided by what one worker handles in it, "
                "and rounded up once.",
            )
    return "three real queues were empty in time; with one worker fewer, none of them was."


def _told(answer: Callable, rush: _Rush) -> int:
    said = answer(rush.backlog, rush.arrivals, rush.each, rush.deadline)
    if not isinstance(said, numbers.Real) or isinstance(said, bool) or said % 1 != 0:
        raise Wrong(
            f"{rush}: the function returned {said!r}.",
            "Return a whole number: nobody employs half a worker.",
        )
    said = int(said)
    if not 1 <= said <= MOST_WORKERS:
        raise Wrong(
            f"{rush}: the function said {_workers(said)}.",
            f"It takes one at least, and far fewer than {MOST_WORKERS}. Multiply, or divide?",
        )
    return said


def _workers(number: int) -> str:
    return f"{number} worker{'s' * (number != 1)}"


def _left(rush: _Rush, workers: int) -> int:
    """How many messages are left when a rush's time is up; none if the queue was empty before.

    Time passes in ticks, in each of which all do what they do in a tenth of a second: so it's the
    same on a busy machine.
    """
    queue = fresh("exercise")
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        producer, crew = connection.channel(), [connection.channel() for _ in range(workers)]
        producer.confirm_delivery()
        producer.queue_declare(queue, durable=True, arguments=CLASSIC)
        try:
            left = _publish(producer, queue, rush.backlog)
            for _ in range(round(rush.deadline * TICKS)):
                _publish(producer, queue, rush.arrivals // TICKS)
                for worker in crew:
                    for _ in range(rush.each // TICKS):
                        worker.basic_get(queue, auto_ack=True)
                left = producer.queue_declare(queue, passive=True).method.message_count
                if not left:
                    break
        finally:
            producer.queue_delete(queue)
    return left


def _publish(channel: BlockingChannel, queue: str, number: int) -> int:
    for _ in range(number):
        channel.basic_publish("", queue, b"order")
    return number


# -- 2.2: a worker that loses nothing ------------------------------------------------------------

ORDERS = [f"order-{n}".encode() for n in range(1, 9)]
UNREADABLE, FATAL = ORDERS[2], ORDERS[4]
TOO_OFTEN = 5 * len(ORDERS)


class _Death(BaseException):
    """The worker's end. Not an Exception, so that a learner's ``except Exception`` lets it pass."""


@dataclass
class _Day:
    """What happens to a worker, and what it has done before and after its death."""

    connection: pika.BlockingConnection
    handled: list[bytes] = field(default_factory=list)
    calls: int = 0
    broken: bool = False
    died: bool = False

    def handle(self, body: Any) -> None:
        order = body.encode() if isinstance(body, str) else body
        self.calls += 1
        if self.calls > TOO_OFTEN:
            raise Wrong(
                f"{UNREADABLE.decode()} can't be read, and came round and round.",
                "An order that fails in the same way each time must leave the queue: publish it "
                "to the other one, then acknowledge it.",
            )
        if order not in ORDERS:
            raise Wrong(f"`handle` was given {body!r}.", "Give it the message's body, as it is.")
        if order == UNREADABLE:
            raise ValueError(f"{order.decode()} can't be read")
        if order == FATAL and not self.died:
            self.died = True
            self.connection.close()
            raise _Death
        self.handled.append(order)

    def channel(self) -> BlockingChannel:
        """One whose first publish breaks the connection, before the broker has got anything."""
        channel = self.connection.channel()
        publish = channel.basic_publish

        def break_or_publish(*args: Any, **kwargs: Any) -> None:
            if not self.broken:
                self.broken = True
                self.connection.close()
                raise _Death
            publish(*args, **kwargs)

        channel.basic_publish = break_or_publish
        return channel


@grader("2.2")
def work(answer: Callable[[BlockingChannel, str, Callable[[bytes], None]], None]) -> str:
    """Eight orders, of which one can't be read; the worker dies setting it aside, and with another."""
    parameters, queue = up("rabbitmq", quiet=True).rabbitmq, fresh("exercise")
    aside = f"{queue}.aside"
    with pika.BlockingConnection(parameters) as watching:
        channel = watching.channel()
        channel.confirm_delivery()
        for name in (queue, aside):
            channel.queue_declare(name, durable=True, arguments=CLASSIC)
        for order in ORDERS:
            channel.basic_publish("", queue, order, pika.BasicProperties(delivery_mode=2))
        try:
            day = _work_and_die(answer, parameters, queue)
            _work_again(answer, parameters, queue, day, channel)
            _expect_all(day, _take(channel, aside))
        finally:
            for name in (queue, aside):
                channel.queue_delete(name)
    return "seven of eight orders handled in spite of two deaths, one set aside, none lost."


def _work_and_die(answer: Callable, parameters: pika.URLParameters, queue: str) -> _Day:
    """Two lives: the first ends before an order is aside, the second while one is handled."""
    day = _Day(pika.BlockingConnection(parameters))
    _live_and_die(answer, queue, day)
    if not day.died:
        day.connection = pika.BlockingConnection(parameters)
        _live_and_die(answer, queue, day)
    return day


def _live_and_die(answer: Callable, queue: str, day: _Day) -> None:
    before = (day.broken, day.died)
    try:
        answer(day.channel(), queue, day.handle)
    except (_Death, pika.exceptions.AMQPError):
        if before == (day.broken, day.died):
            raise
    finally:
        if day.connection.is_open:
            day.connection.close()
    if before == (day.broken, day.died):
        raise Wrong(
            f"the function returned before it had handled {FATAL.decode()}.",
            "Take one order after another until `basic_get` finds none.",
        )


def _work_again(
    answer: Callable, parameters: pika.URLParameters, queue: str, day: _Day, channel: Any
) -> None:
    with pika.BlockingConnection(parameters) as connection:
        day.connection = connection
        answer(connection.channel(), queue, day.handle)
        if left := channel.queue_declare(queue, passive=True).method.message_count:
            raise Wrong(
                f"the function returned, and {_orders(left)} still in the queue.",
                "Take one order after another until `basic_get` finds none.",
            )
    if left := len(_take(channel, queue)):
        raise Wrong(
            f"{_orders(left)} back in the queue when the worker went home.",
            "Acknowledge each order: `channel.basic_ack(method.delivery_tag)`.",
        )


def _expect_all(day: _Day, aside: list[bytes]) -> None:
    missing = [order for order in ORDERS if order not in day.handled and order not in aside]
    if lost := [order for order in missing if order != UNREADABLE]:
        raise Wrong(
            f"the worker died, and {_orders(len(lost))} lost: {lost[0].decode()} was "
            "neither handled nor set aside.",
            "Acknowledge after `handle` has returned. `auto_ack=True` does it before you begin.",
        )
    if missing:
        raise Wrong(
            f"{UNREADABLE.decode()} can't be read, and is in neither queue.",
            "Publish its body to the other queue through the default exchange, then acknowledge.",
        )
    if wrong := [order for order in aside if order != UNREADABLE]:
        raise Wrong(
            f"{wrong[0].decode()} was set aside, and there was nothing wrong with it.",
            "Set aside what raises ValueError, and nothing else.",
        )
    if len(aside) > 1:
        raise Wrong(
            f"{UNREADABLE.decode()} was set aside {len(aside)} times.",
            "Acknowledge it once it's aside, so that it doesn't come again.",
        )


def _take(channel: BlockingChannel, queue: str) -> list[bytes]:
    bodies = []
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        bodies.append(message[2])
    return bodies


def _orders(number: int) -> str:
    return "1 order was" if number == 1 else f"{number} orders were"
