"""Graders of chapter 5: messages that must not get lost on their way between queues."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from ..brokers import RabbitMQCluster
from ..names import fresh
from ..waiting import wait_until
from .answers import Wrong, ask, expect_patience, stop
from .grading import grader
from .places import (
    CLASSIC,
    amqp,
    brokers,
    count,
    delete,
    expect_persistent,
    full_queue,
    new_exchange,
    new_queue,
    publish,
    shaky,
    take,
)
from .proxy import Proxy, declared

# -- 5.1: bindings -------------------------------------------------------------------------------

WANTED = {  # name of a queue: does it get a message with these words as its key?
    "eu": lambda words: words[1] == "eu",
    "failed": lambda words: words[-1] == "failed",
    "orders": lambda words: words[0] == "order",
}
TRAPS = (
    "order.eu.paid", "order.eu.failed", "order.us.eu", "orders.us.paid", "invoice.europe.sent",
    "eu.us.sent", "invoice.us.failed.again", "invoice.us.order", "payment.eu.card.failed",
    "invoice.us.card.limit.failed", "payment.asia.card.limit.sent.failed", "order.eu.payment.card.sent.again",
)  # fmt: skip
WORDS = (("order", "invoice", "payment"), ("eu", "us", "asia"), ("paid", "sent", "failed", "eu"))


@grader("5.1", needs=("rabbitmq",))
def connect(answer: Callable[[BlockingChannel, str], dict[str, str]], data: Random) -> str:
    """Keys of three to six words, three queues: each key's copies are counted in each queue."""
    keys = list(TRAPS)
    for length in (3, 4, 5, 6) * 3:
        words = [data.choice(WORDS[min(n, 2)]) for n in range(length)]
        keys.append(".".join(words))
    made: dict[str, dict[str, Any]] = {}  # queues, and the settings with which they were declared
    queues: Any = None
    with amqp() as connection, new_exchange(connection.channel(), "topic") as exchange:

        def declare(original: Callable, *arguments: Any, **options: Any) -> Any:
            answered = original(*arguments, **options)
            settings = declared(arguments, options)
            if not settings.get("passive"):
                made[answered.method.queue] = settings
            return answered

        try:
            queues = ask(answer, Proxy(connection.channel(), queue_declare=declare), exchange)
            _expect_queues(queues, made)
            channel = connection.channel()
            publish_each(channel, exchange, keys)
            for name, queue in queues.items():
                _expect_routes(channel, name, queue, keys)
        finally:
            delete([*made, *(queues.values() if isinstance(queues, dict) else ())])
    return "keys of three to six words, three queues: each message where it belongs, and once."


def publish_each(channel: BlockingChannel, exchange: str, keys: list[str]) -> None:
    for key in keys:
        publish(channel, exchange, key, [key])


def _expect_queues(queues: Any, made: dict[str, dict[str, Any]]) -> None:
    if not isinstance(queues, dict) or set(queues) != set(WANTED):
        raise Wrong(
            "no_dictionary",
            f"the answer is {queues!r}, not a dictionary with eu, failed and orders.",
            "Return the names of the three queues under these three words.",
        )
    if len(set(queues.values())) != 3:
        raise Wrong(
            "shared_queue",
            "the three are not three queues.",
            "Each needs a queue of its own, so that each has its own copy.",
        )
    for name, queue in queues.items():
        missing = count(queue) is None
        if missing or (found := shaky(queue, made.get(queue))):
            what = "is not there" if missing or not found else found[1]
            raise Wrong("queue_does_not_last", f"the queue {name} {what}.", "Declare it durable.")


def _expect_routes(channel: BlockingChannel, name: str, queue: str, keys: list[str]) -> None:
    found = Counter(body for body, _ in take(channel, queue))
    for key, sent in Counter(keys).items():
        times = sent * WANTED[name](key.split("."))
        if found[key] != times:
            raise Wrong(
                "too_few" if found[key] < times else "too_many",
                f"{sent} messages {key} were sent, and the queue {name} got {found[key]} of them, "
                f"not {times}.",
                "A star is exactly one word, a hash any number of words, also none. Does one "
                "binding do for this queue?",
            )


# -- 5.2: stored, not stored, or who knows -------------------------------------------------------

