"""Twelve orders on NATS: published, collected, and what a server still knows of them. For the lab."""

import asyncio
import contextlib
import signal
import time

import nats

NAMED = {"Nats-Msg-Id": "order-1"}  # a header: the id of order 1

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM}


async def unconcerned(error):
    """A connection broke: we have ended the server ourselves."""


async def connect(server):
    """A connection, and what asks JetStream over it."""
    client = await nats.connect(server.url, error_cb=unconcerned)
    return client, client.jetstream()


async def kill_and_start(server, client):
    """Kill the server, start it again, and connect to it; the old connection is closed before."""
    await client.close()
    server.kill()
    server.start()
    return await connect(server)


async def publish(to, subject, ledger):
    """Publish orders 1 to 12 by NATS alone or JetStream, and note what is answered."""
    for order in range(1, 13):
        ledger.attempt(order)
        if await to.publish(subject, str(order).encode()):
            ledger.acknowledge(order)
    if hasattr(to, "flush"):
        await to.flush()  # NATS alone: wait until the server has read them all


async def collect(client, ledger, **subscriptions):
    """Note in the ledger what each service has been sent, or can fetch; end the subscriptions."""
    await client.flush()  # the server has read all that was said before, and passed it on
    for service, subscription in subscriptions.items():
        ledger.join(service, service)
        if hasattr(subscription, "fetch"):
            messages = await subscription.fetch(100)
        else:
            messages = [await subscription.next_msg() for _ in range(subscription.pending_msgs)]
        for message in messages:
            ledger.read(int(message.data), service, service)
        await subscription.unsubscribe()
    ledger.finish("whatever the server had for them has come")
    return ledger


def finish(ledger, workers):
    """End the workers, and note what each of them did."""
    for worker in workers.values():
        worker.stop()
    ledger.read_from(workers)
    ledger.finish("no worker runs, and nothing is on its way")
    return ledger


async def stored(jetstream):
    """How many messages each stream has."""
    return {info.config.name: info.state.messages for info in await jetstream.streams_info()}


async def forgotten(server, how, consumer):
    """Acknowledge ten orders, end the server: of how many does it know nothing afterwards?"""
    client, jetstream = await connect(server)
    orders = await jetstream.pull_subscribe("file", consumer)
    messages = await orders.fetch(10)
    [process] = server.processes()
    for message in messages:
        await message.ack_sync()  # waits for the server's answer
    process.send_signal(SIGNALS[how])  # at once
    with contextlib.suppress(OSError):  # it may have ended already
        await client.close()
    server.stop()  # waits until it has ended
    server.start()
    client, jetstream = await connect(server)
    bookmark = await jetstream.consumer_info("file", consumer)
    await client.close()
    return 10 - bookmark.ack_floor.stream_seq  # up to there all is acknowledged


async def repeat(jetstream, subject, seconds):
    """Send order 1 again and again, until it has been stored once more or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not (await jetstream.publish(subject, b"1", headers=NAMED)).duplicate:
            return
        await asyncio.sleep(0.05)
