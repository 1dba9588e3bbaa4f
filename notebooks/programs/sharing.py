"""Teams that share a RabbitMQ, and branches that share an exchange: who gets in whose way?

`shop` is a channel with every right, `connect` opens a connection as a user. It is called by the
notebook, in its own process.
"""

import json

from helpers import clients, fresh

from .attackers import refusal

KEY = "paris.order"
EXCHANGES = {"branches": "topic", "notices": "direct"}


def give(broker, folder, rights, **more):
    """Import users, virtual hosts and rights, from a list of (user, virtual host, rights)."""
    users, vhosts = {user for user, _, _ in rights}, {vhost for _, vhost, _ in rights}
    definitions = {
        "vhosts": [{"name": vhost} for vhost in vhosts],
        "users": [{"name": user, "password": "its own", "tags": []} for user in users],
        "permissions": [{"user": user, "vhost": vhost, **may} for user, vhost, may in rights],
        **more,
    }
    file = folder / f"{fresh('definitions')}.json"
    file.write_text(json.dumps(definitions))
    broker.ctl("import_definitions", str(file))


def until_refused(most, action):
    """Do it with 0, 1, 2, …: how often it could be done, and what refused it then."""
    for number in range(most):
        refused = refusal(action, number)
        if refused != "done":
            return number, refused
    return most, refused


def open_exchanges(shop):
    """The exchanges, with a queue for Paris at each."""
    for exchange, kind in EXCHANGES.items():
        shop.exchange_declare(exchange, kind, durable=True)
        shop.queue_bind(clients.declare_queue(shop, f"paris {exchange}"), exchange, KEY)


def forge(shop, connect, user, exchange, key=KEY):
    """The user sends ten orders as Paris: how many arrive there, and how it is refused."""
    channel = connect(user).channel()
    refused = refusal(clients.publish, channel, key, range(10), None, exchange)
    return len(clients.take_all(shop, f"paris {exchange}")), refused


def bind(connect, user, exchange, key=KEY):
    """The user binds a queue of its own to the exchange: the queue, and how that is refused."""
    channel = connect(user).channel()
    queue = clients.declare_queue(channel, f"{user} {exchange}")
    return queue, refusal(channel.queue_bind, queue, exchange, key)


def read(shop, queue, exchange):
    """Ten orders come from Paris: how many of them are in this queue?"""
    clients.publish(shop, KEY, range(10), exchange=exchange)
    clients.take_all(shop, f"paris {exchange}")
    return len(clients.take_all(shop, queue))
