"""Graders of chapter 5: messages that must not get lost on their way between queues."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from ..brokers import RabbitMQCluster, up
from ..names import fresh
from ..waiting import wait_until
from . import Wrong, grader

PARKED = [f"order-{n}" for n in range(1, 7)]
ROOM = 3
CLASSIC = {"x-queue-type": "classic"}


# -- 5.1: bindings -------------------------------------------------------------------------------

ROUTES = {
    "order.eu.paid": {"eu", "orders"},
    "order.us.paid": {"orders"},
    "order.eu.payment.failed": {"eu", "failed", "orders"},
    "invoice.eu.sent": {"eu"},
    "invoice.us.failed": {"failed"},
    "invoice.us.failed.again": set(),
    "order.us.eu": {"orders"},
    "orders.us.paid": set(),
}


@grader("5.1")
def connect(answer: Callable[[BlockingChannel, str], dict[str, str]]) -> str:
    """Eight keys, three queues: each key's copies are counted in each queue."""
    exchange, queues = fresh("exercise"), {}
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True)
        try:
            queues = answer(channel, exchange)
            _expect_queues(queues)
            channel = connection.channel()
            channel.confirm_delivery()
            for key in ROUTES:
                channel.basic_publish(exchange, key, key)
            for name in ("eu", "failed", "orders"):
                _expect_routes(channel, name, queues[name])
        finally:
            channel = connection.channel()
            for queue in _texts(queues):
                channel.queue_delete(queue)
            channel.exchange_delete(exchange)
    return "eight keys, three queues: each message where it belongs, and once."


def _texts(queues: Any) -> list[str]:
    found = queues.values() if isinstance(queues, dict) else ()
    return [name for name in found if isinstance(name, str) and name]


def _expect_queues(queues: Any) -> None:
    if not isinstance(queues, dict) or set(queues) != {"eu", "failed", "orders"}:
        raise Wrong(
            f"the answer is {queues!r}, not a dictionary with eu, failed and orders.",
            "Return the names of the three queues under these three words.",
        )
    if len(set(_texts(queues))) != 3:
        raise Wrong(
            "the three are not three queues.",
            "Each needs a queue of its own, so that each has its own copy.",
        )


def _expect_routes(channel: BlockingChannel, name: str, queue: str) -> None:
    found = Counter()
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        found[message[2].decode()] += 1
    for key, wanted in ROUTES.items():
        times = int(name in wanted)
        if found[key] != times:
            raise Wrong(
                f"the queue {name} got {key} {_times(found[key])}, not {_times(times)}.",
                "A star is exactly one word, a hash any number of words, also none. Does one "
                "binding do for this queue?",
            )


def _times(number: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(number, f"{number} times")


# -- 5.2: stored or not --------------------------------------------------------------------------


@grader("5.2")
def send(answer: Callable[[BlockingChannel, str, str, bytes], bool]) -> str:
    """Four situations: bound, not bound, a full queue, no such exchange."""
    exchange, queue, full = fresh("exercise"), fresh("exercise"), fresh("exercise")
    limited = CLASSIC | {"x-max-length": 1, "x-overflow": "reject-publish"}
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "direct", durable=True)
        channel.queue_declare(queue, durable=True, arguments=CLASSIC)
        channel.queue_declare(full, durable=True, arguments=limited)
        channel.queue_bind(queue, exchange, "bound")
        channel.queue_bind(full, exchange, "full")
        channel.confirm_delivery()
        channel.basic_publish(exchange, "full", b"first")
        try:
            _expect_said(answer, connection, exchange, "bound", True, "a queue is bound")
            _expect_persistent(channel, queue)
            _expect_said(answer, connection, exchange, "nobody", False, "no binding fits")
            _expect_said(answer, connection, exchange, "full", False, "the queue is full")
            _expect_said(answer, connection, fresh("none"), "x", False, "there is no such exchange")
        finally:
            for name in (queue, full):
                channel.queue_delete(name)
            channel.exchange_delete(exchange)
    return "stored once, and three times an honest no: unroutable, refused, no exchange."


