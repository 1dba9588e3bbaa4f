"""Grader of the lab on delayed retry: how a worker gives back what it has in hand, by what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from threading import Event
from typing import Any, NamedTuple

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPChannelError

from ..waiting import wait_until
from .answers import Wrong, ask, stop
from .grading import grader
from .places import amqp, new_queue

Settle = Callable[[BlockingChannel, list[tuple[int, bytes]], Callable[[bytes], None], Event], Any]
PAUSE_MS = 400
SECONDS = 5.0  # for a call that has nobody to wait for
MARK = "mark"
PASSING = (ConnectionResetError, ConnectionError)
LASTING = (UnicodeError, ValueError)
WHAT = {  # may become of an order
    "done": "gone from the queue",
    "later": "counted, to be tried later",
    "at once": "back at once, and not counted",
    "dead": "a dead letter",
}
HINTS = {
    "lost": "What is acknowledged is gone: what had happened by then?",
    "done_again": "It was charged: what comes back is charged again.",
    "set_aside": "Only what can never be charged is a dead letter: look at `requeue`.",
    "not_set_aside": "No later try will charge it: look at `requeue`.",
    "counted": "Nothing is wrong with it. What is rejected is counted, and waits.",
    "not_counted": "A nack says that nothing is wrong with it, and the limit is never reached.",
}


class _Order(NamedTuple):
    """An order, and what `charge` makes of it."""

    body: bytes
    charged: str  # "done", "later" or "dead"

    def __str__(self) -> str:
        said = {"done": "was charged", "later": "met a bank that doesn't answer"}
        return f"{self.body!r}, which {said.get(self.charged, 'can never be charged')},"


class _Bank:
    """Charges the orders, and asks the worker to leave during one of them."""

    def __init__(self, orders: list[_Order], leaves_at: int | None) -> None:
        self.orders, self.leaves_at = orders, leaves_at
        self.calls, self.leaving = 0, Event()
        self.passing, self.lasting = cycle(PASSING), cycle(LASTING)
        if leaves_at == -1:
            self.leaving.set()

    def charge(self, body: bytes) -> None:
        if self.leaving.is_set():
            hint = "Look at `leaving` before each order."
            stop(Wrong("kept_on", f"{body!r} was charged after `leaving` was set.", hint))
        due = self.orders[self.calls].body if self.calls < len(self.orders) else None
        if body != due:
            what = f"charge was called with {body!r}, expected {due!r}."
            stop(Wrong("wrong_order", what, "Each body once, as it came, in the list's order."))
        order = self.orders[self.calls]
        self.calls += 1
        if self.calls - 1 == self.leaves_at:
            self.leaving.set()
        if order.charged == "later":
            raise next(self.passing)("the bank does not answer")
        if order.charged == "dead":
            raise next(self.lasting)("there is no such card")

    def due(self, number: int) -> str:
        """What is to become of the order of this number."""
        begun = self.leaves_at is None or number <= self.leaves_at
        return self.orders[number].charged if begun else "at once"


@grader("9.11", needs=("rabbitmq",))
def settles(settle: Settle, data: Random) -> str:
    """Lists of orders, without leaving; then with, before the list and during orders of each kind."""
    _try(settle, [], None, data)
    _try(settle, ["done", "done"], None, data)
    mixed = ["done", "later", "dead"] * 2
    data.shuffle(mixed)
    _try(settle, mixed, None, data)
    _try(settle, mixed, -1, data)
    for fate in ("done", "later", "dead"):
        first = data.sample(["done", "later", "dead"], 3)
        _try(settle, [*first, fate, *data.sample(mixed, 3)], 3, data)
    return "each went its way: done, counted and later, dead, or back at once and not counted."


def _try(settle: Settle, fates: list[str], leaves_at: int | None, data: Random) -> None:
    numbers = data.sample(range(100, 1000), len(fates))
    orders = [_Order(b" Order %d \xe9\n" % n, f) for n, f in zip(numbers, fates, strict=True)]
    if len(orders) == 2:
        orders[1] = orders[0]  # a customer may want the same again
    bank = _Bank(orders, leaves_at)
    with (
        amqp() as connection,
        new_queue(channel := connection.channel()) as dead,
        new_queue(
            channel,
            x_queue_type="quorum",
            x_delivery_limit=3,
            x_dead_letter_exchange="",
            x_dead_letter_routing_key=dead,
            x_delayed_retry_type="failed",
            x_delayed_retry_min=PAUSE_MS,
            x_delayed_retry_max=PAUSE_MS,
        ) as queue,
        amqp() as theirs,
    ):
        channel.confirm_delivery()
        for number, order in enumerate(orders):
            _publish(channel, queue, order.body, str(number))
        worker = theirs.channel()
        worker.basic_qos(prefetch_count=10)
        taken = [worker.basic_get(queue) for _ in orders]
        in_hand = [(method.delivery_tag, body) for method, _, body in taken]
        arguments = worker, in_hand, bank.charge, bank.leaving
        said = ask(settle, *arguments, seconds=SECONDS, may_raise=(AMQPChannelError,))
        if isinstance(said, AMQPChannelError):
            raise _closed(said)
        found = {**_back(worker, queue), **_later(channel, queue), **_dead(channel, queue, dead)}
    _expect(bank, found)


def _publish(channel: BlockingChannel, queue: str, body: bytes, number: str) -> None:
    channel.basic_publish("", queue, body, pika.BasicProperties(message_id=number, delivery_mode=2))


def _ready(channel: BlockingChannel, queue: str) -> Iterator[tuple[str, str]]:
    """What is ready: the number of each, and whether it was counted."""
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        counted = (message[1].headers or {}).get("x-delivery-count", 0)
        yield message[1].message_id, "later" if counted else "at once"


def _back(worker: BlockingChannel, queue: str) -> dict[str, str]:
    """What is ready, asked on the learner's channel, after all that was said on it."""
    if not worker.is_open:
        raise _closed("nothing can be said on it any more")
    try:
        found = dict(_ready(worker, queue))
        in_hand = worker.queue_declare(queue, passive=True).method.consumer_count  # who has one
    except AMQPChannelError as error:  # the answer to what the function said last
        raise _closed(error) from error
    if in_hand:
        what = "when your function had returned, an order was still in hand."
        hint = "Follow each way through the function, also that of an order not begun."
        raise Wrong("in_hand", what, hint)
    return found


