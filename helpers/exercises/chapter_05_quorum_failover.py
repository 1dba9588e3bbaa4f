"""Grader of the lab on failover: a publisher that goes on over another node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker, StreamLostError

from .answers import Wrong, ask, stop
from .grading import grader
from .places import amqp, expect_persistent, full_queue, new_queue, take
from .proxy import Proxy, published

Connect = Callable[[], BlockingConnection]
Deliver = Callable[[list[Connect], str, list[str]], list[str]]
ENOUGH = 25  # attempts at what can't succeed
CHANNELS = 3  # open at once: more than anybody needs
LOST = (StreamLostError("the node died"), ConnectionClosedByBroker(320, "the node is stopping"))


@grader("5.10", needs=("rabbitmq",))
def delivers(deliver: Deliver, data: Random) -> str:
    """Three nodes that die before or after they have stored an order, or when they are asked
    for a channel, and refuse others."""
    number = data.randint(12, 20)
    third, half = number // 3, number // 2
    _check(deliver, data, 0)
    _check(deliver, data, 1)
    _check(deliver, data, number, down={0})
    for when in ("before", "after"):
        _check(deliver, data, number, deaths={data.randrange(1, number - 1): when})
        _check(deliver, data, number, deaths={number - 1: when}, down={1})
    _check(deliver, data, number, refusals={0: 1, data.randrange(1, number): 6})
    _check(deliver, data, number, refusals={data.randrange(number): 2}, closing=True)
    deaths = {data.randrange(third): "after", data.randrange(third, half): "before"}
    deaths |= {data.randrange(half, number): "after", 0: data.choice(["before", "after"])}
    refusals = {order: 2 for order in range(number) if data.random() < 0.3}
    _check(deliver, data, number, deaths=deaths, refusals=refusals, down={1})
    return "each confirmed order once, each order in doubt said, over three mortal nodes."


class _Nodes:
    """Three nodes of which one or two may be down. All of them are the learner's own broker."""

    def __init__(
        self,
        queue: str,
        full: str,
        deaths: dict[str, str],
        refusals: dict[str, int],
        down: set[int],
        error: AMQPConnectionError,
        closing: bool,
    ) -> None:
        self.queue, self.full, self.error = queue, full, error
        self.deaths, self.refusals, self.down = deaths, Counter(refusals), set(down)
        self.closing = closing  # after a refusal a node dies before it has opened a channel
        self.connections: list[BlockingConnection] = []
        self.channels: list[Any] = []
        self.doubt: list[str] = []
        self.refused = False  # an order, by now
        self.dead_calls = 0
        self.last: int | None = None  # tried
        self.died: int | None = None  # and nobody has been tried since

    def connects(self) -> list[Connect]:
        return [lambda number=number: self.connect(number) for number in range(3)]  # type: ignore[misc]

    def connect(self, number: int) -> Any:
        """A connection to a node; one that is down can't be reached."""
        if self.last is not None and number not in (self.last, (self.last + 1) % 3):
            what = f"after nodes[{self.last}] the function connected to nodes[{number}]."
            stop(Wrong("skipped_node", what, "The next one of the list; after the last the first."))
        if number == self.died:
            what = f"the connection to nodes[{number}] was lost, and the next one was to it again."
            stop(Wrong("kept_node", what, "Go on over the next node of the list."))
        self.last, self.died = number, None
        if number in self.down:
            self.dead_calls += 1
            if self.dead_calls > ENOUGH:
                stop(
                    Wrong(
                        "kept_node",
                        f"nodes[{number}] was down, and was tried again and again.",
                        "When a node can't be reached, the next one of the list is to be tried.",
                    )
                )
            raise AMQPConnectionError("the node is down")
        self.dead_calls = 0
        connection = amqp()
        self.connections.append(connection)

        def channel(original: Callable, *arguments: Any, **options: Any) -> Any:
            if self.closing and self.refused:
                self.closing = False
                self.die(number, connection)
            opened = original(*arguments, **options)
            self.channels.append(opened)
            if sum(one.is_open for one in self.channels) > CHANNELS:
                what = (
                    f"more than {CHANNELS} channels were open at once: one more for each refusal."
                )
                stop(Wrong("left_channels", what, "Close a channel before you open the next one."))
            return self.channel(number, connection, opened)

        return Proxy(connection, channel=channel)

    def channel(self, number: int, connection: BlockingConnection, channel: Any) -> Any:
        """A channel of it: what was refused once is refused for ever."""
        refused = 0

        def basic_publish(original: Callable, *arguments: Any, **options: Any) -> Any:
            nonlocal refused
            said, body = published(arguments, options)
            if refused or self.refusals[body]:
                refused += 1
                self.refused = True
                self.refusals[body] = max(self.refusals[body] - (refused == 1), 0)
                if refused > ENOUGH:
                    stop(_kept_channel(body))
                return original(**{**said, "routing_key": self.full})
            death = self.deaths.pop(body, "")
            if death != "before":
                original(**said)
            if death:
                self.doubt.append(body)
                self.die(number, connection)
            return None

        return Proxy(channel, basic_publish=basic_publish)

    def die(self, number: int, connection: BlockingConnection) -> None:
        """This node is gone; of the others, one is there."""
        self.down, self.died = {number, (number + 1) % 3}, number
        connection.close()
        raise self.error


