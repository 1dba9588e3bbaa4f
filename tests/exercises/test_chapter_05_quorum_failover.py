"""The grader of the lab on failover tells right answers from wrong ones."""

from contextlib import suppress
from itertools import cycle

import pika
import pytest
from pika.exceptions import AMQPConnectionError, AMQPError, NackError

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def deliver_with(
    *,
    confirms=True,
    mode=2,
    again_in_doubt=False,
    again_refused=True,
    new_channel=True,
    next_node=True,
    turn=lambda nodes: nodes,
    most=10**6,
    closes=True,
    closes_channels=True,
    guarded=True,
    listed=list,
    body=lambda order: order,
    answer=lambda orders, doubt: doubt,
):
    """A right answer, but for what it is told."""

    def deliver(nodes, queue, orders):
        around = cycle(turn(nodes) if next_node else nodes[:1])
        connection = channel = None
        doubt = []

        def connect():
            nonlocal connection
            while True:
                with suppress(AMQPConnectionError):
                    connection = next(around)()
                    return open_channel()

        def open_channel():
            opened = connection.channel()
            if confirms:
                opened.confirm_delivery()
            return opened

        for order in listed(orders):
            for _ in range(most):
                if connection is None or not connection.is_open:
                    channel = connect()
                elif channel is None:
                    try:
                        channel = open_channel()
                    except AMQPConnectionError:
                        if not guarded:
                            raise
                        continue
                properties = pika.BasicProperties(delivery_mode=mode)
                try:
                    channel.basic_publish("", queue, body(order), properties)
                    break
                except NackError:
                    if not again_refused:
                        doubt.append(order)
                        break
                    if new_channel:
                        if closes_channels:
                            channel.close()
                        channel = None
                except AMQPConnectionError:
                    doubt.append(order)
                    if not again_in_doubt:
                        break
        if closes and connection is not None and connection.is_open:
            connection.close()
        return answer(orders, doubt)

    return deliver


def deliver_by_connections(nodes, queue, orders):
    """Right too: a new connection after every trouble, and orders taken from the front."""
    waiting, doubt, turn = list(orders), [], 0
    while waiting:
        try:
            connection = nodes[turn % len(nodes)]()
        except AMQPError:
            turn += 1
            continue
        with connection:
            try:
                channel = connection.channel()
                channel.confirm_delivery()
            except AMQPConnectionError:
                turn += 1
                continue
            try:
                while waiting:
                    persistent = pika.BasicProperties(delivery_mode=2)
                    channel.basic_publish(
                        exchange="",
                        routing_key=queue,
                        body=waiting[0].encode(),
                        properties=persistent,
                        mandatory=True,
                    )
                    del waiting[0]
            except NackError:
                pass
            except AMQPConnectionError:
                doubt.append(waiting.pop(0))
                turn += 1
    return doubt


class Sender:
    """A connection that moves to the next node, and the channel to publish on."""

    def __init__(self, nodes, stays=False):
        self.stays, self.nodes, self.node = stays, nodes, 0
        self.connection = self.channel = None

    def connect(self):
        while self.channel is None:
            try:
                self.connection = self.connection or self.nodes[self.node]()
                self.channel = self.connection.channel()
                self.channel.confirm_delivery()
            except AMQPConnectionError:
                self.move()

    def move(self):
        self.connection = self.channel = None
        if not self.stays:
            self.node = (self.node + 1) % len(self.nodes)

    def send(self, queue, order):
        if self.channel is None:
            self.connect()
        try:
            self.channel.basic_publish("", queue, order, pika.BasicProperties(delivery_mode=2))
        except NackError:
            self.channel.close()
            self.channel = None
            return self.send(queue, order)
        except AMQPConnectionError:
            self.move()
            return False
        return True


def deliver_by_a_sender(nodes, queue, orders, stays=False):
    """Right too, and otherwise: an object that keeps the connection."""
    sender = Sender(nodes, stays)
    try:
        return [order for order in orders if not sender.send(queue, order)]
    finally:
        if sender.connection is not None:
            sender.connection.close()


def deliver_by_one_that_stays(nodes, queue, orders):
    """Tries the node first that died."""
    return deliver_by_a_sender(nodes, queue, orders, stays=True)


def first_error_ends_it(nodes, queue, orders):
    with nodes[0]() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for position, order in enumerate(orders):
            try:
                channel.basic_publish("", queue, order, pika.BasicProperties(delivery_mode=2))
            except AMQPError:
                return orders[position:]
    return []


def everything_again(nodes, queue, orders):
    """Begins from the first order at each node."""
    doubt = []
    for node in cycle(nodes):
        try:
            with node() as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                for order in orders:
                    doubt = [order]
                    channel.basic_publish("", queue, order, pika.BasicProperties(delivery_mode=2))
            return []
        except AMQPError:
            continue
    return doubt


ANSWERS = {
    "5.10": Answers(
        right={
            "reference": deliver_with(),
            "by connections": deliver_by_connections,
            "by a sender": deliver_by_a_sender,
        },
        wrong={
            "in doubt is sent again": ("sent_again", deliver_with(again_in_doubt=True)),
            "refused is in doubt": ("lost", deliver_with(again_refused=False)),
            "no confirms": ("lost", deliver_with(confirms=False)),
            "keeps a channel": ("kept_channel", deliver_with(new_channel=False)),
            "keeps a node": ("kept_node", deliver_with(next_node=False)),
            "transient": ("transient", deliver_with(mode=1)),
            "another body": ("lost", deliver_with(body=str.upper)),
            "one more for each refusal": ("left_channels", deliver_with(closes_channels=False)),
            "a channel is not had": ("raised", deliver_with(guarded=False)),
            "the dead one again": ("kept_node", deliver_by_one_that_stays),
            "without blanks": ("lost", deliver_with(body=str.strip)),
            "backwards around": ("skipped_node", deliver_with(turn=lambda nodes: nodes[::-1])),
            "each text once": ("lost", deliver_with(listed=dict.fromkeys)),
            "three tries": ("lost", deliver_with(most=3)),
            "left open": ("left_open", deliver_with(closes=False)),
            "doubt forgotten": ("wrong_doubt", deliver_with(answer=lambda *_: [])),
            "what is confirmed": (
                "wrong_doubt",
                deliver_with(answer=lambda orders, doubt: [o for o in orders if o not in doubt]),
            ),
            "all is in doubt": ("wrong_doubt", deliver_with(answer=lambda orders, _: orders)),
            "a number": ("no_list", deliver_with(answer=lambda _, doubt: len(doubt))),
            "backwards": ("wrong_doubt", deliver_with(answer=lambda _, doubt: doubt[::-1])),
            "the first error ends it": ("raised", first_error_ends_it),
            "everything again": ("doubled", everything_again),
            "does nothing": ("lost", lambda *_: []),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
