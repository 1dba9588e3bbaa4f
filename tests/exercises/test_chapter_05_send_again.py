"""The grader of what is published again tells right answers from wrong ones."""

import hashlib
import secrets
import uuid
from contextlib import closing
from itertools import count

import pika
import pytest
from pika.exceptions import AMQPConnectionError, AMQPError, NackError, UnroutableError

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def publish_with(
    name=lambda order, number: str(uuid.uuid4()), again=True, tries=10**6, confirms=True, mode=2,
    body=str, close=True, restart=False, rename=False, refused=(), distinct=False, back=0, mandatory=True,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def publish_all(connect, queue, orders):
        orders = list(dict.fromkeys(orders)) if distinct else orders
        every = [(order, name(order, number)) for number, order in enumerate(orders)]
        waiting, losses = list(every), 0
        while waiting and losses < tries:
            connection = None
            try:
                connection = connect()
                channel = connection.channel()
                if confirms:
                    channel.confirm_delivery()
                while waiting:
                    order, own = waiting[0]
                    own = name(order, 0) if rename else own
                    properties = pika.BasicProperties(delivery_mode=mode, message_id=own)
                    channel.basic_publish("", queue, body(order), properties, mandatory)
                    waiting.pop(0)
            except AMQPConnectionError:
                losses += 1
                if not again:
                    waiting.pop(0)
                if restart:
                    waiting = list(every)
                if back and len(waiting) < len(every):
                    waiting = every[-len(waiting) - back :]
            except refused:
                waiting.pop(0)
            finally:
                if close and connection is not None and connection.is_open:
                    connection.close()

    return publish_all


def publish_one_by_one(connect, queue, orders):
    """Right too, and otherwise: a connection for each try."""
    for order in orders:
        properties = pika.BasicProperties(delivery_mode=2, message_id=uuid.uuid4().hex)
        confirmed = False
        while not confirmed:
            try:
                with connect() as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    channel.basic_publish("", queue, order.encode(), properties, mandatory=True)
                    confirmed = True
            except AMQPConnectionError:
                continue


def publish_by_a_generator(connect, queue, orders):
    """Right too, and otherwise: channels come from a generator, which closes what it has opened."""

    def channels():
        while True:
            try:
                with connect() as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    while channel.is_open:
                        yield channel
            except AMQPConnectionError:
                pass

    prefix = secrets.token_hex(16)
    with closing(channels()) as source:
        for number, order in enumerate(orders):
            label = pika.BasicProperties(message_id=f"{prefix}-{number}", delivery_mode=2)
            for channel in source:
                try:
                    channel.basic_publish("", queue, body=order, properties=label, mandatory=True)
                    break
                except AMQPConnectionError:
                    continue


def in_memory():
    """Right until the program is started again."""
    numbers = count(1)
    return publish_with(name=lambda order, number: str(next(numbers)))


def leave_it_to_the_caller(connect, queue, orders):
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for order in orders:
            properties = pika.BasicProperties(delivery_mode=2, message_id=str(uuid.uuid4()))
            channel.basic_publish("", queue, order, properties)


ANSWERS = {
    "5.7": Answers(
        right={
            "reference": publish_with(),
            "one by one": publish_one_by_one,
            "by a generator": publish_by_a_generator,
        },
        wrong={
            "a counter": ("same_id", in_memory()),
            "its number and hash": (
                "same_id",
                publish_with(name=lambda order, number: f"{number} of {len(order)}"),
            ),
            "a new name each time": ("new_id", publish_with(rename=True)),
            "its number": ("same_id", publish_with(name=lambda order, number: str(number))),
            "its text": (
                "same_id",
                publish_with(name=lambda order, _: hashlib.sha256(order.encode()).hexdigest()),
            ),
            "its number and text": (
                "same_id",
                publish_with(
                    name=lambda order, n: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{n} {order}"))
                ),
            ),
            "no name": ("no_id", publish_with(name=lambda order, number: None)),
            "one name for all": ("same_id", publish_with(name=lambda order, number: "order")),
            "each text once": ("lost", publish_with(distinct=True)),
            "not again": ("lost", publish_with(again=False)),
            "three tries": ("lost", publish_with(tries=3)),
            "from the beginning": ("doubled", publish_with(restart=True)),
            "one more, to be sure": ("doubled", publish_with(back=1)),
            "without confirms": ("refusal_not_noticed", publish_with(confirms=False)),
            "swallows the refusal": ("refusal_not_noticed", publish_with(refused=NackError)),
            "swallows everything": ("refusal_not_noticed", publish_with(refused=AMQPError)),
            "not mandatory": ("missing_queue_not_noticed", publish_with(mandatory=False)),
            "swallows that the queue is missing": (
                "missing_queue_not_noticed",
                publish_with(refused=UnroutableError),
            ),
            "transient": ("transient", publish_with(mode=1)),
            "left open": ("left_open", publish_with(close=False)),
            "blanks cut off": ("wrong_body", publish_with(body=str.strip)),
            "lower case": ("wrong_body", publish_with(body=str.lower)),
            "lets it out": ("raised", leave_it_to_the_caller),
            "hangs": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
