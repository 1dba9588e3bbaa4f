"""Carries from RabbitMQ to Kafka, from step 1 to step 3.

By hand: python bridge_to_kafka.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import messages


def carry(args, _role, goes_on):
    """Send each message on."""
    with closing(messages.producer(args)) as producer:

        def hand_on(_channel, properties, body):
            message = messages.from_rabbitmq(properties, body)
            messages.to_kafka(producer, f"{args.name}.orders", message)

        messages.consume(args, f"{args.name}.bridge", hand_on, goes_on)


def main():
    """Carry until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("bridge_to_kafka", args, carry)


if __name__ == "__main__":
    main()
