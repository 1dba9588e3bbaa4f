"""A client of message-oriented middleware: STOMP to send and subscribe, AMQP 1.0 to take what is in a queue.

`broker` is one of the lab's own. A queue's destination is written "/queue/orders" in STOMP, "orders" in
AMQP 1.0, and a topic's "/topic/orders".
"""

from itertools import count

import stomp
from proton import Message
from proton.utils import BlockingConnection

from helpers import wait_until

END = "end"  # what comes last
numbers = count(1)


class Post(stomp.ConnectionListener):
    """What has come over a connection: the messages, and the broker's receipts."""

    def __init__(self):
        self.messages, self.receipts = [], set()

    def on_message(self, frame):
        self.messages.append(frame)

    def on_receipt(self, frame):
        self.receipts.add(frame.headers["receipt-id"])

    def bodies(self):
        """What the messages say."""
        return [frame.body for frame in self.messages]


def connect(broker, client_id=None):
    """A STOMP connection, and what comes over it."""
    connection, post = stomp.Connection12([broker.stomp], auto_content_length=False), Post()
    connection.set_listener("post", post)
    connection.connect(wait=True, headers={"client-id": client_id} if client_id else {})
    return connection, post


def send(broker, destination, orders, ledger=None, persistent=True):
    """Send orders, and wait for the receipt of each."""
    connection, post = connect(broker)
    headers = {"persistent": "true"} if persistent else {}
    for order in orders:
        if ledger:
            ledger.attempt(order)
        receipt = f"receipt-{next(numbers)}"
        connection.send(destination, str(order), headers=headers, receipt=receipt)
        wait_until(lambda: receipt in post.receipts, f"the {receipt} of the broker")  # noqa: B023
        if ledger:
            ledger.acknowledge(order)
    connection.disconnect()


def take_all(broker, queue):
    """What is in a queue, in its order; then it is empty."""
    connection = BlockingConnection(broker.amqp, timeout=20)
    connection.create_sender(queue).send(Message(END, durable=True))
    receiver, taken = connection.create_receiver(queue, credit=1), []
    while (body := receiver.receive(timeout=20).body) != END:
        receiver.accept()
        taken.append(body)
    receiver.accept()
    connection.close()
    return taken


def before_the_end(post):
    """What has come over a connection, as soon as the end has."""
    wait_until(lambda: END in post.bodies(), "the last message of all", timeout=20)
    return post.bodies()[: post.bodies().index(END)]


def subscribe(broker, topic, name=None):
    """A subscription; with a name, a durable one."""
    connection, post = connect(broker, client_id=name)
    options = {"durable-subscription-name": name} if name else {}
    receipt = f"receipt-{next(numbers)}"
    connection.subscribe(topic, id="1", ack="auto", headers={**options, "receipt": receipt})
    wait_until(lambda: receipt in post.receipts, "the subscription")
    return connection, post


def leave(connection, post):
    """End the connection of a subscription; the broker sends nothing more by it when this returns."""
    receipt = f"receipt-{next(numbers)}"
    connection.unsubscribe(id="1", receipt=receipt)
    wait_until(lambda: receipt in post.receipts, "the broker to have heard of it")
    connection.disconnect()
