"""Carries from RabbitMQ to Kafka what was born in RabbitMQ, from step 1 to step 4.

By hand: python bridge_to_kafka.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import messages
from kafka.errors import MessageSizeTooLargeError
from state import State


def carry(args, _role, goes_on):
    """Send each message on; it is acknowledged to RabbitMQ when Kafka has it. One that is too large for
    Kafka is put aside: whoever tried it again for ever would never come to the next."""
    state, queue = State(args.folder), f"{args.name}.bridge"
    with closing(messages.producer(args)) as producer:

        def hand_on(channel, properties, body):
            message = messages.from_rabbitmq(properties, body)
            if message.origin is None:  # else it came from Kafka
                on = messages.carried(message, "rabbitmq")
                try:
                    messages.to_kafka(producer, f"{args.name}.orders", on)
                except MessageSizeTooLargeError as error:
                    messages.park(channel, args.name, body, str(error))

        messages.consume(args, state, "bridge_to_kafka", queue, hand_on, goes_on)


def main():
    """Carry until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("bridge_to_kafka", args, carry)


if __name__ == "__main__":
    main()