def _expect_said(
    answer: Callable, connection: Any, exchange: str, key: str, expected: bool, situation: str
) -> None:
    try:
        said = answer(connection.channel(), exchange, key, b"order")
    except pika.exceptions.AMQPError as error:
        raise Wrong(
            f"{situation}, and the function raised {type(error).__name__}.",
            "Catch it and return False: every error of pika's is a pika.exceptions.AMQPError.",
        ) from error
    if said is not expected:
        raise Wrong(
            f"{situation}, and the function said {said!r}.",
            "Confirms tell of refusals; together with `mandatory=True` also of messages that no "
            "binding fits.",
        )


def _expect_persistent(channel: BlockingChannel, queue: str) -> None:
    method, properties, _ = channel.basic_get(queue, auto_ack=True)
    if method is None:
        raise Wrong("True was said, and the queue is empty.", "Publish the body to the exchange.")
    if properties.delivery_mode != 2:
        raise Wrong(
            "the message is not persistent: a crash of the broker would lose it.",
            "Publish with `pika.BasicProperties(delivery_mode=2)`.",
        )


# -- 5.3: the book of pending messages -----------------------------------------------------------

BURST = 400


@grader("5.3")
def settle(answer: Callable[[dict[int, str], int, bool], list[str]]) -> str:
    """Bursts to a live broker until it answered for many at once and out of turn; then every confirm."""
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        # what goes to disk is confirmed late: so the confirms of the other queue overtake
        queues = {True: fresh("exercise"), False: fresh("exercise")}
        for durable, queue in queues.items():
            channel.queue_declare(queue, durable=durable, exclusive=not durable, arguments=CLASSIC)
        try:
            for _ in range(20):
                confirms = _confirms_of_a_burst(list(queues.values()))
                if {multiple for _, multiple in confirms} == {True, False}:
                    break
        finally:
            for queue in queues.values():
                channel.queue_delete(queue)
    _expect_settled(answer, confirms)
    return f"{BURST} messages, settled by the broker's own confirms, one by one and many at once."