def _closed(why: object) -> Wrong:
    hint = "It is the caller's, who wants it back. RabbitMQ closes it if an order is settled twice."
    return Wrong("closed", f"the channel is closed: {why}.", hint)


def _later(channel: BlockingChannel, queue: str) -> dict[str, str]:
    """What waited: all of it is ready before a mark that is rejected now."""
    found: dict[str, str] = {}
    _publish(channel, queue, b"", MARK)
    while (message := channel.basic_get(queue))[1].message_id != MARK:
        found[message[1].message_id] = "later"
        channel.basic_ack(message[0].delivery_tag)
    channel.basic_reject(message[0].delivery_tag, requeue=True)

    def marked() -> bool:
        found.update(_ready(channel, queue))
        return MARK in found

    wait_until(marked, "the pause to be over")
    return found


def _dead(channel: BlockingChannel, queue: str, dead: str) -> dict[str, str]:
    """The dead letters: all of them are there before a mark that is set aside now."""
    found: dict[str, str] = {}
    _publish(channel, queue, b"", MARK)
    channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)

    def marked() -> bool:
        found.update({number: "dead" for number, _ in _ready(channel, dead)})
        return MARK in found

    wait_until(marked, "the dead letters")
    return found


def _expect(bank: _Bank, found: dict[str, str]) -> None:
    for number, order in enumerate(bank.orders):
        due, became = bank.due(number), found.get(str(number), "done")
        begun = number < bank.calls
        told = str(order) if begun else f"{order.body!r}, which wasn't begun,"
        if not begun and due != "at once":
            what = f"{order.body!r} was never charged, though nobody had asked the worker to end."
            raise Wrong("not_charged", what, "An order that fails doesn't end the list.")
        if became != due:
            what = f"{told} is {WHAT[became]}; expected: {WHAT[due]}."
            raise Wrong(kind := _kind(due, became), what, HINTS[kind])


def _kind(due: str, became: str) -> str:
    if became == "done":
        return "lost"
    if due == "done":
        return "done_again"
    if "dead" in (due, became):
        return "set_aside" if became == "dead" else "not_set_aside"
    return "counted" if became == "later" else "not_counted"
