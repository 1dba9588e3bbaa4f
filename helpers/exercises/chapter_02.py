"""Graders of chapter 2: enough workers for a rush, and a worker that loses nothing."""

from __future__ import annotations

import math
import numbers
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from .answers import Wrong, ask, stop
from .grading import grader
from .lives import KILLED, Journal, die, live
from .places import amqp, count, expect_persistent, full_queue, new_queue, publish, take
from .proxy import Proxy

MOST_WORKERS = 12
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

    def exact(self) -> Fraction:
        return (self.backlog / Fraction(self.deadline) + self.arrivals) / self.each


@grader("2.1", needs=("rabbitmq",))
def workers_needed(answer: Callable[[int, int, int, float], int], data: Random) -> str:
    """Rushes on a real queue, with as many workers as told, and with one fewer; many more on paper."""
    for rush in _rushes(data):
        workers = _told(answer, rush)
        if left := _left(rush, workers):
            raise Wrong(
                "too_few",
                f"{rush}: with {_workers(workers)} there were still {left} messages when the "
                "time was up.",
                "All workers together must handle the backlog and what arrives meanwhile. Round up.",
            )
        if not _left(rush, workers - 1):
            raise Wrong(
                "too_many",
                f"{rush}: {_workers(workers)} were in time, and {_workers(workers - 1)} as well.",
                "What has to be handled in each second, divided by what one worker handles in it, "
                "and rounded up once.",
            )
    for _ in range(300):  # as above, in arithmetic: a whole number of messages, exactly
        deadline = data.choice((0.5, 1.0, 1.5, 2.0, 3.0, 7.0))
        rush = _Rush(data.randint(1, 999), data.randint(0, 99), data.randint(1, 99), deadline)
        said, needed = _told(answer, rush, math.inf), math.ceil(rush.exact())
        if said != needed:
            raise Wrong(
                "too_few" if said < needed else "too_many",
                f"{rush}: {_workers(needed)} are needed, not {_workers(said)}.",
                "Round up, but only what isn't whole: a little more than a whole number needs one "
                "worker more, a whole number needs none.",
            )
    return "three real queues were empty in time; with one worker fewer, none of them was."


def _rushes(data: Random) -> list[_Rush]:
    """Three that need a little more than a whole number of workers, a little less, and exactly one."""
    made: dict[str, _Rush] = {}
    while len(made) < 3:
        rush = _Rush(
            data.randrange(10, 90, 10), data.randrange(10, 60, 10), data.randrange(20, 60, 10),
            data.choice((0.5, 1.0, 1.5)),
        )  # fmt: skip
        part = rush.exact() % 1
        kind = "whole" if part == 0 else "low" if part < 0.3 else "high" if part > 0.5 else "no"
        if kind != "no" and 1 < rush.exact() < 6:
            made.setdefault(kind, rush)
    return list(made.values())


def _told(answer: Callable, rush: _Rush, most: float = MOST_WORKERS) -> int:
    said = ask(answer, rush.backlog, rush.arrivals, rush.each, rush.deadline)
    if not isinstance(said, numbers.Real) or isinstance(said, bool) or said % 1 != 0:
        raise Wrong(
            "no_whole_number",
            f"{rush}: the function returned {said!r}.",
            "Return a whole number: nobody employs half a worker.",
        )
    said = int(float(said))
    if not 1 <= said <= most:
        raise Wrong(
            "too_many" if said > 1 else "too_few",
            f"{rush}: the function said {_workers(said)}.",
            "It takes one at least, and no more than what has to be handled needs. Multiply, or "
            "divide?",
        )
    return said


def _workers(number: int) -> str:
    return f"{number} worker{'s' * (number != 1)}"