def _confirms_of_a_burst(queues: list[str]) -> list[tuple[int, bool]]:
    """Tag and flag `multiple` of each confirm, in the order in which the broker sent them."""
    confirms: list[tuple[int, bool]] = []
    pending = set(range(1, BURST + 1))

    def on_confirm(frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        confirms.append((tag, multiple))
        pending.difference_update(range(1, tag + 1) if multiple else [tag])
        if not pending:
            connection.close()

    def publish(channel: Any) -> None:
        for tag in range(1, BURST + 1):
            properties = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", queues[tag % len(queues)], f"order-{tag}", properties)

    def on_channel(channel: Any) -> None:
        channel.confirm_delivery(on_confirm, lambda _: publish(channel))

    connection = pika.SelectConnection(
        up("rabbitmq", quiet=True).rabbitmq,
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_open_error_callback=lambda closed, _: closed.ioloop.stop(),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.call_later(30, connection.ioloop.stop)
    connection.ioloop.start()
    if pending:
        raise TimeoutError(f"the broker left {len(pending)} of {BURST} messages unconfirmed")
    return confirms


def _expect_settled(answer: Callable, confirms: list[tuple[int, bool]]) -> None:
    pending = {tag: f"order-{tag}" for tag in range(1, BURST + 1)}
    theirs = dict(pending)
    for tag, multiple in confirms:
        settled = [t for t in pending if t == tag or (multiple and t < tag)]
        expected = [pending.pop(t) for t in settled]
        said = answer(theirs, tag, multiple)
        if said != expected:
            raise Wrong(
                f"a confirm for tag {tag} with multiple={multiple} settles {len(expected)} "
                f"messages, and the function returned {_messages(said)}.",
                "With `multiple` it is for all pending tags up to this one, otherwise for this "
                "one alone, whatever lower tags are still pending.",
            )
        if theirs != pending:
            raise Wrong(
                f"after that confirm {len(pending)} messages are pending, and in the dictionary "
                f"there are {len(theirs)}.",
                "Take what is settled out of `pending`, and nothing else: `pop` does both.",
            )


def _messages(said: Any) -> str:
    return f"{len(said)}" if isinstance(said, list) else repr(said)


# -- 5.4: replay a parking lot -------------------------------------------------------------------


@grader("5.4")
def replay_parking_lot(replay: Callable[[BlockingChannel, str, str], int]) -> str:
    """Six parked orders, five times, each time with another fault."""
    _replay_on_a_good_day(replay)
    _replay_into_a_full_queue(replay)
    _replay_into_no_queue(replay)
    _replay_what_comes_back(replay)
    _replay_over_a_broken_connection(replay)
    return "six of six replayed, and on four bad days no order was ever in neither queue."


def _replay_on_a_good_day(replay: Callable) -> None:
    with _parking_lot() as lot:
        moved = lot.run(replay)
        waiting = lot.take(lot.work)
        if not waiting:
            raise Wrong(
                "nothing arrived in the work queue.",
                'Publish to the default exchange "" with the queue\'s name as the routing key.',
            )
        found = [body for body, _ in waiting]
        if sorted(found) != PARKED:
            raise Wrong(
                f"of six parked orders, {len(set(found) & set(PARKED))} are in the work queue, "
                f"which holds {len(found)} messages.",
                "Move each one once, with its body as it is.",
            )
        if found != PARKED:
            raise Wrong(
                "the orders changed places on their way.",
                "Take them from the parking lot one by one, and publish each before the next.",
            )
        if any("tries" in (properties.headers or {}) for _, properties in waiting):
            raise Wrong(
                "the replayed orders still carry their old header `tries`: the first failure "
                "would park them again.",
                "Publish with fresh properties, not with those that came.",
            )
        if any(properties.delivery_mode != 2 for _, properties in waiting):
            raise Wrong(
                "the replayed orders are not persistent: a restart of the broker would lose them.",
                "Publish with `pika.BasicProperties(delivery_mode=2)`.",
            )
        if left := lot.count(lot.parking):
            raise Wrong(
                f"{left} orders are in the work queue and still in the parking lot as well.",
                "Acknowledge each message after its copy was confirmed.",
            )
        _expect_moved(moved, 6, "all six were moved")


def _replay_into_a_full_queue(replay: Callable) -> None:
    full = {"x-max-length": ROOM, "x-overflow": "reject-publish"}
    with _parking_lot(full) as lot:
        moved = lot.run(replay)
        lot.nothing_lost(
            "the work queue took three orders and refused three",
            "A refusal is seen only after `channel.confirm_delivery()`: it raises NackError. "
            "Acknowledge after the publish, and not if it failed.",
        )
        _expect_moved(moved, ROOM, "the work queue took three orders and refused the rest")


def _replay_into_no_queue(replay: Callable) -> None:
    with _parking_lot() as lot:
        lot.delete(lot.work)
        moved = lot.run(replay)
        lot.nothing_lost(
            "the work queue was gone",
            "What no queue takes is dropped in silence, unless you publish with "
            "`mandatory=True` and confirms: then it raises UnroutableError.",
        )
        _expect_moved(moved, 0, "the work queue was gone")


def _replay_what_comes_back(replay: Callable) -> None:
    with _parking_lot({"x-message-ttl": 0}, boomerang=True) as lot:
        lot.run(replay)
        lot.nothing_lost("each message came straight back", "Acknowledge after the publish.")


def _replay_over_a_broken_connection(replay: Callable) -> None:
    with _parking_lot(break_at=3) as lot:
        lot.run(replay)
        lot.nothing_lost(
            "the connection broke during the third publish",
            "Publish first and acknowledge then; and no `auto_ack`, which acknowledges before "
            "you have seen the message.",
        )


def _expect_moved(moved: Any, expected: int, day: str) -> None:
    if moved != expected:
        raise Wrong(
            f"{day}, but the function returned {moved!r}.",
            f"Count a message as moved once it is confirmed and acknowledged; here {expected}.",
        )


@dataclass
class _ParkingLot:
    """Two queues, a connection for the learner and another to look on."""

    parking: str
    work: str
    arguments: dict[str, Any]
    boomerang: bool
    break_at: int | None
    parameters: pika.URLParameters
    watcher: BlockingChannel

    def run(self, replay: Callable) -> Any:
        """The learner's replay, on a channel that may break; None if it did, as it may."""
        connection = pika.BlockingConnection(self.parameters)
        try:
            return replay(_Watched(connection.channel(), self), self.parking, self.work)
        except pika.exceptions.AMQPError:
            if self.break_at is None:
                raise
            return None
        finally:
            if connection.is_open:
                connection.close()

    def count(self, queue: str) -> int:
        return self.watcher.queue_declare(queue, passive=True).method.message_count

    def delete(self, queue: str) -> None:
        self.watcher.queue_delete(queue)

    def take(self, queue: str) -> list[tuple[str, pika.BasicProperties]]:
        """All that is ready in a queue."""
        found = []
        while True:
            method, properties, body = self.watcher.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((body.decode(errors="replace"), properties))

    def nothing_lost(self, day: str, hint: str) -> None:
        """Each parked order must be in one of the queues, now that the learner's channel is closed."""
        # a queue that was deleted is made again, empty, so that it can be looked into
        self.watcher.queue_declare(self.work, durable=True, arguments=self.arguments)
        found = Counter(body for body, _ in [*self.take(self.work), *self.take(self.parking)])
        if missing := sorted(set(PARKED) - set(found)):
            raise Wrong(f"{day}, and {_orders(len(missing))} in neither queue.", hint)
        doubled = sum(found.values()) - len(PARKED)
        if doubled and self.break_at is None:
            raise Wrong(
                f"{day}, and {_orders(doubled)} in both queues.",
                "Acknowledge a message that was moved, and put back one that was not.",
            )


def _orders(number: int) -> str:
    return "1 order is" if number == 1 else f"{number} orders are"


class _Watched:
    """The learner's channel. It breaks when it is told to, and waits for what comes straight back."""

    def __init__(self, channel: BlockingChannel, lot: _ParkingLot) -> None:
        self._channel = channel
        self._lot = lot
        self._published = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def basic_publish(self, *arguments: Any, **options: Any) -> None:
        self._published += 1
        if self._published == self._lot.break_at:
            self._channel.connection.close()
            raise pika.exceptions.StreamLostError("the connection broke")
        if self._published > 3 * len(PARKED):
            raise Wrong(
                "the bank was still down, each order came straight back to the parking lot, and "
                "the replay went round and round.",
                "Move what is parked at the start, a fixed number, and not until it is empty.",
            )
        before = self._lot.count(self._lot.parking)
        self._channel.basic_publish(*arguments, **options)
        if self._lot.boomerang:
            back = lambda: self._lot.count(self._lot.parking) > before  # noqa: E731
            wait_until(back, "the message to come back", timeout=10)


@contextmanager
def _parking_lot(
    arguments: dict[str, Any] | None = None, boomerang: bool = False, break_at: int | None = None
) -> Iterator[_ParkingLot]:
    """Six parked orders, each with three tries behind it; a work queue with these arguments."""
    brokers = up("rabbitmq", quiet=True)
    parking, work = fresh("parking"), fresh("jobs")
    arguments = CLASSIC | (arguments or {})
    if boomerang:
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": parking}
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(parking, durable=True, arguments=CLASSIC)
        channel.queue_declare(work, durable=True, arguments=arguments)
        for body in PARKED:
            properties = pika.BasicProperties(delivery_mode=2, headers={"tries": 4})
            channel.basic_publish("", parking, body, properties)
        try:
            yield _ParkingLot(
                parking, work, arguments, boomerang, break_at, brokers.rabbitmq, channel
            )
        finally:
            channel.queue_delete(parking)
            channel.queue_delete(work)


# -- 5.5: publish with a deadline ----------------------------------------------------------------

DEADLINE = 2.0  # seconds
GRACE = 5.0  # seconds that a busy machine may take on top


@grader("5.5")
def publish_within(
    answer: Callable[[pika.URLParameters, str, bytes, float], str], cluster: RabbitMQCluster
) -> str:
    """Four situations: room, a full queue, no such queue, and a broker with an alarm."""
    open_, full = fresh("exercise"), fresh("exercise")
    limited = CLASSIC | {"x-max-length": 1, "x-overflow": "reject-publish"}
    with pika.BlockingConnection(cluster.rabbitmq(1)) as connection:
        channel = connection.channel()
        channel.queue_declare(open_, durable=True, arguments=CLASSIC)
        channel.queue_declare(full, durable=True, arguments=limited)
        channel.confirm_delivery()
        channel.basic_publish("", full, b"first")
        try:
            _expect_answer(answer, cluster, open_, "stored", "there is room")
            _expect_persistent(channel, open_)
            _expect_answer(answer, cluster, full, "refused", "the queue is full")
            _expect_answer(answer, cluster, fresh("none"), "refused", "there is no such queue")
            said = _said_during_an_alarm(answer, cluster, open_)
            _expect_unknown(said, _found_afterwards(cluster, channel, open_))
        finally:
            channel.queue_delete(open_)
            channel.queue_delete(full)
    return (
        "stored, refused twice, and unknown when the broker would not read: each within its time."
    )


def _expect_answer(
    answer: Callable, cluster: RabbitMQCluster, queue: str, expected: str, situation: str
) -> None:
    try:
        said = answer(cluster.rabbitmq(1), queue, b"order", DEADLINE)
    except pika.exceptions.AMQPError as error:
        raise Wrong(
            f"{situation}, and the function raised {type(error).__name__}.",
            "NackError and UnroutableError are the broker's clear no; any other AMQPError leaves "
            "the question open.",
        ) from error
    if said != expected:
        raise Wrong(
            f"{situation}, and the function said {said!r}, not {expected!r}.",
            "Only a confirm makes it stored: `channel.confirm_delivery()`, and `mandatory=True`. "
            "NackError and UnroutableError are the broker's clear no.",
        )


def _said_during_an_alarm(answer: Callable, cluster: RabbitMQCluster, queue: str) -> Any:
    """What the function returns, or raises, while the broker has a disk alarm."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(answer(cluster.rabbitmq(1), queue, b"order", DEADLINE))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    try:
        cluster.ctl(1, "set_disk_free_limit", "100000GB")
        thread.start()
        thread.join(DEADLINE + GRACE)
        in_time = list(outcome)
    finally:
        cluster.ctl(1, "set_disk_free_limit", "50MB")
        if thread.ident:
            thread.join(GRACE)
    if not in_time:
        raise Wrong(
            f"the broker had an alarm, and {DEADLINE + GRACE:g} s later the function, which had "
            f"{DEADLINE:g}, was still waiting.",
            "Set `parameters.blocked_connection_timeout` before you connect. Without confirms it "
            "is `close` that waits.",
        )
    return in_time[0]


def _found_afterwards(cluster: RabbitMQCluster, channel: BlockingChannel, queue: str) -> int:
    """How many messages a queue holds, once the broker has read all that was sent to it."""
    listed = lambda: cluster.ctl(1, "list_connections", "state", "--silent").split()  # noqa: E731
    wait_until(lambda: "blocked" not in listed(), "the broker to read what is in its sockets")
    return channel.queue_declare(queue, passive=True).method.message_count


def _expect_unknown(said: Any, found: int) -> None:
    if isinstance(said, Exception):
        raise Wrong(
            f"the broker had an alarm, and the function raised {type(said).__name__}.",
            "ConnectionBlockedTimeout is an AMQPError too. Catch it, also around the connection's "
            "`close`, and say what you then know.",
        )
    if said != "unknown":
        raise Wrong(
            f"the broker had an alarm, and the function said {said!r}; afterwards there "
            f"{'was' if found == 1 else 'were'} {found} in the queue.",
            "Nobody has confirmed it, and nobody has refused it: it is on its way. Say unknown.",
        )
    if found > 1:
        raise Wrong(
            f"the broker had an alarm, and afterwards the order was in the queue {found} times.",
            "Do not send again what is unknown: that is for the caller to decide.",
        )


# -- 5.6: a call with a deadline -----------------------------------------------------------------

PATIENCE, LATE = 0.4, 2.0  # seconds: a deadline to be kept, and when the answer comes after all
FIRST, LONG_ENOUGH = 4.0, 10.0  # seconds for an answer that is on its way
STRANGER = b"the answer to somebody else"
CALLS = {  # body of the question: how it is answered
    b"order 1": "at once",
    b"order 2": "after two answers to other questions",
    b"order 3": "twice",
    b"order 4": "at once",
    b"order 5": "too late, and answers to others all the while",
    b"order 6": "at once",
    b"order 7": "too late, and nothing before",
    b"order 8": "at once",
}


@grader("5.6")
def call(answer: Callable[[Any, str, bytes, float], bytes]) -> str:
    """Eight calls over one connection to a server with strangers, echoes and silence."""
    parameters, queue = up("rabbitmq", quiet=True).rabbitmq, fresh("exercise")
    with pika.BlockingConnection(parameters) as watcher:
        watcher.channel().queue_declare(queue, durable=True, arguments=CLASSIC)
        server, connection = _BadServer(parameters, queue), pika.BlockingConnection(parameters)
        server.start()
        server.ready.wait(timeout=20)
        try:
            for body, how in CALLS.items():
                if how.startswith("too late"):
                    _expect_given_up(answer, connection, queue, body, how)
                else:
                    _expect_answered(answer, connection, queue, body, how, server)
        finally:
            server.stopping.set()
            server.join(timeout=20)
            if connection.is_open:
                connection.close()
            watcher.channel().queue_delete(queue)
    return "eight calls: six right answers, two deadlines kept, among strangers and echoes."


class _BadServer(threading.Thread):
    """Answers each question in the way that ``CALLS`` has for it."""

    def __init__(self, parameters: pika.URLParameters, queue: str) -> None:
        super().__init__(daemon=True)
        self.ready, self.stopping = threading.Event(), threading.Event()
        self.asked = 0
        self.lacking: list[str] = []
        self._parameters = parameters
        self._queue = queue

    def run(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
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

        def say(text: bytes, key: str | None = properties.correlation_id) -> None:
            answer = pika.BasicProperties(correlation_id=key)
            channel.basic_publish("", properties.reply_to, text, answer)

        how = CALLS.get(body, "at once")
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
    try:
        said = answer(connection, queue, body, LONG_ENOUGH if server.asked else FIRST)
    except TimeoutError as error:
        raise _no_answer(body, how, server) from error
    if said == expected:
        return
    if isinstance(said, bytes) and said.startswith(b"the answer to "):
        raise Wrong(
            f"{body.decode()} was answered {how}, and the function returned {said.decode()!r}.",
            "Make a correlation id of its own for each call, and pass over every answer that has "
            "another one.",
        )
    raise Wrong(
        f"{body.decode()} was answered {how}, and the function returned {said!r}.",
        "Return the body of the answer as it came: bytes.",
    )


def _no_answer(body: bytes, how: str, server: _BadServer) -> Wrong:
    if not server.asked:
        return Wrong(
            "no question came to the server.",
            'Publish the body to the default exchange "" with the queue\'s name as the routing key.',
        )
    if server.lacking:
        return Wrong(
            f"the question has no {' and no '.join(server.lacking)}.",
            "Both are properties: `pika.BasicProperties(reply_to=…, correlation_id=…)`.",
        )
    return Wrong(
        f"{body.decode()} was answered {how}, and the function raised TimeoutError.",
        "An answer that isn't yours doesn't end the call: go on until yours is there or the "
        "deadline has passed.",
    )


def _expect_given_up(answer: Callable, connection: Any, queue: str, body: bytes, how: str) -> None:
    hint = (
        "Fix the deadline once, `time.monotonic() + timeout`, and give `process_data_events` no "
        "more than what is left of it, however many answers come."
    )
    began = time.monotonic()
    try:
        said = answer(connection, queue, body, PATIENCE)
    except TimeoutError as error:
        if time.monotonic() - began > 0.8 * LATE:
            raise Wrong(
                f"{body.decode()} was answered {how}, and TimeoutError came only with the answer.",
                hint,
            ) from error
        return
    if said == _answer_to(body):
        raise Wrong(f"{body.decode()} was answered {how}, and the function waited for it.", hint)
    raise Wrong(
        f"{body.decode()} was answered {how}, and the function returned {said!r}.",
        "When the deadline has passed, `raise TimeoutError`.",
    )
