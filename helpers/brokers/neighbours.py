"""Other copies of the course on this machine: another user's, or another checkout's of the same user."""

import os
import random
from pathlib import Path

from .. import settings
from . import compose, native, ports, rabbitmq
from .kafka import CLUSTER_ID
from .places import Place, epmd_port, every_place

STEP = 20  # nodes of one copy are up to 18 ports apart
END = 3400  # from 3,420 on, one copy's RabbitMQ would meet another's Kafka


def settle() -> None:
    """Where another copy of the course has our ports, choose free ones for this checkout, for good, and
    say so.

    Brokers of ours that run are left where they are, and a program that is not the course's is
    nobody's neighbour.

    Raises:
        SettingsError: all the ports that could be chosen are taken.
    """
    if settings.forced_offset() is not None or not _others_have(every_place()):
        return
    offsets = list(range(STEP, END, STEP))
    random.Random(f"{os.getuid()} {settings.CHECKOUT}").shuffle(offsets)
    for offset in offsets:
        wanted = [port for place in every_place(offset).values() for port in place.listens]
        if not any(map(ports.taken, [*wanted, epmd_port(offset)])):
            settings.remember_offset(offset)
            print(
                f"Another copy of the course on this machine has the usual ports, so this one uses "
                f"its own from now on: {offset} is added to each (Kafka {9092 + offset}, RabbitMQ "
                f"{5672 + offset}). BREAKING_BROKERS_PORT_OFFSET chooses differently."
            )
            return
    raise settings.SettingsError(
        f"Another copy of the course has the usual ports, and every other set up to {END} further "
        "on is taken, too. Set BREAKING_BROKERS_PORT_OFFSET to a number from 3420 to 7000."
    )


def _others_have(ours: dict[str, Place]) -> bool:
    """Is it another copy of the course that has any of these ports, and not this one?"""
    if not any(ports.taken(place.port) for place in ours.values()):
        return False
    whose = set(native.owners().values())
    if not whose and compose.running():  # asking Docker takes a tenth of a second
        whose = set(compose.owners().values())
    if whose:
        return str(settings.CHECKOUT) not in whose and any(Path(one).is_dir() for one in whose)
    return _is_the_courses_kafka(ours["kafka"]) or _is_the_courses_rabbitmq(ours["rabbitmq"])


def _is_the_courses_kafka(place: Place) -> bool:
    """Every Kafka of the course has one cluster id."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    if not ports.taken(place.port):
        return False
    try:
        with KafkaAdminClient(bootstrap_servers=place.address, bootstrap_timeout_ms=2000) as admin:
            return admin.describe_cluster()["cluster_id"] == CLUSTER_ID
    except KafkaError:
        return False


def _is_the_courses_rabbitmq(place: Place) -> bool:
    """A RabbitMQ's first words have its cluster's name in them, which the course chooses."""
    first_words = ports.ask(place.port, rabbitmq.PROTOCOL_HEADER, 4096)
    return rabbitmq.CLUSTER_NAME.encode() in first_words
