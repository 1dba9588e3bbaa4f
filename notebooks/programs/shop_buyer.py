"""The shop's buyer: it asks all suppliers for the price of an order, and gathers their answers.

It prints "priced ORDER ANSWERS STRAY": how many answers it had, and how many were another order's.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_buyer.py EXCHANGE SUPPLIERS ORDERS
"""

import argparse
import math
import time

import pika

from helpers import up


def ask_all(args, channel, replies, order):
    """Ask at the exchange; return when all have answered, or when the time is up."""
    name = f"order-{order}"
    properties = pika.BasicProperties(reply_to=replies, correlation_id=name)
    channel.basic_publish(args.exchange, "", str(order), properties)
    answers, end = [], time.monotonic() + args.deadline
    while len(answers) < args.suppliers and (left := end - time.monotonic()) > 0:
        wait = min(left, 1)  # then look again
        _, answer, body = next(channel.consume(replies, auto_ack=True, inactivity_timeout=wait))
        if body is not None and (args.any_answer or answer.correlation_id == name):
            answers.append(body.decode())
    return answers


def main():
    """Price the orders, from 1 on."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("exchange")
    parser.add_argument("suppliers", type=int)
    parser.add_argument("orders", type=int)
    parser.add_argument("--deadline", type=float, default=math.inf, help="seconds")
    parser.add_argument("--any-answer", action="store_true", help="without a look at its id")
    args = parser.parse_args()

    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        replies = channel.queue_declare("", exclusive=True).method.queue
        for order in range(1, args.orders + 1):
            answers = ask_all(args, channel, replies, order)
            stray = sum(int(answer.split()[0]) != order for answer in answers)
            print("priced", order, len(answers), stray, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