def _kept_channel(body: str) -> Wrong:
    return Wrong(
        "kept_channel",
        f"{body!r} was refused, and published again over the same channel, which refused for ever.",
        "After a refusal, open a new channel; it needs `confirm_delivery()` too.",
    )


def _check(
    deliver: Deliver,
    data: Random,
    number: int,
    deaths: dict[int, str] | None = None,
    refusals: dict[int, int] | None = None,
    down: set[int] | None = None,
    closing: bool = False,
) -> None:
    orders = [f" Order-{n} é\n" for n in data.sample(range(10**6), number)]
    if plain := [n for n in range(number) if n not in {**(deaths or {}), **(refusals or {})}]:
        orders[plain[-1]] = orders[plain[0]]  # two orders of the same text
    with (
        amqp() as connection,
        new_queue(channel := connection.channel()) as queue,
        full_queue(channel) as full,
    ):
        nodes = _Nodes(
            queue,
            full,
            {orders[n]: when for n, when in (deaths or {}).items()},
            {orders[n]: times for n, times in (refusals or {}).items()},
            down or set(),
            data.choice(LOST),
            closing,
        )
        stored = dict(nodes.deaths)
        try:
            said = ask(deliver, nodes.connects(), queue, list(orders))
            left = sum(one.is_open for one in nodes.connections)
        finally:
            for one in nodes.connections:
                if one.is_open:
                    one.close()
        found = [
            (body.encode("latin-1").decode(errors="replace"), how)
            for body, how in take(channel, queue)
        ]
    _expect_stored(orders, [body for body, _ in found], stored)
    expect_persistent(found)
    _expect_said(said, nodes.doubt)
    if left:
        raise Wrong("left_open", f"{left} connections were left open.", "Close what you open.")


def _expect_stored(orders: list[str], found: list[str], deaths: dict[str, str]) -> None:
    times, due = Counter(found), Counter(orders)
    for order in orders:
        when = deaths.get(order)
        story = (
            f"the node died {when} it had stored {order!r}, and the order"
            if when
            else f"{order!r} was to be confirmed, and"
        )
        if times[order] > due[order] or (when == "before" and times[order]):
            raise Wrong(
                "sent_again" if when else "doubled",
                f"{story} is in the queue {times[order]} times: it was published again.",
                "No answer may mean that the order is stored: it is in doubt, and is left alone.",
            )
        if times[order] < due[order] and when != "before":
            raise Wrong(
                "lost",
                f"{story} is not in the queue as often as in the list: {times[order]} times, not "
                f"{due[order]}.",
                "Only with confirms does pika say that an order was refused. Then it is nowhere, "
                "and has to be published again. And after a node's death the others are to come.",
            )
    if strange := [body for body in found if body not in orders]:
        raise Wrong(
            "wrong_body", f"{strange[0]!r} is in the queue.", "Publish each order as it is."
        )
    if found != [order for order in orders if times[order]]:
        raise Wrong(
            "wrong_order",
            "the orders are in the queue in another order than in the list.",
            "Each order is confirmed, or in doubt, before the next one is published.",
        )


def _expect_said(said: Any, doubt: list[str]) -> None:
    if not isinstance(said, list):
        raise Wrong(
            "no_list",
            f"the function returned {said!r:.80}.",
            "Return a list, perhaps an empty one.",
        )
    if said != doubt:
        wrong = [*said, *doubt][0] if set(said) == set(doubt) else min({*said} ^ {*doubt}, key=str)
        raise Wrong(
            "wrong_doubt",
            f"{len(doubt)} orders got no answer, and the function returned {len(said)}; the first "
            f"that is not right is {wrong!r}.",
            "In doubt is an order whose publish ended with a lost connection, and no other. List "
            "them in the order in which they were published.",
        )
