"""Other copies of the course on this machine: another user's, or another checkout's of the same user."""

import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .. import settings
from . import clients, compose, files, locks, native, ports, rabbitmq
from .kafka import CLUSTER_ID
from .places import Place, epmd_port, every_place, keeper_port

STEP = 20  # nodes of one copy are up to 18 ports apart
END = 3400  # from 3,420 on, one copy's RabbitMQ would meet another's Kafka


@contextmanager
def settled() -> Iterator[None]:
    """Keep this checkout's ports for it, as long as its brokers start. Where another copy of the course
    has or keeps them, choose free ones for this checkout, for good, and say so.

    They are kept by a socket at a port that all copies know. So twenty that start at once choose
    twenty sets of ports, and nothing is left of it when this process ends. Brokers of ours that run
    are left where they are, and a program that is not the course's is nobody's neighbour.

    Raises:
        SettingsError: all the ports that could be chosen are taken.
    """
    with ExitStack() as kept:
        if settings.forced_offset() is None:
            _settle(kept)
        yield


def _settle(kept: ExitStack) -> None:
    note = settings.offset_note()
    choosing, keeping = (note.with_name(f"{note.name}.{what}") for what in ("choosing", "keeping"))
    with locks.held(choosing, "Waiting for another process that chooses ports"):
        file = kept.enter_context(keeping.open("a+"))
        if not locks.try_lock(file, keeping):
            return  # they are kept by another process of this checkout
        if keeper := _kept(settings.port_offset(), _others_have):
            kept.enter_context(keeper)
            return
        if str(settings.CHECKOUT) in native.owners().values():
            return  # another copy is looking at this very moment, and will leave them to us
        offset, keeper = _another()
        kept.enter_context(keeper)
        files.write(note, str(offset))
        print(
            f"Another copy of the course on this machine has the usual ports, so this one uses "
            f"its own from now on: {offset} is added to each (Kafka {9092 + offset}, RabbitMQ "
            f"{5672 + offset}). BREAKING_BROKERS_PORT_OFFSET chooses differently."
        )


def _another() -> tuple[int, socket.socket]:
    offsets = list(range(STEP, END, STEP))
    random.Random(f"{os.getuid()} {settings.CHECKOUT}").shuffle(offsets)
    for offset in offsets:
        if keeper := _kept(offset, _anybody_has):
            return offset, keeper
    raise settings.SettingsError(
        f"Another copy of the course has the usual ports, and every other set up to {END} further "
        "on is taken, too. Set BREAKING_BROKERS_PORT_OFFSET to 3430."
    )


def _kept(offset: int, in_use: Callable[[int], bool]) -> socket.socket | None:
    """What keeps the ports at an offset; None if another copy does, or if they are in use."""
    keeper = socket.socket()
    try:
        keeper.bind((settings.HOST, keeper_port(offset)))
        if not in_use(offset):
            return keeper
    except OSError:
        pass
    keeper.close()
    return None


def _anybody_has(offset: int) -> bool:
    wanted = [port for place in every_place(offset).values() for port in place.listens]
    return any(map(ports.taken, [*wanted, epmd_port(offset)]))


def _others_have(offset: int) -> bool:
    """Is it another copy of the course that has any of these ports, and not this one?"""
    ours = every_place(offset).values()
    if not any(ports.taken(place.port) for place in ours):
        return False
    whose = set(native.owners().values())
    if not whose and compose.running():  # asking Docker takes a tenth of a second
        whose = set(compose.owners().values())
    if whose:
        there = any((Path(one) / "helpers").is_dir() for one in whose)
        return str(settings.CHECKOUT) not in whose and there
    known = {"kafka": _is_the_courses_kafka, "rabbitmq": _is_the_courses_rabbitmq}
    return any(known[place.broker](place) for place in ours if ports.taken(place.port))


def _is_the_courses_kafka(place: Place) -> bool:
    """Every Kafka of the course has one cluster id."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    clients.quieten()  # what listens there may be no Kafka
    try:
        with KafkaAdminClient(bootstrap_servers=place.address, bootstrap_timeout_ms=2000) as admin:
            return admin.describe_cluster()["cluster_id"] == CLUSTER_ID
    except KafkaError:
        return False


def _is_the_courses_rabbitmq(place: Place) -> bool:
    """A RabbitMQ's first words have its cluster's name in them, which the course chooses."""
    first_words = ports.ask(place.port, rabbitmq.PROTOCOL_HEADER, 4096)
    return rabbitmq.CLUSTER_NAME.encode() in first_words
