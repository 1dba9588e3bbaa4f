"""Chapter 2's graders refuse the usual wrong answers, with a hint; the notebook runs the right ones."""

from __future__ import annotations

import math

import numpy
import pika
import pytest

from helpers import check

pytestmark = pytest.mark.usefixtures("live")


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def enough(backlog, arrivals, each, deadline):
    return math.ceil((backlog / deadline + arrivals) / each)


@pytest.mark.parametrize(
    "right",
    [
        enough,
        lambda b, a, e, d: -(-(b + a * d) // (e * d)),
        lambda *rush: numpy.int64(enough(*rush)),
    ],
    ids=["int", "float", "numpy"],
)
def test_enough_workers_pass(capsys, right):
    assert "✔" in said(capsys, "2.1", right)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda b, a, e, d: math.ceil(b / e), "with 1 worker there were still 35 messages"),
        (lambda b, a, e, d: math.ceil(b / d / e), "with 2 workers there were still 10 messages"),
        (lambda b, a, e, d: int((b / d + a) // e), "with 2 workers there were still 10 messages"),
        (lambda b, a, e, d: int((b / d + a) // e) + 1, "3 workers were in time, and 2 workers as well"),
        (lambda b, a, e, d: enough(b, a, e, d) + 1, "3 workers as well"),
        (lambda b, a, e, d: (b / d + a) / e, "returned 2.4"),
        (lambda b, a, e, d: (b + a) * e, "4000 workers"),
        (lambda b, a, e, d: None, "returned None"),
        (lambda b, a, e, d: math.inf, "returned inf"),
        (lambda b, a, e, d: math.nan, "returned nan"),
        (lambda b, a, e, d: True, "returned True"),
    ],
    ids=["backlog only", "arrivals forgotten", "rounded down", "one more always", "one too many",
         "not rounded", "multiplied", "nothing", "infinitely many", "not a number", "yes"],
)  # fmt: skip
def test_too_few_or_too_many_are_refused(capsys, wrong, words):
    output = said(capsys, "2.1", wrong)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def work_with(auto_ack=False, first=False, caught=(ValueError,), bad="aside", stop=None, ack=True):
    """A worker that gets right what it is told to, and no more."""

    def work(channel, queue, handle):
        channel.confirm_delivery()
        for _ in range(stop or 100):
            method, _, body = channel.basic_get(queue, auto_ack=auto_ack)
            if method is None:
                return
            if first:
                channel.basic_ack(method.delivery_tag)
            try:
                handle(body)
            except caught:
                if bad == "again":
                    channel.basic_reject(method.delivery_tag, requeue=True)
                    continue
                if bad == "acknowledged, then aside":
                    channel.basic_ack(method.delivery_tag)
                    channel.basic_publish("", f"{queue}.aside", body)
                    continue
                if bad == "aside":
                    channel.basic_publish("", f"{queue}.aside", body)
            if ack and not auto_ack and not first:
                channel.basic_ack(method.delivery_tag)

    return work


def work_by_generator(channel, queue, handle):
    """Right too, and otherwise: deliveries are pushed, and the queue is empty when none comes."""
    for method, _, body in channel.consume(queue, inactivity_timeout=0.3):
        if method is None:
            break
        try:
            handle(body)
        except ValueError:
            channel.basic_publish("", f"{queue}.aside", body)
        channel.basic_ack(method.delivery_tag)
    channel.cancel()


def work_aside_at_the_end(channel, queue, handle):
    """Right as well: it keeps what it can't read in hand until it has done the others."""
    kept = []
    while (message := channel.basic_get(queue))[0]:
        try:
            handle(message[2])
        except ValueError:
            kept.append(message)
        else:
            channel.basic_ack(message[0].delivery_tag)
    for method, _, body in kept:
        channel.basic_publish("", f"{queue}.aside", body)
        channel.basic_ack(method.delivery_tag)


@pytest.mark.parametrize(
    "right",
    [work_with(), work_by_generator, work_aside_at_the_end],
    ids=["get", "consume", "aside at the end"],
)
def test_a_careful_worker_passes(capsys, right):
    assert "✔" in said(capsys, "2.2", right)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (work_with(auto_ack=True), "order-5 was neither handled nor set aside"),
        (work_with(first=True), "order-5 was neither handled nor set aside"),
        (work_with(bad="again"), "came round and round"),
        (work_with(bad="dropped"), "order-3 can't be read, and is in neither queue"),
        (work_with(bad="acknowledged, then aside"), "order-3 can't be read, and is in neither queue"),
        (work_with(caught=()), "raised ValueError"),
        (work_with(ack=False), "back in the queue"),
        (work_with(stop=1), "returned before it had handled order-5"),
        (lambda channel, queue, handle: None, "returned before"),
    ],
    ids=["automatic", "acknowledged first", "requeued", "dropped", "acknowledged too early",
         "not caught", "not acknowledged", "one only", "nothing"],
)  # fmt: skip
def test_a_careless_worker_is_refused(capsys, wrong, words):
    output = said(capsys, "2.2", wrong)
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_an_untouched_worker_is_not_attempted(capsys):
    def stub(channel, queue, handle):
        raise NotImplementedError

    assert "not attempted" in said(capsys, "2.2", stub)


def test_queues_are_gone_afterwards(capsys, live):
    seen = []

    def work(channel, queue, handle):
        seen.append(queue)
        work_with()(channel, queue, handle)

    assert "✔" in said(capsys, "2.2", work)
    with pika.BlockingConnection(live.rabbitmq) as connection:
        for name in (seen[0], f"{seen[0]}.aside"):
            with pytest.raises(pika.exceptions.ChannelClosedByBroker):
                connection.channel().queue_declare(name, passive=True)
