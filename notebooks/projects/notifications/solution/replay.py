"""Puts back what is parked of a channel, when its provider is well again, and ends.

Each gets all its tries anew. Killed in the midst, it is run again: what was put back twice bears the
same key.

By hand: python replay.py --broker amqp://guest:guest@127.0.0.1:5672 --name try --channel sms
"""

import json

import queues


def main():
    """Put back as many as there are now: what is parked again meanwhile is not ours."""
    parser = queues.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--channel", choices=queues.CHANNELS, required=True)
    args = parser.parse_args()
    channel = queues.connect(args.broker)
    queues.declare(channel, args.name)
    parked = f"{args.name}.{args.channel}.{queues.PARKED}"
    number = channel.queue_declare(parked, passive=True).method.message_count
    replayed = 0
    for _ in range(number):
        method, _, body = channel.basic_get(parked)
        if method is None:  # somebody else replays, too
            break
        headers = {args.channel: True, "severity": json.loads(body)["severity"]}
        channel.basic_publish(args.name, "", body, queues.persistent(**headers), mandatory=True)
        channel.basic_ack(method.delivery_tag)
        replayed += 1
    print("replayed", replayed, flush=True)
    channel.connection.close()


if __name__ == "__main__":
    main()
