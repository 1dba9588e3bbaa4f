"""A colleague with an account on RabbitMQ, who reads orders until somebody stops her.

Account and queue have the same name. `reader()` connects, and returns a function that reads what has
come, within two seconds; it raises what she is refused by. The notebook calls it, in its own process.
"""

from helpers import wait_until

from .attackers import refusal


class OnRabbitMQ:
    """`connect` opens a connection as a user with a password; `ctl` is rabbitmqctl."""

    def __init__(self, name, connect, ctl):
        self.name, self.connect, self.ctl = name, connect, ctl
        self.shop = connect("shop", "its own").channel()
        self.shop.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})

    def take(self, what):
        """Take the right to read, the password or the account away from her."""
        commands = {
            "right": ["clear_permissions", self.name],
            "password": ["change_password", self.name, "another"],
            "account": ["delete_user", self.name],
        }
        self.ctl(*commands[what])

    def publish(self, order):
        self.shop.basic_publish("", self.name, order)

    def reader(self):
        channel, came = self.connect(self.name, "hers").channel(), []
        channel.basic_consume(self.name, lambda *delivery: came.append(delivery[-1]), auto_ack=True)

        def read():
            before = len(came)
            channel.connection.process_data_events(time_limit=2)
            return came[before:]

        return read


def read_without(her, what):
    """She has read an order, and this is taken away from her: how many of the next ten she reads, how
    her connection ends, and how a new one is refused."""
    read, came = her.reader(), []
    her.publish(b"one before")
    wait_until(read, "an order from before")
    her.take(what)
    anew = refusal(her.reader)

    def go_on():
        came.extend(read())  # two seconds in which she may be told
        for number in range(10):
            her.publish(b"%d" % number)
        wait_until(lambda: came.extend(read()) or len(came) == 10, "ten orders")

    ended = refusal(go_on)
    return {"orders read": len(came), "her connection": ended, "a new one": anew}
