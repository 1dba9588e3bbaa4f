"""The grader of the lab on message-oriented middleware: orders left all together, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import psutil

from ..waiting import WaitTimeout, wait_until
from .answers import NotAttempted, Wrong, ask
from .grading import grader

Answer = Callable[[Any, str, Iterator[str]], None]

END = "the end of the check"
FROZEN = 3.0  # seconds that the broker stands still
LATE = 1.0  # seconds after which what was sent has come
QUEUE = "orders"
TOGETHER = "Give `transaction=` to each send, and commit when you have all."
GO_ON = "Your caller must hear of it: let the exception go on."


class Trouble(Exception):  # noqa: N818 (what the orders raise)
    """An order can't be had."""


@grader("1.4")
def leave_all(answer: Answer, data: Random) -> str:
    """Orders that raise on the way, or can't be sent; a broker that stands still for the commit, and is
    killed afterwards."""
    from ..extras.artemis import Artemis

    orders = [f"order {n}" for n in data.sample(range(10**6), data.randint(5, 8))]
    broken = data.randint(2, 4)
    with Artemis() as broker:
        given = SimpleNamespace(stomp=broker.stomp)
        _make(broker, QUEUE)
        _expect_none(answer, broker, given, orders, broken)
        _expect_closed(broker)
        _expect_all_or_none(answer, broker, given, orders, broken)
        _expect_all(answer, broker, given, orders)
        _expect_nothing_more(answer, broker, given, data)
    return "all of them or none, in their order; confirmed, and there after the broker was killed."


def _expect_none(answer: Answer, broker: Any, given: Any, orders: list[str], broken: int) -> None:
    """The orders end in an exception, and in between somebody looks into the queue."""
    seen: list[str] = []

    def some() -> Iterator[str]:
        yield from orders[:broken]
        seen.extend(_look(broker))
        raise Trouble

    said = ask(answer, given, QUEUE, some(), may_raise=(Exception,))
    if isinstance(said, NotImplementedError):
        raise NotAttempted
    early = [*seen, *_look(broker)]
    if early:
        raise Wrong(
            "not_all_or_nothing",
            f"after {broken} orders there was an exception, and {early[0]!r} was in the queue.",
            TOGETHER,
        )
    if not isinstance(said, Trouble):
        raise Wrong(
            "swallowed",
            f"the orders raised Trouble, and your caller got {type(said).__name__}.",
            GO_ON,
        )


def _expect_all_or_none(
    answer: Answer, broker: Any, given: Any, orders: list[str], broken: int
) -> None:
    """One order is no text: sending it raises, also when all have been read before."""
    some = [*orders[:broken], broken, *orders[broken:]]
    said = ask(answer, given, QUEUE, iter(some), may_raise=(Exception,))
    found = _look(broker)
    if 0 < len(found) < len(some):
        raise Wrong(
            "not_all_or_nothing",
            f"order {broken + 1} was no text and could not be sent, and {found[0]!r} was in the queue.",
            TOGETHER,
        )
    if not (found or isinstance(said, Exception)):
        raise Wrong(
            "swallowed",
            "sending raised an exception, and your caller has not heard of it.",
            GO_ON,
        )


def _expect_all(answer: Answer, broker: Any, given: Any, orders: list[str]) -> None:
    """The broker stands still when the last order has come, goes on later, and is killed at the end."""
    went_on: list[float] = []

    def resume() -> None:
        went_on.append(time.monotonic())
        broker.resume()

    timer = threading.Timer(FROZEN, resume)

    def every() -> Iterator[str]:
        yield from orders
        broker.pause()
        timer.start()

    try:
        ask(answer, given, QUEUE, every())
        returned = time.monotonic()
    finally:
        if timer.is_alive() or went_on:
            timer.join()
        broker.resume()
    if not went_on:
        raise Wrong(
            "not_all", "the orders were not read to their end.", "Take them one after the other."
        )
    if returned < went_on[0]:
        raise Wrong(
            "not_confirmed",
            "the broker stood still, and the function returned all the same.",
            "Ask for a receipt of the commit (`receipt=`), and wait until it has come.",
        )
    _expect_closed(broker)
    broker.kill()
    broker.start()
    found = _take(broker)
    if found != orders:
        kind, hint = "not_in_order", "Each order once, in its order."
        if set(found) < set(orders):
            kind, hint = (
                "lost",
                "With the header `persistent:true` a STOMP message is kept on disk.",
            )
        elif set(found) != set(orders):
            kind, hint = "other_messages", "A message for each order, with its text and no more."
        raise Wrong(
            kind,
            f"the broker was killed when the function had returned; of {len(orders)} orders the queue "
            f"has {found or 'none'}.",
            hint,
        )


def _expect_nothing_more(answer: Answer, broker: Any, given: Any, data: Random) -> None:
    """Another queue, and another time: nothing is left from the first."""
    name, order = f"queue-{data.randrange(1000)}", f"order {data.randrange(1000)}"
    _make(broker, name)
    ask(answer, given, name, iter([order]))
    found = {queue: _take(broker, queue) for queue in (QUEUE, name)}
    if found != {QUEUE: [], name: [order]}:
        raise Wrong(
            "wrong_queue", f"one order was for {name!r}, and found is {found}.", "Use its name."
        )


def _expect_closed(broker: Any) -> None:
    port, mine = broker.stomp[1], psutil.Process()

    def closed() -> bool:
        found = [one for one in mine.net_connections("tcp") if one.raddr and one.raddr.port == port]
        return all(one.status in ("CLOSE_WAIT", "TIME_WAIT", "CLOSE") for one in found)

    try:
        wait_until(closed, "the connection to be closed", timeout=5)
    except WaitTimeout:
        raise Wrong(
            "left_open", "a connection was left open.", "Disconnect, whatever happens."
        ) from None


def _make(broker: Any, queue: str) -> None:
    """Have a queue of that name; of AMQP 1.0, Artemis would make it a topic."""
    import stomp

    made = threading.Event()

    class Listener(stomp.ConnectionListener):
        def on_receipt(self, _frame: Any) -> None:
            made.set()

    connection = stomp.Connection12([broker.stomp])
    connection.set_listener("", Listener())
    connection.connect(wait=True)
    connection.subscribe(f"/queue/{queue}", id="1", headers={"receipt": "made"})
    if not made.wait(20):
        raise RuntimeError("Artemis did not make a queue.")
    connection.disconnect()
    wait_until(lambda: not connection.is_connected(), "the connection to be closed")


def _look(broker: Any) -> list[str]:
    """What is in the queue, also if it comes a little later."""
    found, until = _take(broker), time.monotonic() + LATE
    while not found and time.monotonic() < until:
        time.sleep(0.2)
        found = _take(broker)
    return found


def _take(broker: Any, queue: str = QUEUE) -> list[str]:
    """All that is in a queue, up to what is put there now."""
    from proton import Message
    from proton.utils import BlockingConnection

    connection, found = BlockingConnection(broker.amqp, timeout=20), []
    connection.create_sender(queue).send(Message(END, durable=True))
    receiver = connection.create_receiver(queue, credit=1)
    while (text := _text(receiver.receive(timeout=20))) != END:
        receiver.accept()
        found.append(text)
    receiver.accept()
    connection.close()
    return found


def _text(message: Any) -> str:
    """What a message says; one that STOMP has sent with its length is of bytes."""
    body = message.body
    is_bytes = isinstance(body, bytes | memoryview)
    return bytes(body).decode(errors="replace") if is_bytes else str(body)
