"""Grader of the lab on NATS: a packer that loses nothing, and stops at the right moment."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ..extras import need
from ..extras.nats import Server
from .answers import Wrong, stop
from .grading import grader
from .lives import KILLED, Journal, die, live

if TYPE_CHECKING:
    from nats.aio.client import Client

Handle = Callable[[bytes], None]
Work = Callable[[Any, Handle], Awaitable[None]]
ENDLESS = 25  # calls for one order, which nobody needs
PATIENCE = 12.0  # seconds for a life of a packer


class Plan(NamedTuple):
    """What goes wrong, and with which orders."""

    orders: list[str]
    unreadable: set[str]
    unanswered: set[str]
    dies_before: list[str]
    dies_after: list[str]


@grader("3.3")
def packs(work: Work, data: Random) -> str:
    """Twelve orders; two can't be read, two need a second try, and four times the packer dies."""
    need("nats")
    names = [f"order-{number}" for number in data.sample(range(100, 999), 12)]
    drawn = data.sample(names, 8)
    plan = Plan(names, set(drawn[:2]), set(drawn[2:4]), drawn[4:6], drawn[6:])
    with Server() as server:
        _aside(_fill(server.url, plan.orders))
        journal = Journal()
        for _ in range(len(plan.dies_before) + len(plan.dies_after) + 1):
            if _life(work, server.url, plan, journal) is not KILLED:
                break
        _judge(plan, journal, *_aside(_left(server.url)))
    return "each order is packed, twice only if a death caught it, and nothing is left."


async def _connect(url: str) -> Client:
    import nats  # not before it is needed: other graders of the chapter do without

    return await nats.connect(url)


async def _fill(url: str, orders: list[str]) -> None:
    client = await _connect(url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="ORDERS", subjects=["orders"])
    await jetstream.add_consumer("ORDERS", durable_name="packers", ack_wait=1)
    for order in orders:
        await jetstream.publish("orders", order.encode())
    await client.close()


async def _left(url: str) -> tuple[int, int]:
    """How many orders were never fetched, and how many never acknowledged."""
    client = await _connect(url)
    found = await client.jetstream().consumer_info("ORDERS", "packers")
    await client.close()
    return found.num_pending or 0, found.num_ack_pending or 0


def _life(work: Work, url: str, plan: Plan, journal: Journal) -> object:
    """One process of the packer's: until it returns, or is killed."""
    told = journal.read()
    died = {order for what, order in told if what == "dies"}

    def handle(body: bytes) -> None:
        order = bytes(body).decode()
        journal.note("called", order)
        calls = sum(entry == ["called", order] for entry in journal.read())
        if calls > ENDLESS:
            stop(
                Wrong(
                    "endless",
                    f"{order} was given to handle() more than {ENDLESS} times.",
                    "What nobody can read comes again after nak(), at once and for ever. term() "
                    "ends it.",
                )
            )
        if order in plan.unreadable:
            raise ValueError(f"{order} can't be read")
        if order in plan.unanswered and calls == 1:
            raise ConnectionError("the packing machine doesn't answer")
        if order in plan.dies_before and order not in died:
            journal.note("dies", order)
            die()
        journal.note("packed", order)
        if order in plan.dies_after and order not in died:
            journal.note("dies", order)
            die()

    async def begin() -> None:
        client = await _connect(url)
        try:
            promised = work(client.jetstream(), handle)
            if not isinstance(promised, Awaitable):
                stop(
                    Wrong(
                        "not_async",
                        "the function is an ordinary one.",
                        "Write `async def work(…)`: it talks to the server by `await`.",
                    )
                )
            await promised
        finally:
            await client.close()

    def run() -> None:
        logging.getLogger("nats").setLevel(logging.CRITICAL)
        asyncio.run(begin())

    late = Wrong(
        "no_deadline",
        f"your code was still running after {PATIENCE:g} s and was stopped.",
        "Every order needs its word: ack_sync(), nak() or term(). What gets none comes again each "
        "second. And return when num_pending and num_ack_pending are both 0.",
    )
    return live(work, run, seconds=PATIENCE, late=late)


def _judge(plan: Plan, journal: Journal, unfetched: int, unacknowledged: int) -> None:
    told = journal.read()
    packed = Counter(order for what, order in told if what == "packed")
    called = Counter(order for what, order in told if what == "called")
    good = [order for order in plan.orders if order not in plan.unreadable]
    if never := [order for order in plan.orders if not called[order]]:
        _expect_all_tried(never, unfetched, unacknowledged)
    for order in good:
        if not packed[order]:
            _raise_lost(order, plan, unfetched + unacknowledged)
        may = 2 if order in plan.dies_after else 1
        if packed[order] > may:
            raise Wrong(
                "repeated",
                f"{order} was packed {packed[order]} times; {_fate(order, plan)}.",
                "A worker that dies takes with it what it has only begun to say. `ack_sync` waits "
                "until the server knows that an order is done; then begin with the next one. And "
                "the consumer `packers` remembers what is done; another one doesn't.",
            )
    if unfetched or unacknowledged:
        raise Wrong(
            "left",
            f"the function has returned, and the consumer still has {unfetched} orders to deliver "
            f"and waits for the acknowledgement of {unacknowledged}.",
            "Return when both num_pending and num_ack_pending are 0. What a dead worker had in "
            "hand comes again after the second that the server waits for it.",
        )


def _expect_all_tried(never: list[str], unfetched: int, unacknowledged: int) -> None:
    left = unfetched + unacknowledged
    raise Wrong(
        "left" if left else "lost",
        f"{len(never)} orders were never given to handle(), {never[0]} for one, and the consumer "
        f"has {left} left.",
        "Acknowledge an order after it is packed. Return when num_pending and num_ack_pending are "
        "both 0: what a dead worker had fetched comes again only after a second.",
    )


def _raise_lost(order: str, plan: Plan, left: int) -> None:
    raise Wrong(
        "left" if left else "lost",
        f"{order} was never packed; {_fate(order, plan)}. The consumer has {left} orders left.",
        "Acknowledge an order after it is packed, not before; answer a ConnectionError with nak(), "
        "so that the order comes again; and wait for what comes again.",
    )


def _fate(order: str, plan: Plan) -> str:
    if order in plan.unanswered:
        return "at the first try the packing machine didn't answer"
    if order in plan.dies_before:
        return "the packer was killed once, right before it was packed"
    if order in plan.dies_after:
        return "the packer was killed once, right after it was packed"
    return "nobody died while it was packed"


def _aside(doing: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end in a thread: this one may have a loop that is running already."""
    said: list[Any] = []
    thread = threading.Thread(target=lambda: said.append(asyncio.run(doing)))
    thread.start()
    thread.join()
    if not said:
        raise RuntimeError("the NATS server of the check does not answer")
    return said[0]
