"""Grader of the lab on confirms: what is in doubt is published again, so that its receiver knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ConnectionClosedByBroker,
    NackError,
    StreamLostError,
    UnroutableError,
)

from ..names import fresh
from .answers import Wrong, ask, stop
from .grading import grader
from .lives import live
from .places import amqp, count, expect_persistent, full_queue, new_queue, take
from .proxy import Proxy, published

Publish = Callable[[Callable[[], BlockingConnection], str, list[str]], Any]
LOST = (
    StreamLostError("the connection broke"),
    ConnectionClosedByBroker(320, "the node is stopping"),
)
STUBBORN = 8  # losses in a row
SPARE = 3  # publishes more than there is reason for
REFUSALS: dict[type[AMQPError], tuple[str, str, str]] = {
    NackError: (
        "refusal_not_noticed",
        "the queue has refused an order",
        "Who tells pika that you want to know?",
    ),
    UnroutableError: (
        "missing_queue_not_noticed",
        "the queue isn't there, an order is nowhere",
        "The broker drops what no queue takes, and confirms it, unless you publish it `mandatory`.",
    ),
}


@grader("5.7", needs=("rabbitmq",))
def publishes(publish: Publish, data: Random) -> str:
    """No order; orders, two of them alike; connections that break before and after the broker has
    stored one; a broker that is down for a while; several calls, and two more programs, for one queue;
    a queue that refuses, and one that isn't there."""
    with amqp() as connection, new_queue(channel := connection.channel()) as queue:
        names: set[str] = set()
        first = data.randrange(1, 4)
        for number, losses, down in (
            (0, {}, 0),
            (6, {}, 0),
            (6, {first: "before"}, 0),
            (6, {first: "after"}, 2),
            (6, {0: "after", 1: "after", 6: "before", 7: "after"}, 0),
            (6, dict.fromkeys(range(2, 2 + STUBBORN), "before"), 1),
        ):
            broker = _Broker(losses, down)
            orders = _orders(data, number)
            ask(publish, broker.connect, queue, list(orders))
            names |= _expect_stored(orders, broker, take(channel, queue), names)
            broker.expect_closed()
        orders = _orders(data, 3)
        for _ in range(2):  # programs, which know nothing of each other, and have the same texts
            broker = _Broker({}, 0)
            live(publish, partial(publish, broker.connect, queue, list(orders)))
            names |= _expect_stored(orders, broker, take(channel, queue), names)
    _expect_refusals(publish, data)
    return "each order is there, and a repeat has the name of what it repeats."


def _orders(data: Random, number: int) -> list[str]:
    """Texts with blanks around them, of which the second and the last are the same."""
    orders = [f" Order {n} é\n" for n in data.sample(range(10**6), number)]
    return [*orders[:-1], orders[1]] if orders else []


class _Broker:
    """The way to the learner's broker, on which connections break at some publishes."""

    def __init__(self, losses: dict[int, str], down: int) -> None:
        self.losses, self.down = losses, down  # by the number of the publish; tries in vain after
        self.calls = self._in_vain = 0
        self._connections: list[BlockingConnection] = []

    def connect(self) -> Any:
        if self._in_vain:
            self._in_vain -= 1
            raise AMQPConnectionError("the broker is down")
        connection = amqp()
        self._connections.append(connection)

        def channel(original: Callable, *arguments: Any, **options: Any) -> Any:
            own = original(*arguments, **options)

            def publish(original: Callable, *arguments: Any, **options: Any) -> None:
                self._publish(connection, original, *arguments, **options)

            return Proxy(own, basic_publish=publish)

        return Proxy(connection, channel=channel)

    def stored(self, orders: list[str]) -> list[str]:
        """What is in the queue when each order was published until it was confirmed."""
        found, call = [], 0
        for order in orders:
            while (loss := self.losses.get(call, "")) == "before" or loss == "after":
                found += [order] * (loss == "after")
                call += 1
            found.append(order)
            call += 1
        return found

    def expect_closed(self) -> None:
        left = [one for one in self._connections if one.is_open]
        for one in left:
            one.close()
        if left:
            what = f"{len(left)} of {len(self._connections)} connections were left open."
            raise Wrong("left_open", what, "Close what you open, whatever happens.")

    def _publish(
        self, connection: BlockingConnection, original: Callable, *arguments: Any, **options: Any
    ) -> None:
        said, _ = published(arguments, options)
        loss = self.losses.get(self.calls, "")
        self.calls += 1
        if self.calls > len(self.losses) + 6 + SPARE:
            what = f"your function has published {self.calls} times, and goes on."
            stop(Wrong("doubled", what, "What is confirmed is done."))
        if loss != "before":
            original(**said)
        if loss:
            self._in_vain = self.down
            connection.close()
            raise LOST[self.calls % len(LOST)]


