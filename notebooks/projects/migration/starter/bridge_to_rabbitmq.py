"""Carries from Kafka to RabbitMQ at step 4, for those who have not moved yet.

By hand: python bridge_to_rabbitmq.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import messages


def carry(args, _role, goes_on):
    """Publish each record."""
    channel = messages.rabbitmq(args)

    def hand_on(message):
        messages.to_rabbitmq(channel, args.name, message)

    with closing(channel.connection):
        messages.read(args, "bridge", hand_on, goes_on)


def main():
    """Carry until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("bridge_to_rabbitmq", args, carry)


if __name__ == "__main__":
    main()
