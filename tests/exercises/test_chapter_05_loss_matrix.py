"""The grader of the lab on the loss matrix tells right answers from wrong ones."""

import secrets
import uuid
from collections import deque
from contextlib import suppress
from itertools import compress

import pika
import pytest
from pika.exceptions import AMQPConnectionError, AMQPError, NackError

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def keep_with(
    *,
    name=lambda: f"kept-{uuid.uuid4()}",
    kind=lambda wanted: wanted,
    confirms=True,
    mode=2,
    again=1,
    body=lambda order: order,
    early=False,
    once=False,
    answer=lambda queue, confirmed, orders: (queue, confirmed),
    refused_again=False,
    more=lambda wanted: {},
    **declaration,
):
    """A right answer, but for what it is told."""

    def keep(channel, wanted, orders):
        queue, confirmed = name(), []
        arguments = {"x-queue-type": kind(wanted), **more(wanted)}
        channel.queue_declare(queue, **{"durable": True, **declaration}, arguments=arguments)
        if confirms:
            channel.confirm_delivery()
        for order in dict.fromkeys(orders) if once else orders:
            if early:
                confirmed.append(order)
            try:
                properties = pika.BasicProperties(delivery_mode=mode)
                for _ in range(again):
                    channel.basic_publish("", queue, body(order), properties)
            except NackError:
                if refused_again:
                    with suppress(NackError):
                        channel.basic_publish("", queue, body(order), properties)
                continue
            except AMQPConnectionError:
                break
            if not early:
                confirmed.append(order)
        return answer(queue, confirmed, orders)

    return keep


def keep_by_promises(channel, kind, orders):
    """Right too: transient where the type keeps it all the same, and a tuple made at the end."""
    queue = f"kept.{kind}.{uuid.uuid4().hex}"
    declared = channel.queue_declare(
        queue=queue, durable=True, arguments={"x-queue-type": kind}
    ).method.queue
    channel.confirm_delivery()
    mode = 2 if kind == "classic" else 1
    kept = [False] * len(orders)
    for place, order in enumerate(orders):
        try:
            channel.basic_publish(
                exchange="",
                routing_key=declared,
                body=order.encode(),
                properties=pika.BasicProperties(delivery_mode=mode),
                mandatory=True,
            )
        except NackError:
            pass
        except AMQPError:
            break
        else:
            kept[place] = True
    return declared, list(compress(orders, kept))


def keep_by_a_generator(channel, kind, orders):
    """Right too, and otherwise: what is confirmed is yielded, until there is nothing more to say."""

    def confirmed(waiting):
        while waiting:
            order = waiting.popleft()
            try:
                channel.basic_publish(
                    routing_key=queue, exchange="", body=order.encode("utf-8"), properties=lasting
                )
            except NackError:
                continue
            except AMQPConnectionError:
                return
            yield order

    queue = f"{kind}-{secrets.token_hex(8)}"
    lasting = pika.BasicProperties(
        content_type="text/plain", delivery_mode=pika.DeliveryMode.Persistent.value
    )
    channel.queue_declare(queue, False, True, False, False, {"x-queue-type": kind})
    channel.confirm_delivery()
    return [queue, list(confirmed(deque(orders)))]


def first_refusal_ends_it(channel, kind, orders):
    queue, confirmed = f"kept-{uuid.uuid4()}", []
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
    channel.confirm_delivery()
    try:
        for order in orders:
            channel.basic_publish("", queue, order, pika.BasicProperties(delivery_mode=2))
            confirmed.append(order)
    except AMQPError:
        pass
    return queue, confirmed


def only_classic(**argument):
    return lambda kind: argument if kind == "classic" else {}


ANSWERS = {
    "5.9": Answers(
        right={
            "reference": keep_with(),
            "by promises": keep_by_promises,
            "by a generator": keep_by_a_generator,
        },
        wrong={
            "transient": ("transient", keep_with(mode=1)),
            "no confirms": ("promised_refused", keep_with(confirms=False)),
            "noted too early": ("promised_refused", keep_with(early=True)),
            "the first refusal ends it": ("promised_otherwise", first_refusal_ends_it),
            "all": ("promised_refused", keep_with(answer=lambda queue, _, orders: (queue, orders))),
            "none": ("promised_otherwise", keep_with(answer=lambda queue, *_: (queue, []))),
            "backwards": (
                "promised_otherwise",
                keep_with(answer=lambda queue, confirmed, _: (queue, confirmed[::-1])),
            ),
            "always quorum": ("wrong_type", keep_with(kind=lambda _: "quorum")),
            "expires": (
                "queue_does_not_last",
                keep_with(more=lambda kind: {} if kind == "stream" else {"x-expires": 90_000}),
            ),
            "a stream for an hour": (
                "queue_does_not_last",
                keep_with(more=lambda kind: {"x-max-age": "1h"} if kind == "stream" else {}),
            ),
            "at most a thousand": (
                "queue_does_not_last",
                keep_with(more=lambda kind: {} if kind == "stream" else {"x-max-length": 1000}),
            ),
            "twice": ("doubled", keep_with(again=2)),
            "another body": ("wrong_messages", keep_with(body=str.upper)),
            "without blanks": ("wrong_messages", keep_with(body=str.strip)),
            "each text once": ("promised_otherwise", keep_with(once=True)),
            "in ASCII": ("wrong_messages", keep_with(body=lambda o: o.encode("ascii", "ignore"))),
            "in Latin 1": ("wrong_messages", keep_with(body=lambda o: o.encode("latin-1"))),
            "refused, and sent again": ("doubled", keep_with(refused_again=True)),
            "only a name": ("no_pair", keep_with(answer=lambda queue, *_: queue)),
            "a made-up name": (
                "no_queue",
                keep_with(answer=lambda _, confirmed, __: ("orders-of-nobody", confirmed)),
            ),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
