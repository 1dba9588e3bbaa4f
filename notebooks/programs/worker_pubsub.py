"""A worker at a subscription of Pub/Sub: it handles each order, and then acknowledges it.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.
"""

import argparse
import signal

from google.cloud.pubsub_v1.types import FlowControl

from helpers.extras import pubsub
from helpers.programs import Signalled, asked_to_end, pause, say

bank = Signalled(signal.SIGCONT)  # what a slow order waits for: `Program.resume` sends it


def by_pull(args, subscriber, leaving):
    """Ask for one order, handle it, acknowledge it, and ask for the next."""
    while not leaving.is_set():
        found = subscriber.pull(subscription=args.subscription, max_messages=1)
        for received in found.received_messages:
            handle(args, int(received.message.data))
            subscriber.acknowledge(subscription=args.subscription, ack_ids=[received.ack_id])


def by_stream(args, subscriber, leaving):
    """Have the library call us for each order, one at a time."""

    def callback(message):
        handle(args, int(message.data))
        message.ack()

    flow = FlowControl(max_messages=1, min_duration_per_lease_extension=60)  # seconds
    stream = subscriber.subscribe(
        args.subscription, callback, flow_control=flow, await_callbacks_on_shutdown=True
    )
    leaving.wait()
    stream.cancel()
    stream.result()  # when what is in hand is done, and acknowledged


def handle(args, order):
    """The work itself: here it prints the order's number."""
    say("takes", order)
    if order == args.slow:
        bank.wait()
    if order == args.pause_at:
        pause()
    say("handled", order)


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", help="its address")
    parser.add_argument("subscription")
    parser.add_argument("--stream", action="store_true", help="have the library fetch them")
    parser.add_argument("--slow", type=int, help="an order that waits for the bank")
    parser.add_argument("--pause-at", type=int, help="an order at which the whole process stops")
    args = parser.parse_args()

    leaving = asked_to_end()
    _, subscriber = pubsub.connect(args.server)
    work = by_stream if args.stream else by_pull
    work(args, subscriber, leaving)


if __name__ == "__main__":
    main()
