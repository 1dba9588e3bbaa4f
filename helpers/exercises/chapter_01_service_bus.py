"""The grader of the lab on the service bus: routes on which nobody waits, and nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pika

from .. import clients
from ..brokers import up
from ..brokers.errors import BrokerError
from ..extras import need
from ..names import fresh
from ..waiting import WaitTimeout, wait_until
from .answers import Wrong, ask
from .grading import grader

Answer = Callable[[str, list[str]], list[dict[str, Any]]]

ROOM = 3  # orders that the full target takes
PATIENCE = 25.0  # seconds for a dozen orders
HOLDS = "On delivery attempt: 3"  # what Camel says when a target has refused for the third time
SAFE = ("transacted=true", "CLIENT_ACKNOWLEDGE")  # one of them is in where a route begins


@dataclass
class Target:
    """One system at the end of a route, and what has come there."""

    brokers: Any
    address: str
    got: list[str] = field(default_factory=list)

    def look(self) -> list[str]:
        """All that has come so far."""
        kind, _, name = self.address.partition(":")
        if kind == "kafka":
            records = clients.read_topic(self.brokers, name)
            self.got = [record.value.decode() for record in records]
        else:
            with _channel(self.brokers) as channel:
                self.got += clients.take_all(channel, name)
        return self.got


@grader("1.5", needs=("kafka", "rabbitmq"))
def routes(answer: Answer, data: Random) -> str:
    """Two sources on one bus; a target of each is full, here the first and there the last; the bus is
    killed with an order in its hands."""
    need("artemis", "camel")
    from ..extras.artemis import Artemis
    from ..extras.camel import Bus

    brokers = up(quiet=True)
    limits = {"x_max_length": ROOM, "x_overflow": "reject-publish"}
    full, other_full = (Target(brokers, _queue(brokers, **limits)) for _ in range(2))
    free = [Target(brokers, _topic(brokers)), Target(brokers, _queue(brokers))]
    others = [Target(brokers, _topic(brokers)), Target(brokers, _queue(brokers))]
    numbers = [str(number) for number in data.sample(range(10**6), 16)]
    orders, other_orders = numbers[:10], numbers[10:]
    source, other = (f"orders-{number}" for number in data.sample(range(1000), 2))
    first, second = [full, *free], [*others, other_full]
    if data.random() < 0.5:
        first, second = first[::-1], second[::-1]
    told = [*_asked(answer, source, first), *_asked(answer, other, second)]
    with Artemis() as artemis:
        _leave(artemis, source, orders)
        _leave(artemis, other, other_orders)
        try:
            bus = Bus(told, artemis, brokers)
        except BrokerError as error:
            raise Wrong(
                "not_started",
                f"the bus did not start with these routes: {str(error)[-600:]}",
                'A route: {"route": {"from": {"uri": source, "steps": [{"to": target}]}}}.',
            ) from None
        with bus:
            _expect_each_named(told, [*first, *second])
            try:
                _expect_nobody_waits(full, free, orders)
                _expect_nobody_waits(other_full, others, other_orders)
            except Wrong:  # whose orders came elsewhere says more than that some are missing
                _expect_not_mixed_up([*first, *second], orders, other_orders)
                raise
            _expect_not_mixed_up([*free, *others], orders, other_orders)
            holds = lambda: HOLDS in bus.log.read_text(errors="replace")  # noqa: E731
            wait_until(holds, "the full target to refuse an order three times", PATIENCE)
            bus.kill()
            for target in (full, other_full):
                target.look()
            bus.start()
            _expect_all(full, orders)
            _expect_all(other_full, other_orders)
    _expect_safe(told)
    return "each order came to each target, past the full one; and none was lost with the bus."


def _asked(answer: Answer, source: str, targets: list[Target]) -> list[dict[str, Any]]:
    said = ask(answer, source, [target.address for target in targets])
    try:
        good = len(said) > 0 and all(isinstance(one["route"]["from"]["uri"], str) for one in said)
    except (TypeError, KeyError):
        good = False
    if not good:
        raise Wrong(
            "no_routes",
            f"your function returned {said!r:.200}.",
            "Return a list of routes, each as `route(...)` makes it.",
        )
    return list(said)


def _expect_each_named(told: list[dict[str, Any]], targets: list[Target]) -> None:
    said = json.dumps(told, default=str)
    for target in targets:
        if target.address not in said:
            raise Wrong(
                "forgotten",
                f"no route leads to {target.address}, which is in the list of targets.",
                "There may be any number of them: each gets a copy of each order.",
            )


def _expect_nobody_waits(full: Target, targets: list[Target], orders: list[str]) -> None:
    for target in targets:
        try:
            wait_until(lambda: set(orders) <= set(target.look()), "", PATIENCE)  # noqa: B023
        except WaitTimeout:
            n = len(set(orders) & set(target.got))
            raise Wrong(
                "waits",
                f"{target.address} has got {n} of {len(orders)} orders, while {full.address} refuses.",
                "Copy each order into a queue of its own for each target, and begin a route there.",
            ) from None
        if len(target.got) > len(orders):
            raise Wrong(
                "twice",
                f"{target.address} has got {len(target.got)} orders, and {len(orders)} were sent.",
                "As long as the bus lives, each order comes to each target once.",
            )


def _expect_not_mixed_up(targets: list[Target], *of_sources: list[str]) -> None:
    for target in targets:
        if sum(bool(set(orders) & set(target.look())) for orders in of_sources) > 1:
            raise Wrong(
                "mixed_up",
                f"{target.address} has got orders of two sources.",
                "A queue that you add needs the source's name in its own.",
            )


def _expect_all(full: Target, orders: list[str]) -> None:
    try:
        wait_until(lambda: set(orders) <= set(full.look()), "", PATIENCE)
    except WaitTimeout:
        missing = [order for order in orders if order not in full.got]
        raise Wrong(
            "lost",
            f"the bus was killed with an order for {full.address} in its hands. It runs again, the "
            f"target has room, and {missing[0]} does not come.",
            "Take it in a transaction: `?transacted=true` after the queue where a route begins.",
        ) from None


def _expect_safe(told: list[dict[str, Any]]) -> None:
    for one in told:
        uri = one["route"]["from"]["uri"]
        if not any(word in uri for word in SAFE):
            raise Wrong(
                "not_in_a_transaction",
                f"the route from {uri} takes an order for good before it has handed it over.",
                "`?transacted=true`: also where orders are copied, a kill may come in between.",
            )


# -- the brokers -------------------------------------------------------------------------------


@contextmanager
def _channel(brokers: Any) -> Iterator[Any]:
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        yield connection.channel()


def _queue(brokers: Any, **limits: Any) -> str:
    with _channel(brokers) as channel:
        return f"rabbitmq:{clients.declare_queue(channel, fresh('target'), 'classic', **limits)}"


def _topic(brokers: Any) -> str:
    topic = fresh("target")
    clients.make_topic(brokers, topic)
    return f"kafka:{topic}"


def _leave(artemis: Any, queue: str, orders: list[str]) -> None:
    """Leave orders in a queue of Artemis; it has them when this returns."""
    import stomp

    stored = threading.Event()

    class Listener(stomp.ConnectionListener):
        def on_receipt(self, _frame: Any) -> None:
            stored.set()

    connection = stomp.Connection12([artemis.stomp], auto_content_length=False)
    connection.set_listener("", Listener())
    connection.connect(wait=True)
    for order in orders:
        last = {"receipt": "all"} if order == orders[-1] else {}
        connection.send(f"/queue/{queue}", order, persistent="true", **last)
    if not stored.wait(20):
        raise RuntimeError("Artemis did not confirm the orders.")
    connection.disconnect()
