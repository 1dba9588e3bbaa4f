"""A worker on NATS: it handles each order; where there is a consumer, it acknowledges them.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/worker_nats.py nats://127.0.0.1:4222 orders --queue-group packers
"""

import argparse
import asyncio
import signal

import nats

from helpers.programs import pause, say


async def handle(args, client, message, in_hand):
    """Called for each order that comes."""
    order = int(message.data)
    if order == args.pause_at:
        await client.flush()  # the server has read all that we said
        pause()
    say("handled", order)  # the work is done here
    in_hand.append(message)
    if args.consumer and order % args.acknowledge_every == 0:
        while in_hand:
            await in_hand.pop(0).ack()


async def subscribe(args, client, asked_to_end):
    """NATS itself: the server pushes to us whatever is published while we are there."""

    async def take(message):
        await handle(args, client, message, [])

    orders = await client.subscribe(args.subject, queue=args.queue_group, cb=take)
    await client.flush()
    print("ready", flush=True)  # the server knows of us
    await asked_to_end.wait()
    await orders.drain()  # no more; but what has come is handled


async def fetch(args, client, asked_to_end):
    """JetStream: we fetch what the consumer has for us."""
    orders = await client.jetstream().pull_subscribe(args.subject, args.consumer)
    in_hand = []
    while not asked_to_end.is_set():
        try:
            messages = await orders.fetch(100, timeout=0.2)
        except TimeoutError:
            continue  # nothing has come
        for message in messages:
            await handle(args, client, message, in_hand)


async def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", help="its address")
    parser.add_argument("subject")
    parser.add_argument("--queue-group", default="", help="whose members share the subject")
    parser.add_argument("--consumer", help="the name of a durable consumer of JetStream's")
    parser.add_argument("--acknowledge-every", type=int, default=1, help="every third order: 3")
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    args = parser.parse_args()

    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    client = await nats.connect(args.server)
    work = fetch if args.consumer else subscribe
    await work(args, client, asked_to_end)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
