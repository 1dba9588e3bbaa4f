"""The smallest suite, to begin your own with: the consumer is killed, and each order has its line.

The system is one program, ``consumer.py --broker URL --queue NAME --file FILE``: it takes orders from
the queue, and appends each to the file as a line.
"""

from urllib.parse import quote

import pika

from helpers import clients, fresh, up

LOST = "what had the consumer been handed when it was killed, and who remembers it?"


def trial(trial):
    """One trial, from an empty queue to the promises."""
    brokers, queue, file = up("rabbitmq", quiet=True), fresh("orders"), trial.space / "orders"
    trial.stack.callback(delete, brokers, queue)
    orders = [str(order) for order in trial.data.sample(range(1000), 20)]
    half = trial.data.randint(5, 15)
    file.touch()

    def missing(some):
        return set(some) - set(file.read_text().split())

    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel = connection.channel()
        clients.declare_queue(channel, queue)
        consumer = trial.start(
            "consumer.py", "--broker", address(brokers.rabbitmq), "--queue", queue, "--file", file
        )
        clients.publish(channel, queue, orders[:half])
        trial.wait_until(lambda: not missing(orders[:half]), "the first orders")
        consumer.pause()
        clients.publish(channel, queue, orders[half:])
        consumer.kill()
        trial.struck(f"the consumer was killed when {len(orders) - half} orders were on their way")
        trial.wait_until(lambda: not missing(orders), "all orders", 10)

    trial.promise("nothing_lost", "Each order has its line", missing(orders), LOST)
    trial.promise_to_run()


def address(broker):
    """Where the consumer connects: our own broker, or one that is somebody else's."""
    user, password = broker.credentials.username, broker.credentials.password
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"amqp://{login}@{broker.host}:{broker.port}/{quote(broker.virtual_host, safe='')}"


def delete(brokers, queue):
    """The trial may run in a notebook, which has queues of its own."""
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        connection.channel().queue_delete(queue)
