"""Writes each order to both brokers, one after the other, as many do at first. At one order it stands
still between the two.

By hand: python dual_write.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 --kafka 127.0.0.1:9092 \
--name try --first 1 --last 10 --pause-at 6
"""

import argparse

import pika
from kafka import KafkaProducer

from helpers.programs import pause

QUORUM = {"x-queue-type": "quorum"}
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def main():
    """Write the orders to the queue and to the topic NAME."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rabbitmq", required=True, help="amqp://…")
    parser.add_argument("--kafka", required=True, help="HOST:PORT")
    parser.add_argument("--name", required=True, help="of the queue and of the topic")
    parser.add_argument("--first", type=int, required=True, help="the first order")
    parser.add_argument("--last", type=int, required=True, help="the last order")
    parser.add_argument("--pause-at", type=int, help="the order at which it stands still")
    args = parser.parse_args()
    channel = pika.BlockingConnection(pika.URLParameters(args.rabbitmq)).channel()
    channel.queue_declare(args.name, durable=True, arguments=QUORUM)
    channel.confirm_delivery()
    producer = KafkaProducer(bootstrap_servers=args.kafka, acks="all")
    for order in range(args.first, args.last + 1):
        channel.basic_publish("", args.name, str(order), PERSISTENT)
        if order == args.pause_at:
            pause(channel, args.name)
        producer.send(args.name, value=str(order).encode()).get()
    channel.connection.close()
    producer.close()


if __name__ == "__main__":
    main()
