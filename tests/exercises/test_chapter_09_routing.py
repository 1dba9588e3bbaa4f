"""The grader of the lab on routing tells right answers from wrong ones."""

import copy

import pika
import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def forward_with(
    acknowledge="last", rest=slice(1, None), mandatory=True, requeue=False, fresh=False, mode=2,
    everywhere=False, times=1, at_the_end=True, own_body=False, catch=(), number=0, refused="reject",
    made=bytes, name=str, works=1, shorten=list, keeps=None, multiple="",
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def forward(channel, method, properties, body, work):
        slip = properties.headers["slip"]
        if acknowledge == "first":
            channel.basic_ack(method.delivery_tag)
        if not slip and not at_the_end:
            return channel.basic_ack(method.delivery_tag)
        try:
            for _ in range(works):
                result = made(work(body))
        except catch:
            return channel.basic_ack(method.delivery_tag)
        result = body if own_body else result
        headers = (
            {"slip": slip[rest]} if fresh else {**properties.headers, "slip": shorten(slip[rest])}
        )
        if keeps:
            fresh_ones = {name: getattr(properties, name) for name in keeps}
            properties = pika.BasicProperties(**fresh_ones)
        sent = pika.BasicProperties() if fresh else properties
        sent.headers, sent.delivery_mode = headers, mode or properties.delivery_mode
        targets = slip if everywhere else slip[number:][:1] if number >= 0 else slip[-1:]
        try:
            for queue in targets * times:
                channel.basic_publish("", name(queue), result, sent, mandatory=mandatory)
        except pika.exceptions.UnroutableError:
            if refused == "ack":
                return channel.basic_ack(method.delivery_tag)
            return channel.basic_nack(method.delivery_tag, multiple == "no", requeue=requeue)
        if acknowledge == "last":
            channel.basic_ack(method.delivery_tag, multiple=multiple == "yes")
        return None

    return forward


def forward_by_a_copy(channel, method, properties, body, work):
    onward = copy.deepcopy(properties)
    onward.delivery_mode = 2
    next_queue, *onward.headers["slip"] = properties.headers["slip"] or [None]
    made = work(body)
    if next_queue:
        try:
            channel.basic_publish(
                exchange="", routing_key=next_queue, body=made, properties=onward, mandatory=True
            )
        except pika.exceptions.UnroutableError:
            channel.basic_nack(delivery_tag=method.delivery_tag, requeue=False)
            return
    channel.basic_ack(delivery_tag=method.delivery_tag)


def forward_by_a_channel_of_its_own(channel, method, properties, body, work):
    slip = properties.headers["slip"]
    made = work(body)
    if slip:
        own = channel.connection.channel()
        own.confirm_delivery()
        properties.headers["slip"] = slip[1:]
        properties.delivery_mode = 2
        try:
            own.basic_publish("", slip[0], made, properties, mandatory=True)
        except pika.exceptions.UnroutableError:
            return channel.basic_reject(method.delivery_tag, requeue=False)
        finally:
            own.close()
    return channel.basic_ack(method.delivery_tag)


ANSWERS = {
    "9.8": Answers(
        right={
            "reference": forward_with(),
            "copy": forward_by_a_copy,
            "a channel of its own": forward_by_a_channel_of_its_own,
        },
        wrong={
            "acknowledged first": ("lost", forward_with(acknowledge="first")),
            "never acknowledged": ("kept", forward_with(acknowledge="never")),
            "not mandatory": ("lost", forward_with(mandatory=False)),
            "put back": ("kept", forward_with(requeue=True)),
            "unroutable acknowledged": ("lost", forward_with(refused="ack")),
            "the whole slip": ("wrong_slip", forward_with(rest=slice(None))),
            "an empty slip": ("wrong_slip", forward_with(rest=slice(0, 0))),
            "properties anew": ("wrong_properties", forward_with(fresh=True)),
            "as transient as it came": ("transient", forward_with(mode=None)),
            "to all at once": ("astray", forward_with(everywhere=True)),
            "to the last": ("astray", forward_with(number=-1)),
            "twice, to be safe": ("doubled", forward_with(times=2)),
            "no work at the end": ("no_work", forward_with(at_the_end=False)),
            "the body as it came": ("wrong_body", forward_with(own_body=True)),
            "failed work acknowledged": ("lost", forward_with(catch=Exception)),
            "blanks cut off": ("wrong_body", forward_with(made=bytes.strip)),
            "queues without blanks": ("set_aside", forward_with(name=str.strip)),
            "yes to all so far": ("spoke_for_others", forward_with(multiple="yes")),
            "no to all so far": ("spoke_for_others", forward_with(multiple="no")),
            "works twice": ("worked_twice", forward_with(works=2)),
            "each stop once": (
                "wrong_slip",
                forward_with(shorten=lambda slip: list(dict.fromkeys(slip))),
            ),
            "the best known properties": (
                "wrong_properties",
                forward_with(keeps=("headers", "message_id", "content_type", "correlation_id")),
            ),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