SAID = {True: "it is stored", False: "it is nowhere", None: "nobody knows"}


@grader("5.2", needs=("rabbitmq",))
def send(answer: Callable[[BlockingChannel, str, str, bytes], bool | None], data: Random) -> str:
    """Bound, not bound, full, one of two queues full, no exchange, and a connection that breaks."""
    body = b" order %d\xe9\n" % data.randrange(10**6)
    with (
        amqp() as connection,
        new_exchange(channel := connection.channel(), "direct") as exchange,
        new_queue(channel) as free,
        full_queue(channel) as full,
    ):
        for queue, keys in ((free, ("free", "both")), (full, ("full", "both"))):
            for key in keys:
                channel.queue_bind(queue, exchange, key)

        def expect(said: bool | None, key: str, situation: str, where: str = exchange) -> None:
            _expect_said(answer, where, key, body, said, situation)

        expect(True, "free", "a queue is bound")
        _expect_stored(channel, free, body)
        expect(False, "nobody", "no binding fits")
        expect(False, "x", "there is no such exchange", fresh("none"))
        expect(None, "full", "the only queue is full")
        expect(None, "both", "of two queues one is full and the other has taken it")
        _expect_stored(channel, free, body)
        for when in ("before", "after"):
            situation = f"the connection broke {when} the broker got the message"
            _expect_said(answer, exchange, "free", body, None, situation, when)
            if len(take(channel, free)) > (when == "after"):
                raise Wrong(
                    "sent_twice",
                    f"{situation}, and it was sent again.",
                    "Send once; whether to send again is for whoever called you to decide.",
                )
    return "stored, twice certainly not, and four times an honest: nobody knows."


def _expect_said(
    answer: Callable,
    exchange: str,
    key: str,
    body: bytes,
    expected: bool | None,
    situation: str,
    breaks: str = "",
) -> None:
    def break_or_publish(original: Callable, *arguments: Any, **options: Any) -> None:
        if breaks == "after":
            original(*arguments, **options)
        if breaks:
            connection.close()
            raise pika.exceptions.StreamLostError("the connection broke")
        original(*arguments, **options)

    connection = amqp()
    try:
        channel = Proxy(connection.channel(), basic_publish=break_or_publish)
        said = ask(answer, channel, exchange, key, body, may_raise=(pika.exceptions.AMQPError,))
    finally:
        if connection.is_open:
            connection.close()
    if isinstance(said, Exception):
        raise Wrong(
            "raised",
            f"{situation}, and the function raised {type(said).__name__}.",
            "Catch it, and say what you then know: every error of pika's is a "
            "pika.exceptions.AMQPError.",
        )
    if said is not expected:
        raise Wrong(
            "guessed_no" if said is False else "guessed_yes" if said is True else "knew_not",
            f"{situation}, and the function returned {said!r}: {SAID.get(said, 'no such answer')}."
            if isinstance(said, bool | None)
            else f"{situation}, and the function returned {said!r}.",
            "Confirms tell of refusals; together with `mandatory=True` also of messages that no "
            "binding fits. Which of pika's errors leaves open whether a queue has the message?",
        )


def _expect_stored(channel: BlockingChannel, queue: str, body: bytes) -> None:
    found = take(channel, queue)
    if [text for text, _ in found] != [body.decode("latin-1")]:
        raise Wrong(
            "wrong_messages",
            f"{body!r} was sent, and in the queue there is {[text for text, _ in found]!r}.",
            "Publish the body to the exchange, as it is and once.",
        )
    expect_persistent(found)


# -- 5.3: the book of pending messages -----------------------------------------------------------

BURST = 400
Confirms = list[tuple[int, bool]]


@grader("5.3", needs=("rabbitmq",))
def settle(answer: Callable[[dict[int, str], int, bool], list[str]], data: Random) -> str:
    """Bursts to a live broker until it answered for many at once; then every confirm. And once more
    confirms as the protocol allows them: out of turn, and with the messages in another order."""
    with amqp() as connection:
        # what goes to disk is confirmed late: so the confirms of the other queue overtake
        channel, transient = connection.channel(), fresh("exercise")
        channel.queue_declare(transient, exclusive=True, arguments=CLASSIC)
        with new_queue(channel) as durable:
            for _ in range(20):
                confirms = _confirms_of_a_burst([transient, durable])
                if {multiple for _, multiple in confirms} == {True, False}:
                    break
    tags = list(range(1, BURST + 1))
    _expect_settled(answer, tags, confirms)
    data.shuffle(tags)
    _expect_settled(answer, tags, _possible_confirms(data))
    return f"{BURST} messages, settled by the broker's own confirms, one by one and many at once."


