"""A RabbitMQ publisher that has many orders on their way, and knows the fate of each.

It prints "attempt ORDER TIME" when it sends one, and "acknowledge ORDER TIME" or "refuse ORDER TIME"
when the answer comes; TIME in seconds of a clock that all processes share.

By hand, in the course's folder, with the port of a node:
    .venv/bin/python notebooks/programs/publisher_rabbitmq.py PORT QUEUE
"""

import argparse

import pika

from helpers.programs import pause, say

PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Publisher:
    """Keeps at most a window of orders pending; pika's loop calls it when something arrives."""

    def __init__(self, args):
        self.args = args
        self.tag = 0  # the first order of a channel has the delivery tag 1, the next one 2, …
        self.pending = {}  # delivery tag: order

    def on_channel(self, channel):
        """The channel is open: ask for confirms, and begin once the broker agrees."""
        self.channel = channel
        channel.add_on_close_callback(self.on_closed)
        if self.args.no_confirms:
            self.publish_unconfirmed()
        else:
            channel.confirm_delivery(self.on_confirm, lambda _: self.fill())

    def on_closed(self, channel, _reason):
        """The broker may have closed the channel alone: it will answer no more."""
        if channel.connection.is_open:
            channel.connection.close()

    def publish(self):
        """Send the next order."""
        self.tag += 1
        say("attempt", self.tag)
        self.channel.basic_publish("", self.args.queue, str(self.tag), PERSISTENT)

    def fill(self):
        """Publish until the window is full."""
        while len(self.pending) < self.args.window and self.tag < self.args.orders:
            if self.tag + 1 == self.args.pause_at:
                if self.pending:
                    return  # first the answers to all that went before
                pause()
            self.publish()
            self.pending[self.tag] = self.tag

    def on_confirm(self, frame):
        """The broker has answered: for one tag, or for all up to it."""
        answer = frame.method
        said = "acknowledge" if isinstance(answer, pika.spec.Basic.Ack) else "refuse"
        upto = [tag for tag in self.pending if tag <= answer.delivery_tag]
        for tag in upto if answer.multiple else [answer.delivery_tag]:
            say(said, self.pending.pop(tag))
        say("answer", answer.delivery_tag)
        if not (self.args.batches and self.pending):
            self.fill()
        if not self.pending:
            self.channel.connection.close()

    def publish_unconfirmed(self):
        """One order after the other; no error, so each is taken for done."""
        if not self.channel.is_open:
            return  # the broker has gone
        self.publish()
        say("acknowledge", self.tag)
        self.channel.connection.ioloop.call_later(0, self.publish_unconfirmed)


def main():
    """Publish, until all is answered or the connection is gone."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("queue")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--window", type=int, default=100, help="orders pending at most")
    parser.add_argument("--batches", action="store_true", help="fill an empty window only")
    parser.add_argument("--no-confirms", action="store_true")
    parser.add_argument("--pause-at", type=int, help="wait before this order")
    publisher = Publisher(args := parser.parse_args())
    connection = pika.SelectConnection(
        pika.ConnectionParameters("127.0.0.1", args.port, heartbeat=0),
        on_open_callback=lambda opened: opened.channel(on_open_callback=publisher.on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.start()
    say("ended", args.orders)


if __name__ == "__main__":
    main()
