"""Those who want to read a shop's orders on RabbitMQ: on the wire, as a stranger, as a colleague.

`broker` is a RabbitMQ node of the lab's own. A `context` says what a client checks of a certificate;
None is a connection without TLS. It is called by the notebook, in its own process.
"""

import json
from itertools import count

import pika
from kafka.errors import KafkaError
from pika.exceptions import AMQPError

from helpers import Program, clients

HOST = "127.0.0.1"
SHOP = "shop", "its own"
DEFAULT = "guest", "guest"  # RabbitMQ's own
LOGINS = {"stranger": DEFAULT, "colleague": ("colleague", "hers")}
numbers = count()


def open_accounts(broker, folder, **passwords):
    """Give each name an account on RabbitMQ with this password, and every right there is."""
    users = [{"name": n, "password": p, "tags": []} for n, p in passwords.items()]
    rights = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    permissions = [{"user": name, **rights} for name in passwords]
    file = folder / f"{next(numbers)}.json"
    file.write_text(json.dumps({"users": users, "permissions": permissions}))
    broker.ctl("import_definitions", str(file))


def connect(port, context, user, password):
    """Connect to RabbitMQ; with a context, by TLS."""
    options = pika.SSLOptions(context, HOST) if context else None
    login = pika.PlainCredentials(user, password)
    parameters = pika.ConnectionParameters(HOST, port, "/", login, ssl_options=options)
    return pika.BlockingConnection(parameters)


def refusal(action, *arguments):
    """The name of the exception that a call raises; `done` if it raises none."""
    try:
        action(*arguments)
        return "done"
    except (OSError, AMQPError, KafkaError) as error:
        return type(error).__name__


def tap(port, folder, *certificate):
    """Begin to listen in. Returns the tap, its port, and the file of all that it reads."""
    wire = folder / f"{next(numbers)}.wire"
    program = Program("wiretap.py", port, wire, *certificate)
    return program, int(program.wait_for("ready").split()[1]), wire


def take_all(taken, queue, port, context, login):
    with_rights = connect(port, context, *login).channel()
    taken.extend(clients.take_all(with_rights, queue))


def read_orders(broker, folder, context=None, shop=SHOP):
    """The shop publishes ten orders for each attacker: how many each reads, and how he is refused."""
    port = broker.tls_port if context else broker.port
    program, tapped, wire = tap(port, folder)
    orders, read, refused = [f"card 4929-{n}" for n in range(10)], {"on the wire": 0}, {}
    for attacker, login in LOGINS.items():
        queue, taken = f"orders {next(numbers)}", []
        with connect(tapped, context, *shop) as connection:
            channel = connection.channel()
            clients.publish(channel, clients.declare_queue(channel, queue), orders)
        refused[attacker] = refusal(take_all, taken, queue, port, context, login)
        read[attacker] = len(taken)
    program.stop()
    read["on the wire"] = sum(order.encode() in wire.read_bytes() for order in orders)
    return read, refused


def deceive(broker, folder, certificate, context):
    """A client meets an impostor: has he read its password, and how has it refused him?"""
    program, port, wire = tap(broker.tls_port, folder, certificate)
    became = refusal(lambda: connect(port, context, *SHOP).close())
    program.stop()
    return SHOP[1].encode() in wire.read_bytes(), became