def _confirms_of_a_burst(queues: list[str]) -> Confirms:
    """Tag and flag `multiple` of each confirm, in the order in which the broker sent them."""
    confirms: Confirms = []
    pending = set(range(1, BURST + 1))

    def on_confirm(frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        confirms.append((tag, multiple))
        pending.difference_update(range(1, tag + 1) if multiple else [tag])
        if not pending:
            connection.close()

    def publish_all(channel: Any) -> None:
        for tag in range(1, BURST + 1):
            properties = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", queues[tag % len(queues)], f"order-{tag}", properties)

    def on_channel(channel: Any) -> None:
        channel.confirm_delivery(on_confirm, lambda _: publish_all(channel))

    connection = pika.SelectConnection(
        brokers("rabbitmq").rabbitmq,
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_open_error_callback=lambda closed, _: closed.ioloop.stop(),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.call_later(30, connection.ioloop.stop)
    connection.ioloop.start()
    if pending:
        raise TimeoutError(f"the broker left {len(pending)} of {BURST} messages unconfirmed")
    return confirms


def _possible_confirms(data: Random) -> Confirms:
    """Ten times a few single tags, out of turn, and then all up to a tag."""
    confirms: Confirms = []
    for first in range(1, BURST, BURST // 10):
        last = first + BURST // 10 - 1
        confirms += [(tag, False) for tag in data.sample(range(first + 5, last), 8)]
        confirms.append((last, True))
    return confirms


def _expect_settled(answer: Callable, tags: list[int], confirms: Confirms) -> None:
    pending = {tag: f"order-{tag}" for tag in tags} | {tags[5]: ""}
    theirs = dict(pending)
    for tag, multiple in confirms:
        settled = sorted(t for t in pending if t == tag or (multiple and t < tag))
        expected = [pending.pop(t) for t in settled]
        said = ask(answer, theirs, tag, multiple)
        if said != expected:
            found = f"{len(said)}" if isinstance(said, list) else repr(said)
            same = isinstance(said, list) and Counter(said) == Counter(expected)
            raise Wrong(
                "wrong_order" if same else "wrong_messages",
                f"a confirm for tag {tag} with multiple={multiple} settles {len(expected)} "
                f"messages, and the function returned {found}{', in another order' * same}.",
                "With `multiple` it is for all pending tags up to this one, otherwise for this "
                "one alone, whatever lower tags are still pending. Return them in their order.",
            )
        if theirs != pending:
            raise Wrong(
                "book_not_kept",
                f"after that confirm {len(pending)} messages are pending, and in the dictionary "
                f"there are {len(theirs)}.",
                "Take what is settled out of `pending`, and nothing else: `pop` does both.",
            )


# -- 5.4: replay a parking lot -------------------------------------------------------------------

Replay = Callable[[BlockingChannel, str, str], int]


@grader("5.4", needs=("rabbitmq",))
def replay_parking_lot(replay: Replay, data: Random) -> str:
    """Parked orders, seven times: on good days and with faults; also one order, and none."""
    for number in (0, 1, data.randint(20, 40)):
        with _parking_lot(number) as lot:
            moved = lot.run(replay)
            _expect_replayed(lot)
            _expect_moved(moved, number, f"all {number} were moved")
    number, room = data.randint(6, 12), data.randint(2, 4)
    with _parking_lot(number, {"x_max_length": room, "x_overflow": "reject-publish"}) as lot:
        moved = lot.run(replay)
        lot.expect_nothing_lost(
            f"the work queue took {room} orders and refused the rest",
            "A refusal is seen only after `channel.confirm_delivery()`: it raises NackError. "
            "Acknowledge after the publish, and not if it failed.",
        )
        _expect_moved(moved, room, f"the work queue took {room} orders and refused the rest")
    with _parking_lot(number) as lot:
        delete([lot.work])
        moved = lot.run(replay)
        lot.expect_nothing_lost(
            "the work queue was gone",
            "What no queue takes is dropped in silence, unless you publish with "
            "`mandatory=True` and confirms: then it raises UnroutableError.",
        )
        _expect_moved(moved, 0, "the work queue was gone")
    with _parking_lot(number, {"x_message_ttl": 0}, boomerang=True) as lot:
        lot.run(replay)
        lot.expect_nothing_lost("each message came straight back", "Acknowledge after the publish.")
    for stored in (False, True):
        where = "after" if stored else "before"
        with _parking_lot(number, break_at=data.randint(2, 5), stored=stored) as lot:
            lot.run(replay)
            lot.expect_nothing_lost(
                f"the connection broke in publish number {lot.break_at}, {where} the broker had it",
                "Publish first and acknowledge then; and no `auto_ack`, which acknowledges before "
                "you have seen the message.",
                doubles=int(stored),
            )
    return "all replayed, and on five bad days no order was ever in neither queue."


def _expect_replayed(lot: _ParkingLot) -> None:
    waiting = take(lot.watcher, lot.work)
    found = [body for body, _ in waiting]
    if lot.parked and not found:
        raise Wrong(
            "nothing_moved",
            "nothing arrived in the work queue.",
            'Publish to the default exchange "" with the queue\'s name as the routing key.',
        )
    if found != lot.parked:
        same = sorted(found) == sorted(lot.parked)
        raise Wrong(
            "wrong_order" if same else "wrong_messages",
            "the orders changed places on their way."
            if same
            else f"of {len(lot.parked)} parked orders, {len(set(found) & set(lot.parked))} are in "
            f"the work queue, which holds {len(found)} messages.",
            "Take them from the parking lot one by one, and move each once, with its body as it is.",
        )
    if any("tries" in (properties.headers or {}) for _, properties in waiting):
        raise Wrong(
            "old_header",
            "the replayed orders still carry their old header `tries`: the first failure "
            "would park them again.",
            "Take it out of the properties that came, before you publish with them.",
        )
    expect_persistent(waiting)
    names = [properties.message_id for _, properties in waiting]
    if names != [_name(n) for n in range(len(waiting))]:
        raise Wrong(
            "renamed",
            "the replayed orders have lost their `message_id`.",
            "By it a receiver knows an order that comes twice, as after a death between publish and "
            "acknowledgement. Hand it on.",
        )
    if left := count(lot.parking):
        raise Wrong(
            "not_acknowledged",
            f"{left} orders are in the work queue and still in the parking lot as well.",
            "Acknowledge each message after its copy was confirmed.",
        )


def _expect_moved(moved: Any, expected: int, day: str) -> None:
    if moved != expected or isinstance(moved, bool):
        raise Wrong(
            "miscounted",
            f"{day}, but the function returned {moved!r}.",
            f"Count a message as moved once it is confirmed and acknowledged; here {expected}.",
        )


def _name(number: int) -> str:
    """The id of a parked order."""
    return f"id-{number}"


@dataclass
class _ParkingLot:
    """Two queues with what is parked, a channel to look on, and what is to go wrong."""

    parked: list[str]
    parking: str
    work: str
    watcher: BlockingChannel
    boomerang: bool
    break_at: int
    stored: bool
    published: int = field(default=0)
    ready: int | None = None  # in the parking lot, when a replay had returned

    def run(self, replay: Replay) -> Any:
        """The learner's replay, on a channel that may break; which it may pass on."""
        may_raise = (pika.exceptions.AMQPError,) if self.break_at else ()
        connection = amqp()
        try:
            channel = connection.channel()
            watched = Proxy(channel, basic_publish=self._publish)
            moved = ask(replay, watched, self.parking, self.work, may_raise=may_raise)
            with suppress(pika.exceptions.AMQPError):  # its channel is closed
                self.ready = _within_reach(channel, self.parking)
            return moved
        finally:
            if connection.is_open:
                connection.close()

    def _publish(self, original: Callable, *arguments: Any, **options: Any) -> None:
        """The learner's publish: it breaks when it is to, and waits for what comes straight back."""
        self.published += 1
        breaks = self.published == self.break_at
        if self.published > len(self.parked):
            stop(
                Wrong(
                    "round_and_round",
                    f"{len(self.parked)} orders were parked, each came straight back to the parking "
                    f"lot, and the replay has published number {self.published}."
                    if self.boomerang
                    else f"{len(self.parked)} orders were parked, and the replay has published "
                    f"number {self.published}.",
                    "Move what is parked at the start, a fixed number, and not until it is empty.",
                )
            )
        before = count(self.parking) or 0
        if not breaks or self.stored:
            original(*arguments, **options)
        if breaks:
            original.__self__.connection.close()  # type: ignore[attr-defined]
            raise pika.exceptions.StreamLostError("the connection broke")
        if self.boomerang:
            wait_until(partial(self._came_back, before), "the message to come back", timeout=10)

    def _came_back(self, before: int) -> bool:
        """Are there more messages than before? A consumer has them in hand at once."""
        parking = self.watcher.queue_declare(self.parking, passive=True).method
        return parking.message_count > before or parking.consumer_count > 0

    def expect_nothing_lost(self, day: str, hint: str, doubles: int = 0) -> None:
        """Each parked order must be in one of the queues, now that the learner's channel is closed; and
        none came back there only with its end."""
        found: Counter[str] = Counter()
        parked = count(self.parking) or 0
        for queue in (self.work, self.parking):
            if count(queue) is not None:
                found.update(body for body, _ in take(self.watcher, queue))
        if missing := [order for order in self.parked if not found[order]]:
            raise Wrong(
                "acknowledged_before_stored",
                f"{day}, and {len(missing)} of {len(self.parked)} orders are in neither queue.",
                hint,
            )
        if sum(found.values()) > len(self.parked) + doubles:
            raise Wrong(
                "doubled",
                f"{day}, and {sum(found.values()) - len(self.parked)} orders are in both queues.",
                "Acknowledge a message that was moved, and put back one that was not.",
            )
        if self.ready is not None and self.ready < parked:
            raise Wrong(
                "kept_in_hand",
                f"{day}; when the function returned, {self.ready} orders were ready in the parking "
                f"lot, not {parked}: the others came back only when the channel was closed.",
                "Put back what was not moved: `channel.basic_nack(method.delivery_tag)`. Whoever "
                "consumes has more messages in hand than the one: `channel.cancel()` puts them back.",
            )


def _within_reach(channel: BlockingChannel, queue: str) -> int:
    """How many messages of a queue this channel can get: the broker does first what it was told before
    over the same one. (A passive declare may overtake what puts a message back.)"""
    return sum(1 for _ in iter(lambda: channel.basic_get(queue)[0], None))


@contextmanager
def _parking_lot(
    number: int,
    settings: dict[str, Any] | None = None,
    boomerang: bool = False,
    break_at: int = 0,
    stored: bool = False,
) -> Iterator[_ParkingLot]:
    """So many parked orders, each with three tries behind it; a work queue with these settings. They
    were published transient, and are not UTF-8."""
    settings = dict(settings or {})
    orders = [f" order-{n}\xe9\n" for n in range(1, number + 1)]
    with amqp() as connection, new_queue(channel := connection.channel()) as parking:
        if boomerang:
            settings |= {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": parking}
        channel.confirm_delivery()
        for n, body in enumerate(orders):
            properties = pika.BasicProperties(
                delivery_mode=1, headers={"tries": 4}, message_id=_name(n)
            )
            channel.basic_publish("", parking, body.encode("latin-1"), properties)
        with new_queue(channel, **settings) as work:
            yield _ParkingLot(orders, parking, work, channel, boomerang, break_at, stored)


# -- 5.5: publish with a deadline ----------------------------------------------------------------

DEADLINES = 0.6, 2.8  # seconds
GRACE = 5.0  # seconds on top, after which the function is stopped


@grader("5.5")
def publish_within(
    answer: Callable[[pika.URLParameters, str, bytes, float], str],
    data: Random,
    cluster: RabbitMQCluster,
) -> str:
    """Four situations: room, a full queue, no such queue, and a broker with an alarm."""
    body = b"order %d" % data.randrange(10**6)
    room, full = fresh("exercise"), fresh("exercise")
    limited = CLASSIC | {"x-max-length": 1, "x-overflow": "reject-publish"}
    with pika.BlockingConnection(cluster.rabbitmq(1)) as connection:
        channel = connection.channel()
        channel.queue_declare(room, durable=True, arguments=CLASSIC)
        channel.queue_declare(full, durable=True, arguments=limited)
        publish(channel, "", full, ["first"])
        try:
            _expect_answer(answer, cluster, room, body, "stored", "there is room")
            _expect_stored(channel, room, body)
            _expect_answer(answer, cluster, full, body, "refused", "the queue is full")
            nowhere = "there is no such queue"
            _expect_answer(answer, cluster, fresh("none"), body, "refused", nowhere)
            for deadline in DEADLINES:
                said = _said_during_an_alarm(answer, cluster, room, body, deadline)
                _expect_unknown(said, _found_afterwards(cluster, channel, room))
        finally:
            channel.queue_delete(room)
            channel.queue_delete(full)
    return (
        "stored, refused twice, and unknown when the broker would not read: each within its time."
    )


def _call_within(
    answer: Callable, cluster: RabbitMQCluster, queue: str, body: bytes, deadline: float
) -> Any:
    patience, before = deadline + GRACE, _open_connections()
    late = Wrong(
        "no_deadline",
        f"{patience:g} s later the function, which had {deadline:g}, was still waiting.",
        "Set `parameters.blocked_connection_timeout` before you connect. Without confirms it "
        "is `close` that waits.",
    )
    given = cluster.rabbitmq(1), queue, body, deadline
    errors = (pika.exceptions.AMQPError,)
    said = ask(answer, *given, seconds=patience, may_raise=errors, late=late)
    if left := _open_connections() - before:
        raise Wrong(
            "left_open",
            f"the function returned {said!r}, and left {len(left)} connection open.",
            "Use the connection in a `with` block, or close it in a `finally`.",
        )
    return said


def _open_connections() -> set[int]:
    """Those of this process, by their identities."""
    live = (one for one in gc.get_objects() if isinstance(one, pika.BlockingConnection))
    return {id(one) for one in live if one.is_open}


def _expect_answer(
    answer: Callable,
    cluster: RabbitMQCluster,
    queue: str,
    body: bytes,
    expected: str,
    situation: str,
) -> None:
    said = _call_within(answer, cluster, queue, body, DEADLINES[1])
    if isinstance(said, Exception):
        raise Wrong(
            "raised",
            f"{situation}, and the function raised {type(said).__name__}.",
            "NackError and UnroutableError are the broker's clear no; any other AMQPError leaves "
            "the question open.",
        )
    if said != expected:
        raise Wrong(
            "guessed",
            f"{situation}, and the function said {said!r}, not {expected!r}.",
            "Only a confirm makes it stored: `channel.confirm_delivery()`, and `mandatory=True`. "
            "NackError and UnroutableError are the broker's clear no.",
        )


def _said_during_an_alarm(
    answer: Callable, cluster: RabbitMQCluster, queue: str, body: bytes, deadline: float
) -> Any:
    """What the function returns, or raises, while the broker has a disk alarm."""
    try:
        cluster.ctl(1, "set_disk_free_limit", "100000GB")
        began = time.monotonic()
        pika.BlockingConnection(cluster.rabbitmq(1)).close()  # takes seconds on a busy machine
        connected = time.monotonic()
        said = _call_within(answer, cluster, queue, body, deadline)
        took = time.monotonic() - connected
    finally:
        cluster.ctl(1, "set_disk_free_limit", "50MB")
    if said == "unknown":
        expect_patience(deadline, took, besides=connected - began)
    return said


def _found_afterwards(cluster: RabbitMQCluster, channel: BlockingChannel, queue: str) -> int:
    """How many messages were taken out of a queue, once the broker has read all that was sent to it."""
    listed = lambda: cluster.ctl(1, "list_connections", "state", "--silent").split()  # noqa: E731
    wait_until(lambda: "blocked" not in listed(), "the broker to read what is in its sockets")
    return len(take(channel, queue))


def _expect_unknown(said: Any, found: int) -> None:
    if isinstance(said, Exception):
        raise Wrong(
            "raised",
            f"the broker had an alarm, and the function raised {type(said).__name__}.",
            "ConnectionBlockedTimeout is an AMQPError too. Catch it, also around the connection's "
            "`close`, and say what you then know.",
        )
    if said != "unknown":
        raise Wrong(
            "guessed",
            f"the broker had an alarm, and the function said {said!r}; afterwards there "
            f"{'was' if found == 1 else 'were'} {found} in the queue.",
            "Nobody has confirmed it, and nobody has refused it: it is on its way. Say unknown.",
        )
    if found > 1:
        raise Wrong(
            "sent_twice",
            f"the broker had an alarm, and afterwards the order was in the queue {found} times.",
            "Do not send again what is unknown: that is for the caller to decide.",
        )


# -- 5.6: a call with a deadline -----------------------------------------------------------------

PATIENCES, LATE = (0.3, 2.4), 3.6  # seconds: deadlines to be kept; when the answer comes after all
FIRST, LONG_ENOUGH = 4.0, 10.0  # seconds for an answer that is on its way
STRANGER = b"the answer to somebody else"
OTHERS = "too late, and answers to others all the while"
HOW = (  # the calls, and how each is answered
    "at once",
    "after two answers to other questions",
    "twice",
    "at once",
    OTHERS,
    "at once",
    "too late, and nothing before",
    "at once",
)


@grader("5.6", needs=("rabbitmq",))
def call(answer: Callable[[Any, str, bytes, float], bytes], data: Random) -> str:
    """Eight calls over one connection to a server with strangers, echoes and silence."""
    numbers = data.sample(range(10**6), len(HOW) - 1)
    bodies = [b"order %d" % number for number in numbers]
    bodies.insert(
        HOW.index(OTHERS) + 1, bodies[HOW.index(OTHERS)]
    )  # a question that is asked twice
    patience = iter(PATIENCES)
    channels: list[BlockingChannel] = []

    def channel(original: Callable, *arguments: Any) -> BlockingChannel:
        channels.append(original(*arguments))
        return channels[-1]

    with amqp() as watcher, new_queue(watcher.channel()) as queue, amqp() as connection:
        server = _BadServer(queue, list(zip(bodies, HOW, strict=True)))
        server.start()
        server.ready.wait(timeout=20)
        caller = Proxy(connection, channel=channel)
        try:
            for body, how in zip(bodies, HOW, strict=True):
                if how.startswith("too late"):
                    _expect_given_up(answer, caller, queue, body, how, next(patience))
                else:
                    _expect_answered(answer, caller, queue, body, how, server)
            _expect_tidy([one for one in channels if one.is_open], server.addresses)
        finally:
            delete(server.addresses)
            server.stopping.set()
            server.join(timeout=20)
    if len(set(server.keys)) < len(server.keys):
        raise Wrong(
            "one_id_for_all",
            f"{len(server.keys)} questions came, with {len(set(server.keys))} correlation ids.",
            "Make a correlation id of its own for each call: an id says which question was meant.",
        )
    if server.asked != len(HOW):
        raise Wrong(
            "asked_twice",
            f"{len(HOW)} calls were made, and {server.asked} questions came.",
            "Ask once; whether to ask again is for whoever called you to decide.",
        )
    return "eight calls: six right answers, two deadlines kept, among strangers and echoes."


def _expect_tidy(channels: list[BlockingChannel], addresses: set[str]) -> None:
    """That what is left of eight calls is not eight of anything; one of each may serve all calls."""
    queues = [name for name in addresses if count(name) is not None]
    for what, left in (("channels", len(channels)), ("queues", len(queues))):
        if left > 1:
            raise Wrong(
                "left_open",
                f"{len(HOW)} calls were made, and left {left} {what} behind.",
                "Close the channel and delete the queue that a call has made for itself, however "
                "it ends; or use one for all.",
            )


class _BadServer(threading.Thread):
    """Answers each question in the way that it was told."""

    def __init__(self, queue: str, calls: list[tuple[bytes, str]]) -> None:
        super().__init__(daemon=True)
        self.ready, self.stopping = threading.Event(), threading.Event()
        self.asked = 0
        self.keys: list[str] = []
        self.lacking: list[str] = []
        self.addresses: set[str] = set()
        self._queue = queue
        self._calls = calls
        self._seen: Counter[bytes] = Counter()

    def run(self) -> None:
        with amqp() as connection:
            connection.channel().basic_consume(self._queue, self._handle, auto_ack=True)
            self.ready.set()
            while not self.stopping.is_set():
                connection.process_data_events(0.05)

    def _handle(self, channel: BlockingChannel, _method: Any, properties: Any, body: bytes) -> None:
        self.asked += 1
        needed = ("reply_to", "correlation_id")
        self.lacking = [name for name in needed if not getattr(properties, name)]
        if self.lacking:
            return
        self.keys.append(properties.correlation_id)
        if not properties.reply_to.startswith("amq.rabbitmq.reply-to"):
            self.addresses.add(properties.reply_to)

        def say(text: bytes, key: str | None = properties.correlation_id) -> None:
            answer = pika.BasicProperties(correlation_id=key)
            channel.basic_publish("", properties.reply_to, text, answer)

        mine = [how for asked, how in self._calls if asked == body] or ["at once"]
        how = mine[min(self._seen[body], len(mine) - 1)]
        self._seen[body] += 1
        if how == "after two answers to other questions":
            say(STRANGER, "no question of yours")
            say(STRANGER, None)
        if how.startswith("too late"):
            until = time.monotonic() + LATE
            while time.monotonic() < until and not self.stopping.is_set():
                if "others" in how:
                    say(STRANGER, "no question of yours")
                channel.connection.sleep(0.05)
        for _ in range(2 if how == "twice" else 1):
            say(_answer_to(body))


def _answer_to(body: bytes) -> bytes:
    return b"the answer to " + body


def _expect_answered(
    answer: Callable, connection: Any, queue: str, body: bytes, how: str, server: _BadServer
) -> None:
    expected = _answer_to(body)
    patience = LONG_ENOUGH if server.asked else FIRST
    said = ask(answer, connection, queue, body, patience, may_raise=(TimeoutError,))
    if isinstance(said, TimeoutError):
        raise _no_answer(body, how, server)
    if said == expected:
        return
    if isinstance(said, bytes) and said.startswith(b"the answer to "):
        raise Wrong(
            "anothers_answer",
            f"{body.decode()} was answered {how}, and the function returned {said.decode()!r}.",
            "Make a correlation id of its own for each call, and pass over every answer that has "
            "another one.",
        )
    raise Wrong(
        "no_answer",
        f"{body.decode()} was answered {how}, and the function returned {said!r}.",
        "Return the body of the answer as it came: bytes.",
    )


def _no_answer(body: bytes, how: str, server: _BadServer) -> Wrong:
    if not server.asked:
        return Wrong(
            "not_asked",
            "no question came to the server.",
            'Publish the body to the default exchange "" with the queue\'s name as the routing key.',
        )
    if server.lacking:
        return Wrong(
            "no_address",
            f"the question has no {' and no '.join(server.lacking)}.",
            "Both are properties: `pika.BasicProperties(reply_to=…, correlation_id=…)`.",
        )
    return Wrong(
        "gave_up",
        f"{body.decode()} was answered {how}, and the function raised TimeoutError.",
        "An answer that isn't yours doesn't end the call: go on until yours is there or the "
        "deadline has passed.",
    )


def _expect_given_up(
    answer: Callable, connection: Any, queue: str, body: bytes, how: str, patience: float
) -> None:
    hint = (
        "Fix the deadline once, `time.monotonic() + timeout`, and give `process_data_events` no "
        "more than what is left of it, however many answers come."
    )
    began = time.monotonic()
    said = ask(answer, connection, queue, body, patience, may_raise=(TimeoutError,))
    if isinstance(said, TimeoutError):
        return expect_patience(patience, time.monotonic() - began)
    if said == _answer_to(body):
        raise Wrong(
            "no_deadline",
            f"{body.decode()} was answered {how}, and the function, which had {patience:g} s, "
            "waited for the answer.",
            hint,
        )
    raise Wrong(
        "anothers_answer" if said == STRANGER else "no_timeout",
        f"{body.decode()} was answered {how}, and the function returned {said!r}.",
        "When the deadline has passed, `raise TimeoutError`.",
    )
