"""A worker on Redis: a member of a stream's group that acknowledges orders, or a subscriber of a channel.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/worker_redis.py 6379 orders --group packers
"""

import argparse

from valkey import Valkey

from helpers.programs import asked_to_end, pause, say


def handle(args, server, number, fields, in_hand):
    """Called for each order that comes; its number is what the server has given it."""
    order = int(fields[b"order"])
    if order == args.pause_at:
        pause()
    say("handled", order)  # the work is done here
    in_hand.append(number)
    if args.group and order % args.acknowledge_every == 0:
        server.xack(args.orders, args.group, *in_hand)
        in_hand.clear()


def fetch(args, server, in_hand):
    """A member of a group: take over what was left lying, if told so, and what is new."""
    if args.claim_after is not None:
        shape = {"min_idle_time": args.claim_after, "start_id": "0-0"}
        _, left_lying, _ = server.xautoclaim(args.orders, args.group, args.name, **shape)
        for number, fields in left_lying:
            if number not in in_hand:  # we may have left it lying ourselves
                handle(args, server, number, fields, in_hand)
    new = server.xreadgroup(args.group, args.name, {args.orders: ">"}, count=100, block=200)
    for _, entries in new or []:
        for number, fields in entries:
            handle(args, server, number, fields, in_hand)


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("orders", help="a stream, or a channel")
    parser.add_argument("--group", help="of a stream; without it, orders is a channel")
    parser.add_argument("--name", default="worker-1", help="within the group")
    parser.add_argument("--acknowledge-every", type=int, default=1, help="every third order: 3")
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    parser.add_argument("--claim-after", type=int, help="milliseconds")
    args = parser.parse_args()

    leaving = asked_to_end()
    server, in_hand = Valkey(port=args.port), []
    if args.group:
        while not leaving.is_set():
            fetch(args, server, in_hand)
        return
    channel = server.pubsub()
    channel.subscribe(args.orders)
    while not leaving.is_set():
        message = channel.get_message(timeout=0.2)
        if message and message["type"] == "subscribe":
            print("ready", flush=True)  # the server knows of us
        elif message:
            handle(args, server, None, {b"order": message["data"]}, in_hand)


if __name__ == "__main__":
    main()