def _expect_stored(
    orders: list[str], broker: _Broker, found: list[tuple[str, Any]], earlier: set[str]
) -> set[str]:
    """That the queue has what it should, under the right names; returns these."""
    bodies = [body.encode("latin-1").decode(errors="replace") for body, _ in found]
    wanted = broker.stored(orders)
    story = (
        f"{len(broker.losses)} connections broke, and" if broker.losses else "nothing broke, and"
    )
    if strange := [body for body in bodies if body not in orders]:
        what = f"{strange[0]!r} is in the queue, which is none of the orders."
        raise Wrong("wrong_body", what, "Publish each text as it is.")
    if lost := Counter(orders) - Counter(bodies):
        what = f"{story} {min(lost)!r} is missing in the queue."
        raise Wrong(
            "lost", what, "Without a confirm nobody knows: publish it again until there is one."
        )
    if more := Counter(bodies) - Counter(wanted):
        what = f"{story} {min(more)!r} is in the queue once more than it has to be."
        raise Wrong("doubled", what, "Which orders are in doubt when a connection breaks?")
    if bodies != wanted:
        what = f"{story} the orders are not in the sequence of the list."
        raise Wrong("wrong_order", what, "Each is confirmed before the next one is published.")
    expect_persistent(found)
    return _expect_names(
        orders, broker, [properties.message_id for _, properties in found], earlier
    )


def _expect_names(
    orders: list[str], broker: _Broker, names: list[Any], earlier: set[str]
) -> set[str]:
    numbers = [int(n) for n in broker.stored([str(n) for n in range(len(orders))])]
    by_order: dict[int, set[Any]] = {}
    for number, name in zip(numbers, names, strict=True):
        by_order.setdefault(number, set()).add(name)
        if not name:
            raise Wrong("no_id", f"{orders[number]!r} has no message_id.", "It is a property.")
    for number, own in by_order.items():
        if len(own) > 1:
            what = f"{orders[number]!r} was published again under another message_id."
            raise Wrong("new_id", what, "How is its receiver to know that it is the same order?")
        if own & earlier:
            what = f"{orders[number]!r} has the message_id {own.pop()!r}, as another order has."
            hint = (
                "Its receiver would take it for a repeat. The same texts may be ordered again, in the "
                "same places, by another call."
            )
            raise Wrong("same_id", what, hint)
        earlier = earlier | own
    return earlier


def _expect_refusals(publish: Publish, data: Random) -> None:
    """A full queue says no, what no queue takes comes back, and the caller is to know."""
    orders = _orders(data, 3)
    with amqp() as connection, full_queue(connection.channel()) as queue:
        _expect_refusal(publish, queue, orders, NackError)
    _expect_refusal(publish, fresh("none"), orders, UnroutableError)


def _expect_refusal(
    publish: Publish, queue: str, orders: list[str], error: type[AMQPError]
) -> None:
    broker = _Broker({}, 0)
    said = ask(publish, broker.connect, queue, list(orders), may_raise=(error,))
    if not isinstance(said, error):
        kind, why, hint = REFUSALS[error]
        what = f"{why}, and your function returned {said!r:.40}; expected {error.__name__}."
        raise Wrong(kind, what, hint)
    if broker.calls > 1 or (count(queue) or 1) > 1:
        what = f"an order was refused, and {broker.calls} were published."
        raise Wrong("went_on", what, "A refusal is your caller's to handle: let it pass.")
    broker.expect_closed()
