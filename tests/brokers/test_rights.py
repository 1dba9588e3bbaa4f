"""What the exercise on rights says that RabbitMQ asks for, RabbitMQ asks for."""

import re
from pathlib import Path

import pika
import pytest

from helpers import clients
from helpers.exercises.chapter_10_sharing import PARTS, needed
from helpers.nodes import HOST, RabbitMQ
from helpers.programs import module

# their port mapper stays for all nodes of a run
pytestmark = pytest.mark.usefixtures("own_ports")
ACTIONS = {
    "declare": lambda channel: clients.declare_queue(channel, "new"),
    "publish": lambda channel: clients.publish(channel, "key", ["order"], exchange="out"),
    "publish to the default": lambda channel: clients.publish(channel, "old", ["order"]),
    "bind": lambda channel: channel.queue_bind("old", "out", "key"),
    "consume": lambda channel: channel.basic_consume("old", lambda *_: None),
}
DID = {
    "declare": [("declare", "new")],
    "publish": [("publish", "out")],
    "publish to the default": [("publish", "")],
    "bind": [("bind", "old", "out")],
    "consume": [("consume", "old")],
}


def cases():
    """A user for each action, with all its rights; and one for each right that is taken away."""
    for action, did in DID.items():
        names = needed(did)
        yield action, None, names
        for part in PARTS:
            if names[part]:
                yield action, part, {**names, part: set()}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """With a queue `old`, an exchange `out`, and a user for each case."""
    rights = [
        (f"{action} without {taken}", "/", {part: pattern(names[part]) for part in PARTS})
        for action, taken, names in cases()
    ]
    with RabbitMQ({}) as one, pika.BlockingConnection(one.rabbitmq) as connection:
        channel = connection.channel()
        clients.declare_queue(channel, "old")
        channel.exchange_declare("out", "topic", durable=True)
        channel.queue_bind("old", "out", "#")
        module("sharing.py").give(one, Path(tmp_path_factory.mktemp("rights")), rights)
        yield one


def pattern(names):
    return f"^({'|'.join(map(re.escape, sorted(names)))})$" if names else "^$"


@pytest.mark.parametrize(("action", "taken"), [(action, taken) for action, taken, _ in cases()])
def test_an_action_needs_these_rights_and_no_other(node, action, taken):
    login = pika.PlainCredentials(f"{action} without {taken}", "its own")
    with pika.BlockingConnection(pika.ConnectionParameters(HOST, node.port, "/", login)) as one:
        said = module("attackers.py").refusal(ACTIONS[action], one.channel())
        assert said == ("ChannelClosedByBroker" if taken else "done")