def _left(rush: _Rush, workers: int) -> int:
    """How many messages are left when a rush's time is up; none if the queue was empty before.

    Time passes in ticks, in each of which all do what they do in a tenth of a second: so it's the
    same on a busy machine.
    """
    with amqp() as connection:
        producer, crew = connection.channel(), [connection.channel() for _ in range(workers)]
        with new_queue(producer) as queue:
            publish(producer, "", queue, ["order"] * rush.backlog)
            left = rush.backlog
            for _ in range(round(rush.deadline * TICKS)):
                publish(producer, "", queue, ["order"] * (rush.arrivals // TICKS))
                for worker in crew:
                    for _ in range(rush.each // TICKS):
                        worker.basic_get(queue, auto_ack=True)
                left = producer.queue_declare(queue, passive=True).method.message_count
                if not left:
                    break
    return left


# -- 2.2: a worker that loses nothing ------------------------------------------------------------

ONCE = "Give each order to `handle` once, set it aside once, and acknowledge it."
MOMENTS = ("handle before", "handle after", "aside before", "aside after")  # of the deaths


@grader("2.2", needs=("rabbitmq",))
def work(
    answer: Callable[[BlockingChannel, str, Callable[[bytes], None]], None], data: Random
) -> str:
    """Orders, of which three can't be read; the worker is killed before and after it handles one, and
    before and after it sets one aside. And once the other queue refuses. Two orders are the same. All are
    transient, and not UTF-8: nobody has said that they are."""
    orders = [f" order-{n}\xe9\n" for n in data.sample(range(10**6), data.randint(14, 20))]
    bad = data.sample(orders[2:-1], 3)
    good = [order for order in orders[1:-1] if order not in bad]
    places = dict(zip(MOMENTS, data.sample(good, 2) + sorted(bad, key=orders.index), strict=False))
    twin = data.choice([order for order in good if order not in places.values()])
    orders.insert(orders.index(twin), twin)
    day = _Day(orders, bad, places, Journal(), Journal())
    with (
        amqp() as connection,
        new_queue(channel := connection.channel()) as queue,
        new_queue(channel, f"{queue}.aside") as aside,
    ):
        publish(channel, "", queue, orders, mode=1)
        for life in range(len(MOMENTS) + 1):
            if live(answer, lambda: _live(answer, day, queue)) is not KILLED:
                break
            if life == len(MOMENTS):
                raise RuntimeError("the worker died more often than it was killed")
        if left := count(queue):
            raise Wrong(
                "left_in_queue",
                f"the worker went home, and {_orders(left)} in the queue.",
                "Take one order after another until `basic_get` finds none, and acknowledge each: "
                "`channel.basic_ack(method.delivery_tag)`.",
            )
        _expect_all(day, take(channel, aside))
    _expect_refusal_noticed(answer, data)
    return "all orders handled or set aside, in spite of four deaths, and none lost."


@dataclass
class _Day:
    """What happens to a worker: which orders it can't read, and where it is killed once each."""

    orders: list[str]
    bad: list[str]
    places: dict[str, str]
    handled: Journal
    deaths: Journal

    def die_at(self, moment: str, order: str) -> None:
        if self.places.get(moment) == order and [moment] not in self.deaths.read():
            self.deaths.note(moment)
            die()

    def handle(self, body: Any) -> None:
        order = _text(body)
        if order not in self.orders:
            stop(
                Wrong(
                    "wrong_body",
                    f"`handle` was given {body!r}, and no order says that.",
                    "Give it the body, as it is: these bytes.",
                )
            )
        tried = sum(1 for found, *_ in self.handled.read() if found == order)
        if tried > (len(MOMENTS) + 1) * self.orders.count(order):
            stop(
                Wrong(
                    "round_and_round",
                    f"{order!r} came {tried} times, round and round.",
                    "An order that fails in the same way each time must leave the queue: publish it "
                    "to the other one, then acknowledge it.",
                )
            )
        self.die_at("handle before", order)
        self.handled.note(order, order not in self.bad, os.getpid())
        if order in self.bad:
            raise ValueError(f"{order!r} can't be read")
        self.die_at("handle after", order)

    def publish(self, original: Callable, *arguments: Any, **options: Any) -> None:
        """The learner's publish, before or after which it is killed."""
        sent = [_text(value) for value in (*arguments, *options.values())]
        order = next((one for one in sent if isinstance(one, str) and one in self.bad), "")
        self.die_at("aside before", order)
        original(*arguments, **options)
        self.die_at("aside after", order)


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _live(answer: Callable, day: _Day, queue: str) -> None:
    with amqp() as connection:
        channel = Proxy(connection.channel(), basic_publish=day.publish)
        answer(channel, queue, day.handle)


def _expect_all(day: _Day, aside: list[tuple[str, pika.BasicProperties]]) -> None:
    handled = Counter(order for order, good, _ in day.handled.read() if good)
    laid = Counter(order for order, _ in aside)
    dead = {order: moment for moment, order in day.places.items()}
    due = Counter(day.orders)  # two are the same
    if lost := [order for order in day.orders if handled[order] + laid[order] < due[order]]:
        raise Wrong(
            "lost" if handled[lost[0]] + laid[lost[0]] else "acknowledged_before_effect",
            f"{lost[0]!r} was in the queue {due[lost[0]]} times, and was handled or set aside "
            f"{handled[lost[0]] + laid[lost[0]]} times"
            + (f": the worker was killed ({dead[lost[0]]}), and it did not come again."
               if lost[0] in dead else "."),
            "Acknowledge after `handle` has returned, or after the order is aside. `auto_ack=True` "
            "does it before you begin.",
        )  # fmt: skip
    if wrong := [order for order in laid if order not in day.bad]:
        raise Wrong(
            "set_aside_wrongly",
            f"{wrong[0]!r} was set aside, and `handle` has not refused it.",
            "Set aside the orders for which `handle` raises ValueError, their bodies as they are, "
            "and nothing else.",
        )
    done = handled + laid
    if twice := [o for o in done if done[o] > due[o] + dead.get(o, "").endswith("after")]:
        raise Wrong(
            "repeated",
            f"{twice[0]!r} was done {done[twice[0]]} times, though the worker was not killed after it.",
            ONCE,
        )
    in_one_life = Counter((order, life) for order, _, life in day.handled.read())
    if again := [order for (order, _), times in in_one_life.items() if times > due[order]]:
        raise Wrong(
            "repeated", f"`handle` was given {again[0]!r} again, and no death was between.", ONCE
        )
    expect_persistent(aside)


def _expect_refusal_noticed(answer: Callable, data: Random) -> None:
    """The queue for what can't be read is full: the order must stay in the first."""
    orders = [f"order-{n}" for n in data.sample(range(10**6), 3)]
    day = _Day(orders, orders[:1], {}, Journal(), Journal())
    with (
        amqp() as connection,
        new_queue(channel := connection.channel()) as queue,
        full_queue(channel, f"{queue}.aside"),
    ):
        publish(channel, "", queue, orders)
        live(answer, lambda: _live(answer, day, queue), may_raise=(pika.exceptions.AMQPError,))
        if orders[0] not in [body for body, _ in take(channel, queue)]:
            raise Wrong(
                "refusal_not_noticed",
                f"{orders[0]!r} can't be read, the other queue was full and refused it, and now it is "
                "in neither.",
                "Only on a channel with `confirm_delivery()` does `basic_publish` tell of a refusal: "
                "it raises NackError, and the order stays unacknowledged.",
            )


def _orders(number: int) -> str:
    return "1 order was" if number == 1 else f"{number} orders were"
