"""Takes alerts, and publishes each once; the exchange puts a copy into the queue of each channel.

What is no alert, or names a channel that we don't have, is parked as a whole, with the reason.

By hand: python dispatch.py --broker amqp://guest:guest@127.0.0.1:5672 --name try
"""

from functools import partial

import alerts
import queues

from helpers.programs import asked_to_end, say


def dispatch(name, channel, method, _properties, body):
    """Called for each alert. It is acknowledged when the broker has all copies."""
    try:
        alert = alerts.read(body)
    except alerts.BadAlertError as error:
        queues.park(channel, f"{name}.{queues.PARKED}", body, str(error))
    else:
        headers = dict.fromkeys(alert["to"], True) | {"severity": alert["severity"]}
        channel.basic_publish(name, "", body, queues.persistent(**headers), mandatory=True)
        say("dispatched", alert["id"])
    channel.basic_ack(method.delivery_tag)


def main():
    """Dispatch until we are asked to end."""
    args = queues.arguments(__doc__.partition("\n")[0]).parse_args()
    asked = asked_to_end()
    channel = queues.connect(args.broker)
    queues.declare(channel, args.name)
    print("ready", flush=True)
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(f"{args.name}.alerts", partial(dispatch, args.name))
    while not asked.is_set():
        channel.connection.process_data_events(time_limit=0.2)
    channel.connection.close()


if __name__ == "__main__":
    main()
