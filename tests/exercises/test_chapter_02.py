"""Chapter 2's graders tell right answers from wrong ones."""

from __future__ import annotations

import math

import numpy
import pika
import pytest

from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def enough(backlog, arrivals, each, deadline):
    return math.ceil((backlog / deadline + arrivals) / each)


def work_with(auto_ack=False, first=False, caught=(ValueError,), bad="aside", stop=None, ack=True,
              confirms=True, mode=2, twice=False, text=None, same=False, refused=None,
              change=lambda body: body):  # fmt: skip
    """A worker that gets right what it is told to, and no more."""

    def work(channel, queue, handle):
        if confirms:
            channel.confirm_delivery()
        persistent = pika.BasicProperties(delivery_mode=mode)
        for _ in range(stop or 100):
            method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
            if method is None:
                return
            if same:
                persistent = properties
            if first:
                channel.basic_ack(method.delivery_tag)
            try:
                handle(text or body)
                if twice:
                    handle(body)
            except caught:
                if bad == "again":
                    channel.basic_reject(method.delivery_tag, requeue=True)
                    continue
                if bad == "acknowledged, then aside":
                    channel.basic_ack(method.delivery_tag)
                    channel.basic_publish("", f"{queue}.aside", body, persistent)
                    continue
                if bad == "aside":
                    try:
                        aside = f"{queue}.aside"
                        channel.basic_publish("", aside, change(body), persistent)
                    except pika.exceptions.NackError:
                        if refused is None:
                            raise
                        if refused == "again":
                            channel.basic_nack(method.delivery_tag)
                            continue
            if ack and not auto_ack and not first:
                channel.basic_ack(method.delivery_tag)

    return work


def work_by_generator(channel, queue, handle):
    """Right too, and otherwise: deliveries are pushed, and the queue is empty when none comes."""
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)
    for method, _, body in channel.consume(queue, inactivity_timeout=0.3):
        if method is None:
            break
        try:
            handle(body)
        except ValueError:
            channel.basic_publish("", f"{queue}.aside", body, PERSISTENT)
        channel.basic_ack(method.delivery_tag)
    channel.cancel()


def work_aside_at_the_end(channel, queue, handle):
    """Right as well: it keeps what it can't read in hand until it has done the others."""
    kept = []
    channel.confirm_delivery()
    while (message := channel.basic_get(queue))[0]:
        try:
            handle(message[2])
        except ValueError:
            kept.append(message)
        else:
            channel.basic_ack(message[0].delivery_tag)
    for method, _, body in kept:
        channel.basic_publish("", f"{queue}.aside", body, PERSISTENT)
        channel.basic_ack(method.delivery_tag)


def work_stubbornly(channel, queue, handle):
    """What can't be read once is tried once more."""

    def stubborn(body):
        try:
            handle(body)
        except ValueError:
            handle(body)

    work_with()(channel, queue, stubborn)


def work_with_texts(channel, queue, handle):
    work_with()(channel, queue, lambda body: handle(body.decode()))


def work_until_the_last(channel, queue, handle):
    """When it has an order, it asks how many are left; with none left, it goes home."""
    channel.confirm_delivery()
    while (message := channel.basic_get(queue))[0] and message[0].message_count:
        try:
            handle(message[2])
        except ValueError:
            channel.basic_publish("", f"{queue}.aside", message[2], PERSISTENT)
        channel.basic_ack(message[0].delivery_tag)


def work_each_body_once(channel, queue, handle):
    """Two orders of the same body are one to it."""
    done = set()

    def handle_new(body):
        if body not in done:
            done.add(body)
            handle(body)

    work_with()(channel, queue, handle_new)


seen = set()


def work_by_memory(channel, queue, handle):
    """Knows in memory what it has done, and acknowledges at the end."""
    channel.confirm_delivery()
    last = None
    while (message := channel.basic_get(queue))[0]:
        method, _, body = message
        if body not in seen:
            seen.add(body)
            try:
                handle(body)
            except ValueError:
                channel.basic_publish("", f"{queue}.aside", body, PERSISTENT)
        last = method.delivery_tag
    if last:
        channel.basic_ack(last, multiple=True)


