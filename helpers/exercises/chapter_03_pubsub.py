"""The grader of the lab on Google Pub/Sub: what is published is there, and in order for each customer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from ..extras import need
from ..waiting import WaitTimeout, wait_until
from .answers import Wrong, ask
from .grading import grader
from .proxy import Proxy

Answer = Callable[[Any, str, list[tuple[str, str]]], None]
PROJECT = "projects/check"
PATIENCE = 5.0  # seconds until something is handed out


@grader("3.7")
def published(answer: Answer, data: Random) -> str:
    """The first customer's first order stays unfinished, until all that others have is done."""
    need("pubsub")
    from google.api_core.exceptions import GoogleAPIError
    from google.cloud import pubsub_v1

    from ..extras import pubsub

    customers = [f"customer-{number}" for number in data.sample(range(1000), 3)]
    named = [*customers, *(data.choice(customers) for _ in range(8)), customers[0]]
    numbers = data.sample(range(10**6), len(named))
    orders = [(name, f"order {n} of Zoë") for name, n in zip(named, numbers, strict=True)]
    with pubsub.Server() as server:
        _, subscriber = pubsub.connect(server.address)
        settings = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
        slowly = pubsub_v1.types.BatchSettings(max_latency=1.0)  # seconds; a pull waits for 0.5
        publisher, _ = pubsub.connect(server.address, slowly, settings)
        topic = publisher.create_topic(name=f"{PROJECT}/topics/orders").name
        place = {"name": f"{PROJECT}/subscriptions/all", "topic": topic}
        wanted = {**place, "ack_deadline_seconds": 600, "enable_message_ordering": True}
        subscription = subscriber.create_subscription(request=wanted).name
        ask(answer, publisher, topic, list(orders))
        _expect_order(subscriber, subscription, orders)

        def astray(publish: Callable, topic: str, *arguments: Any, **options: Any) -> Any:
            first = proxy.calls["publish"] == 1
            place = f"{PROJECT}/topics/nowhere" if first else topic
            return publish(place, *arguments, **options)

        proxy = Proxy(publisher, publish=astray)
        said = ask(answer, proxy, topic, orders[:2], may_raise=(GoogleAPIError, TimeoutError))
        if said is None:
            raise Wrong(
                "swallowed",
                "the first of two orders could not be stored, and your caller heard nothing.",
                "`result()` of each promise raises what went wrong: let it go on.",
            )
        publisher.stop()
        subscriber.close()
    return "all are stored, each customer's in their order, and nobody waits for another's."


def _expect_order(subscriber: Any, subscription: str, orders: list[tuple[str, str]]) -> None:
    """The first order that is handed out stays in somebody's hands until nothing else comes."""
    held = orders[0]
    found: list[tuple[str, str]] = []
    first_hand: list[str] = []

    def take() -> bool:
        """Take what is handed out, and acknowledge all but what is held."""
        batch = subscriber.pull(subscription=subscription, max_messages=100).received_messages
        for one in batch:
            text = (one.message.ordering_key, one.message.data.decode(errors="replace"))
            found.append(text)
            if text[1] == held[1] and not first_hand:
                first_hand.append(one.ack_id)
            else:
                subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id])
        return bool(batch)

    stored = take()
    while take():
        pass
    if not stored:
        raise Wrong(
            "not_stored",
            f"your function had returned, and of {len(orders)} orders none was stored.",
            "Keep what `publish` returns, and call `result()` of each before you return.",
        )
    texts = [text for _, text in found]
    others = [order for name, order in orders if name != held[0]]
    waiting = [order for order in others if order not in texts]
    if waiting and first_hand:
        raise Wrong(
            "waits",
            f"with {held[1]!r} of {held[0]} unfinished, {waiting[0]!r} of another customer did not come.",
            "Give each customer an ordering key of their own.",
        )
    early = [order for name, order in orders[1:] if name == held[0] and order in texts]
    if early and first_hand:
        raise Wrong(
            "not_in_order",
            f"{early[0]!r} of {held[0]} came before {held[1]!r} was finished.",
            "Give all orders of a customer the same ordering key.",
        )
    if first_hand:
        subscriber.acknowledge(subscription=subscription, ack_ids=first_hand)
    complete = lambda: not take() and len(found) >= len(orders)  # noqa: E731
    with suppress(WaitTimeout):
        wait_until(complete, "", PATIENCE)
    texts = [text for _, text in found]
    for name in {name for name, _ in orders}:
        mine = [order for owner, order in orders if owner == name]
        got = [text for text in texts if text in mine]
        if got != mine:
            lost = [order for order in mine if order not in got]
            raise Wrong(
                "lost" if lost else "not_in_order",
                f"{name} has ordered {mine}, and what came is {got}.",
                "Publish each order once, in the list's order, as UTF-8.",
            )
    if len(texts) != len(orders):
        raise Wrong(
            "not_once", f"{len(texts)} messages came for {len(orders)} orders.", "Each once."
        )
