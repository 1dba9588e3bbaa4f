"""A supplier of the shop: it answers each question for a price, but one answer comes late.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_supplier.py EXCHANGE
"""

import argparse

import pika

from helpers import programs, up


def main():
    """Answer until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("exchange", help="where the shop asks")
    parser.add_argument("--late", type=int, help="this order is answered when the next one comes")
    args = parser.parse_args()

    leaving, late = programs.asked_to_end(), {}
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, args.exchange)
        print("ready", flush=True)
        for method, asked, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is None:
                continue
            properties = pika.BasicProperties(correlation_id=asked.correlation_id)
            answers = [*late.pop(asked.reply_to, []), (properties, f"{body.decode()} 350")]
            if int(body) == args.late:
                late[asked.reply_to] = answers
                continue
            for properties, text in answers:
                channel.basic_publish("", asked.reply_to, text, properties)


if __name__ == "__main__":
    main()
