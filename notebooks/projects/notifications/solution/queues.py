"""What the services of the notifications have in common: the exchange, and the queues.

An alert is published once, with a header for each of its channels and one for its severity. The
exchange puts a copy into the queue of each channel: NAME.email.urgent, NAME.sms.urgent and so on.
"""

import argparse

import pika

CHANNELS = "email", "sms", "chat"
SEVERITIES = "urgent", "routine"  # in the order in which they are served
PAUSES = 250, 750, 2250  # milliseconds before the second, third and fourth try
PARKED = "parked"
PATIENT = {"x-delivery-limit": 1_000_000}  # by default a queue drops what came back twenty times
LONGEST = 200  # characters of a reason: a header has to fit into one frame


def arguments(description):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--broker", required=True, help="amqp://…")
    parser.add_argument("--name", required=True, help="the exchange; all queues begin with it")
    return parser


def connect(address):
    """A channel with confirms, also at a broker that is just coming back."""
    parameters = pika.URLParameters(address)
    parameters.connection_attempts, parameters.retry_delay = 40, 0.5
    channel = pika.BlockingConnection(parameters).channel()
    channel.confirm_delivery()
    return channel


def declare(channel, name):
    """All of them, not only one's own: what is sent to somebody waits there until he runs."""
    channel.exchange_declare(name, "headers", durable=True)
    declare_queue(channel, f"{name}.{PARKED}", **PATIENT)
    declare_queue(channel, f"{name}.alerts", **last_resort(f"{name}.{PARKED}"))
    for pause in PAUSES:
        back = {"x-message-ttl": pause, **dead_letters(name)}  # by its headers, to where it was
        declare_queue(channel, rung(name, pause), **back)
    for channel_name in CHANNELS:
        parked = f"{name}.{channel_name}.{PARKED}"
        declare_queue(channel, parked, **PATIENT)
        for severity in SEVERITIES:
            queue = waiting(name, channel_name, severity)
            declare_queue(channel, queue, **last_resort(parked))
            wanted = {"x-match": "all", channel_name: True, "severity": severity}
            channel.queue_bind(queue, name, arguments=wanted)


def declare_queue(channel, queue, **more):
    """A quorum queue: what is in it outlives the broker's end."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **more})


def last_resort(parked):
    """What came back a hundred times, since a service died each time, is parked by the broker itself. A
    low limit would park sound ones: a death counts for all that was in hand."""
    return {"x-delivery-limit": 100, "x-dead-letter-routing-key": parked, **dead_letters("")}


def dead_letters(exchange):
    """What leaves a queue goes to this exchange, and leaves only when it has arrived."""
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # without it, at-least-once is not to be had
    }


def waiting(name, channel_name, severity):
    """The queue where notifications wait for a channel's workers."""
    return f"{name}.{channel_name}.{severity}"


def rung(name, pause):
    """The queue where a notification waits so many milliseconds until it is tried again."""
    return f"{name}.retry.{pause}"


def persistent(**headers):
    """Properties of a message that is to outlive the broker's end."""
    return pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent, headers=headers)


def park(channel, queue, body, reason):
    """Put a message aside, with the reason."""
    channel.basic_publish("", queue, body, persistent(reason=reason[:LONGEST]), mandatory=True)