def work_and_ignore_all(channel, queue, handle):
    """Whatever happens, the order is done with."""
    while (message := channel.basic_get(queue))[0]:
        try:
            handle(message[2])
        except:  # noqa: E722
            channel.basic_publish("", f"{queue}.aside", message[2], PERSISTENT)
        channel.basic_ack(message[0].delivery_tag)


ANSWERS = {
    "2.1": Answers(
        right={
            "reference": enough,
            "float": lambda b, a, e, d: -(-(b + a * d) // (e * d)),
            "numpy": lambda *rush: numpy.int64(enough(*rush)),
        },
        wrong={
            "arrivals forgotten": ("too_few", lambda b, a, e, d: math.ceil(b / d / e)),
            "rounded down": ("too_few", lambda b, a, e, d: max(1, int((b / d + a) // e))),
            "round": ("too_few", lambda b, a, e, d: max(1, round((b / d + a) / e))),
            "round plus half": (
                "too_many",
                lambda b, a, e, d: max(1, round((b / d + a) / e + 0.5)),
            ),
            "three quarters": ("too_few", lambda b, a, e, d: max(1, int((b / d + a) / e + 0.75))),
            "one more always": ("too_many", lambda b, a, e, d: int((b / d + a) // e) + 1),
            "one too many": ("too_many", lambda *rush: enough(*rush) + 1),
            "floors first": ("too_few", lambda b, a, e, d: max(1, math.ceil((b // d + a) / e))),
            "rounds twice": (
                "too_many",
                lambda b, a, e, d: math.ceil(b / (e * d)) + math.ceil(a / e),
            ),
            "multiplied": ("too_many", lambda b, a, e, d: (b + a) * e),
            "not rounded": ("no_whole_number", lambda b, a, e, d: (b / d + a) / e + 0.001),
            "nothing": ("no_whole_number", lambda *rush: None),
            "infinitely many": ("no_whole_number", lambda *rush: math.inf),
            "not a number": ("no_whole_number", lambda *rush: math.nan),
            "yes": ("no_whole_number", lambda *rush: True),
            "text": ("no_whole_number", lambda *rush: str(enough(*rush))),
        },
    ),
    "2.2": Answers(
        right={
            "reference": work_with(),
            "consume": work_by_generator,
            "aside at the end": work_aside_at_the_end,
        },
        wrong={
            "each body once": ("lost", work_each_body_once),
            "automatic": ("acknowledged_before_effect", work_with(auto_ack=True)),
            "acknowledged first": ("acknowledged_before_effect", work_with(first=True)),
            "acknowledged, then aside": (
                "acknowledged_before_effect",
                work_with(bad="acknowledged, then aside"),
            ),
            "dropped": ("acknowledged_before_effect", work_with(bad="dropped")),
            "requeued": ("round_and_round", work_with(bad="again")),
            "handled twice": ("repeated", work_with(twice=True)),
            "memory": ("lost", work_by_memory),
            "no confirms": ("refusal_not_noticed", work_with(confirms=False)),
            "ignores all": ("refusal_not_noticed", work_and_ignore_all),
            "transient": ("transient", work_with(mode=1)),
            "as it came": ("transient", work_with(same=True)),
            "text of bytes": ("acknowledged_before_effect", work_with(change=str)),
            "stripped": ("acknowledged_before_effect", work_with(change=bytes.strip)),
            "refused, acknowledged": ("refusal_not_noticed", work_with(refused="done")),
            "refused, again": ("round_and_round", work_with(refused="again")),
            "stubborn": ("repeated", work_stubbornly),
            "texts": ("set_aside_wrongly", work_with_texts),
            "all but the last": ("left_in_queue", work_until_the_last),
            "not caught": ("raised", work_with(caught=())),
            "not acknowledged": ("left_in_queue", work_with(ack=False)),
            "one only": ("left_in_queue", work_with(stop=1)),
            "nothing": ("left_in_queue", lambda channel, queue, handle: None),
            "other text": ("wrong_body", work_with(text=b"order")),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
