"""Grader of the lab on the loss matrix: orders kept on terms that survive a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, StreamLostError

from .. import clients
from .answers import Wrong, ask, stop
from .grading import grader
from .places import amqp, count, delete, expect_persistent, full_queue, shaky, take
from .proxy import Proxy, published

Keep = Callable[[BlockingChannel, str, list[str]], tuple[str, list[str]]]
KINDS = ("classic", "quorum", "stream")


@grader("5.9", needs=("rabbitmq",))
def keeps(keep: Keep, data: Random) -> str:
    """Three types of queue: on a good day, with refusals, and when the connection breaks."""
    declared: list[str] = []
    try:
        for kind in data.sample(KINDS, 3):
            number = data.randint(6, 12)
            refused = set(data.sample(range(1, number - 1), 3))
            _check(keep, data, declared, kind, number)
            _check(keep, data, declared, kind, number, refused=refused)
            breaks = data.choice([n for n in range(1, number - 1) if n not in refused])
            for when in ("before", "after"):
                _check(keep, data, declared, kind, number, refused, breaks, when)
        _check(keep, data, declared, data.choice(KINDS), 0)
    finally:
        delete(declared)
    return "on three types of queue all that was confirmed would survive, and no more was promised."


def _check(
    keep: Keep,
    data: Random,
    declared: list[str],
    kind: str,
    number: int,
    refused: set[int] = frozenset(),  # type: ignore[assignment]
    breaks: int | None = None,
    when: str = "",
) -> None:
    orders = [f" Order-{n} é\n" for n in data.sample(range(10**6), number)]
    if spare := [n for n in range(1, number) if n not in refused | {breaks}]:
        orders[spare[-1]] = orders[0]  # two orders of the same text
    nays = [orders[n] for n in sorted(refused)]
    breaking = orders[breaks] if breaks is not None else None
    connection, tried = amqp(), list[str]()
    with amqp() as other, full_queue(other.channel()) as full:

        def basic_publish(original: Callable, *arguments: Any, **options: Any) -> Any:
            said, body = published(arguments, options)
            tried.append(body)
            if tried.count(body) > orders.count(body) and body in orders:
                what = f"{body!r} was published {tried.count(body)} times."
                stop(Wrong("doubled", what, "Publish each order once, also if it is refused."))
            if body in nays:
                return original(**{**said, "routing_key": full})
            if body != breaking or when == "after":
                original(**said)
            if body == breaking:
                connection.close()
                raise StreamLostError("the connection broke")
            return None

        try:
            channel = Proxy(connection.channel(), basic_publish=basic_publish)
            said = ask(keep, channel, kind, list(orders))
        finally:
            if connection.is_open:
                connection.close()
    queue, confirmed = _expect_pair(said)
    new = queue not in declared
    declared.append(queue)
    if not new:
        raise Wrong("same_queue", "two calls used one queue.", "Give each queue a name of its own.")
    _expect_lasting(queue, kind)
    end = len(orders) if breaks is None else breaks
    expected = [order for order in orders[:end] if order not in nays]
    _expect_promised(confirmed, expected, nays, breaking)
    stored = [*expected, *([breaking] if when == "after" and breaking else [])]
    _expect_stored(queue, kind, stored)


def _expect_pair(said: Any) -> tuple[str, list[str]]:
    good = isinstance(said, tuple | list) and len(said) == 2
    if not good or not isinstance(said[0], str) or not isinstance(said[1], list):
        raise Wrong(
            "no_pair",
            f"the function returned {said!r:.80}.",
            "Return two things: the queue's name, and a list of orders.",
        )
    return said[0], said[1]


def _expect_lasting(queue: str, kind: str) -> None:
    if not queue or count(queue) is None:
        raise Wrong(
            "no_queue",
            f"there is no queue {queue!r}, now that the connection is closed.",
            "Declare it so that it outlives its connection, and return its name.",
        )
    if found := shaky(queue):
        raise Wrong(
            "queue_does_not_last",
            f"the queue for {kind!r} {found[1]}.",
            "Declare a durable queue that nothing but you deletes or empties.",
        )
    with amqp() as connection:
        try:
            arguments = {"x-queue-type": kind}
            connection.channel().queue_declare(queue, durable=True, arguments=arguments)
        except ChannelClosedByBroker as error:
            if "x-queue-type" in error.reply_text:
                raise Wrong(
                    "wrong_type",
                    f"the queue for {kind!r} is of another type.",
                    'The type is the queue\'s argument "x-queue-type".',
                ) from None


def _expect_promised(
    confirmed: list[str], expected: list[str], nays: list[str], breaking: str | None
) -> None:
    for order in confirmed:
        if order in nays:
            raise Wrong(
                "promised_refused",
                f"{order!r} was refused by the broker, and the function says that it was confirmed.",
                "Only with confirms does the broker say what became of an order: pika then raises "
                "NackError for a refusal.",
            )
        if order == breaking:
            raise Wrong(
                "promised_unknown",
                f"the connection broke at {order!r}, before there was an answer, and the function "
                "says that it was confirmed.",
                "An order is confirmed when `basic_publish` has returned without an error.",
            )
    if confirmed != expected:
        raise Wrong(
            "promised_otherwise",
            f"{len(expected)} orders were to be confirmed, beginning with {expected[:2]}, and the "
            f"function returned {len(confirmed)}, beginning with {confirmed[:2]}.",
            "List each confirmed order once, in the order of publishing; a refusal doesn't end it.",
        )


def _expect_stored(queue: str, kind: str, expected: list[str]) -> None:
    with amqp() as connection:
        if kind == "stream":
            found = clients.read_stream(connection.channel(), queue)
        else:
            messages = take(connection.channel(), queue)
            found = [body.encode("latin-1").decode(errors="replace") for body, _ in messages]
    if found != expected:
        raise Wrong(
            "doubled"
            if {*found} <= {*expected} and Counter(found) - Counter(expected)
            else "wrong_messages",
            f"in the {kind} queue there should be {len(expected)} orders, beginning with "
            f"{expected[:2]}. There are {len(found)}, beginning with {found[:2]}.",
            "Publish each order once, as it is, and in its place. Two orders may be the same text.",
        )
    if kind == "classic":
        expect_persistent(messages)
