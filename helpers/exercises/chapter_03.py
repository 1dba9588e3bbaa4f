"""Graders of chapter 3: who gets a copy, and what a duplicate may do."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pika
from pika.adapters.blocking_connection import BlockingChannel

from ..brokers import up
from ..names import fresh
from . import Wrong, grader

MESSAGES = 6


@grader("3.1")
def subscriptions(subscribe: Callable[[BlockingChannel, str, str], str]) -> str:
    """Two instances of one service and one of another; nobody at home while messages come."""
    brokers = up("rabbitmq", quiet=True)
    exchange = fresh("exercise")
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "fanout", durable=True)
        email_1 = subscribe(channel, exchange, "email")
        email_2 = subscribe(channel, exchange, "email")
        crm = subscribe(channel, exchange, "crm")
    if not all(isinstance(name, str) and name for name in (email_1, email_2, crm)):
        raise Wrong("the function did not return a queue's name.", "End it with `return queue`.")
    try:
        if email_1 != email_2:
            raise Wrong(
                "two instances of email got two queues, so each order would be mailed twice.",
                "Build the queue's name from the service, so that the second call finds the first's.",
            )
        if email_1 == crm:
            raise Wrong(
                "email and crm share a queue, so each message reaches only one of them.",
                "A copy for each service means a queue for each service.",
            )
        with pika.BlockingConnection(brokers.rabbitmq) as connection:
            _publish(connection.channel(), exchange, "")
        for service, queue in (("email", email_1), ("crm", crm)):
            _expect(brokers, service, queue)
    finally:
        _delete(brokers, {email_1, email_2, crm}, exchange)
    return "each service has its copy, two instances share one, and it waits while they are down."


@grader("3.2")
def charge_once(charge: Callable[[sqlite3.Connection, str], None]) -> str:
    """Six orders by a real queue; the connection breaks once between charge and acknowledgement."""
    brokers = up("rabbitmq", quiet=True)
    queue = fresh("exercise")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "charges.db"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE charges (order_id TEXT, amount INTEGER)")
        try:
            with pika.BlockingConnection(brokers.rabbitmq) as connection:
                channel = connection.channel()
                channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})
                _publish(channel, "", queue)
            _work(brokers, queue, path, charge, die_at=3)
            _work(brokers, queue, path, charge, die_at=None)
        finally:
            _delete(brokers, {queue}, None)
        rows = sqlite3.connect(path).execute("SELECT order_id, SUM(amount) FROM charges GROUP BY 1")
        charged = dict(rows.fetchall())
    wanted = {f"order-{n}": 10 for n in range(1, MESSAGES + 1)}
    if missing := sorted(wanted.keys() - charged.keys()):
        raise Wrong(
            f"{missing[0]} was never charged.",
            "Insert a row for an order that is new, and commit it before you return.",
        )
    if wrong := sorted(name for name in wanted if charged[name] != wanted[name]):
        raise Wrong(
            f"{wrong[0]} was charged {charged[wrong[0]]} instead of 10: it was delivered twice.",
            "Before inserting, ask the database whether the order is there, in the same transaction.",
        )
    return "seven deliveries, six charges: the duplicate cost nobody anything."


def _publish(channel: BlockingChannel, exchange: str, routing_key: str) -> None:
    channel.confirm_delivery()
    for number in range(1, MESSAGES + 1):
        channel.basic_publish(
            exchange,
            routing_key,
            f"order-{number}",
            pika.BasicProperties(delivery_mode=2),
        )


def _expect(brokers, service: str, queue: str) -> None:
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        try:
            waiting = connection.channel().queue_declare(queue, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker as error:
            raise Wrong(
                f"the queue of {service} was gone when its connection closed.",
                "Exclusive and auto-delete queues die with their consumer; declare it durable only.",
            ) from error
    if waiting != MESSAGES:
        raise Wrong(
            f"{waiting} of {MESSAGES} messages wait in the queue of {service}.",
            "Is the queue bound to the exchange? `queue_bind(queue, exchange)`.",
        )


def _work(brokers, queue: str, path: Path, charge: Callable, die_at: int | None) -> None:
    """Charge what is in the queue; with ``die_at``, break the connection after that delivery."""
    connection = pika.BlockingConnection(brokers.rabbitmq)
    channel = connection.channel()
    delivered = 0
    while True:
        method, _, body = channel.basic_get(queue)
        if method is None:
            break
        delivered += 1
        database = sqlite3.connect(path)
        try:
            charge(database, body.decode())
        finally:
            database.close()
        if delivered == die_at:
            break
        channel.basic_ack(method.delivery_tag)
    connection.close()


def _delete(brokers, queues: set, exchange: str | None) -> None:
    with pika.BlockingConnection(brokers.rabbitmq) as connection:
        channel = connection.channel()
        for queue in filter(lambda name: isinstance(name, str) and name, queues):
            channel.queue_delete(queue)
        if exchange:
            channel.exchange_delete(exchange)
