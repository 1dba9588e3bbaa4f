"""What the services have in common: how a message comes in, and how another goes out.

Works as long as nothing goes wrong.
"""

import argparse
import json
import sqlite3

import pika

LISTENS_TO = {  # the queue of each service, and what the exchange puts into it
    "orders": ["order.placed", "stock.*", "payment.*", "parcel.*"],
    "inventory": ["reserve.stock", "release.stock"],
    "payment": ["charge.card", "refund.card"],
    "shipping": ["ship.parcel"],
}


def arguments(service):
    """A parser with what every service is told."""
    parser = argparse.ArgumentParser(description=f"The shop's {service} service.")
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="the exchange; all queues begin with it")
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    return parser


def open_database(path, tables):
    """The database of a service. `with database:` is a transaction."""
    database = sqlite3.connect(path)
    database.executescript(tables)
    return database


def serve(service, args, database, reactions):
    """Handle messages until somebody ends us."""

    def react(channel, method, _properties, body):
        order = json.loads(body)
        with database:
            answer = reactions[method.routing_key](database, order)
        if answer:
            channel.basic_publish(args.name, answer, body)

    with pika.BlockingConnection(pika.URLParameters(args.brokers[0])) as connection:
        channel = connection.channel()
        channel.exchange_declare(args.name, "topic", durable=True)
        queue = f"{args.name}.{service}"
        channel.queue_declare(queue, durable=True)
        for kind in LISTENS_TO[service]:
            channel.queue_bind(queue, args.name, kind)
        channel.basic_consume(queue, react, auto_ack=True)
        channel.start_consuming()
