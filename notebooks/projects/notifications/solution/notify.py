"""A worker of one channel: takes notifications, the urgent ones first, and hands them to the provider.

What fails for a passing reason waits in a retry queue, longer each time, and comes back; after the
fourth try, or when the provider will never take it, it is parked with the reason.

By hand: python notify.py --broker amqp://guest:guest@127.0.0.1:5672 --name try --channel sms \
--provider 127.0.0.1:8080 --interval 0.1 --slots FILE
"""

import json

import queues
from senders import HopelessError, PassingError, send
from slots import Slots

from helpers.programs import asked_to_end, say

IDLE = 0.05  # seconds between two looks at queues that were empty


def take(args, channel):
    """The next notification: a routine one only when no urgent one waits. None, if none does.

    It is fetched, not pushed to us: what is in a worker's hands can't be overtaken.
    """
    for severity in queues.SEVERITIES:
        queue = queues.waiting(args.name, args.channel, severity)
        method, properties, body = channel.basic_get(queue)
        if method is not None:
            return method.delivery_tag, properties.headers, body
    return None


def handle(args, slots, channel, headers, body):
    """Deliver one notification, or say where it goes instead."""
    alert = json.loads(body)  # the dispatcher has looked at it
    slots.wait()
    try:
        send(args.channel, args.provider, alert)
    except HopelessError as error:
        queues.park(channel, f"{args.name}.{args.channel}.{queues.PARKED}", body, str(error))
    except PassingError as error:
        try_later(args, channel, alert, headers.get("tries", 0), body, str(error))
    else:
        say("delivered", alert["id"])


def try_later(args, channel, alert, before, body, reason):
    """Into the retry queue that is next, after so many tries before this one; at its end, parked."""
    if before == len(queues.PAUSES):
        reason = f"given up after {before + 1} tries: {reason}"
        queues.park(channel, f"{args.name}.{args.channel}.{queues.PARKED}", body, reason)
        return
    # from there it comes to the exchange again: its headers name this channel only
    headers = {args.channel: True, "severity": alert["severity"], "tries": before + 1}
    rung = queues.rung(args.name, queues.PAUSES[before])
    channel.basic_publish("", rung, body, queues.persistent(**headers), mandatory=True)


def main():
    """Notify until we are asked to end."""
    parser = queues.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--channel", choices=queues.CHANNELS, required=True)
    parser.add_argument("--provider", required=True, help="HOST:PORT")
    parser.add_argument(
        "--interval", type=float, required=True, help="seconds between two, at least"
    )
    parser.add_argument("--slots", required=True, help="a file that the channel's workers share")
    args = parser.parse_args()
    asked, slots = asked_to_end(), Slots(args.slots, args.interval)
    channel = queues.connect(args.broker)
    queues.declare(channel, args.name)
    print("ready", flush=True)
    while not asked.is_set():
        if (taken := take(args, channel)) is None:
            channel.connection.sleep(IDLE)
            continue
        delivery_tag, headers, body = taken
        handle(args, slots, channel, headers, body)
        channel.basic_ack(delivery_tag)
    channel.connection.close()


if __name__ == "__main__":
    main()
