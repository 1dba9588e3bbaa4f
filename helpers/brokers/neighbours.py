"""Other copies of the course on this machine: another user's, or another checkout's of the same user."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import psutil

from .. import settings
from . import process, rabbitmq
from .kafka import CLUSTER_ID

STEP = 20  # nodes of one copy are up to 18 ports apart
END = 3400  # from 3,420 on, one copy's RabbitMQ would meet another's Kafka


def settle() -> str:
    """Where another copy of the course has our ports, choose free ones for this checkout, for good.

    Brokers of ours that run are left where they are, and a program that is not the course's is
    nobody's neighbour. Returns what was chosen, as a sentence; empty if nothing had to be.

    Raises:
        SettingsError: all the ports that could be chosen are taken.
    """
    if settings.forced_offset() is not None or not _others_have(settings.places()):
        return ""
    offsets = list(range(STEP, END, STEP))
    random.Random(f"{os.getuid()} {settings.CHECKOUT}").shuffle(offsets)
    for offset in offsets:
        places = settings.places(offset).values()
        wanted = [port for place in places for port in place.listens] + [settings.epmd(offset)]
        if not any(process.port_taken(port) for port in wanted):
            settings.remember_offset(offset)
            return (
                f"Another copy of the course on this machine has the usual ports, so this one uses "
                f"its own from now on: {offset} is added to each (Kafka {9092 + offset}, RabbitMQ "
                f"{5672 + offset}). BREAKING_BROKERS_PORT_OFFSET chooses differently."
            )
    raise settings.SettingsError(
        f"Another copy of the course has the usual ports, and every other set up to {END} further "
        "on is taken, too. Set BREAKING_BROKERS_PORT_OFFSET to a number from 3420 to 7000."
    )


def _others_have(places: dict[str, settings.Place]) -> bool:
    """Is it another copy of the course that has the ports of ``up``, and not this one?"""
    if not any(process.port_taken(places[name].port) for name in ("kafka", "rabbitmq")):
        return False
    mine = {_checkout(found) for found, mark in process.ours() if _here(mark)}
    if mine:
        return str(settings.CHECKOUT) not in mine and any(Path(where).is_dir() for where in mine)
    if (settings.run_dir() / "compose").is_file():
        return False
    return _is_the_courses_kafka(places["kafka"].port) or _is_the_courses_rabbitmq(
        places["rabbitmq"].port
    )


def _here(mark: str) -> bool:
    return Path(mark).parent == settings.run_dir()


def _checkout(found: psutil.Process) -> str:
    try:
        return found.environ().get(process.CHECKOUT, "")
    except psutil.Error:
        return ""


def _is_the_courses_kafka(port: int) -> bool:
    """Every Kafka of the course has one cluster id."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    if not process.port_taken(port):
        return False
    try:
        with KafkaAdminClient(
            bootstrap_servers=f"{settings.HOST}:{port}", bootstrap_timeout_ms=2000
        ) as admin:
            return admin.describe_cluster()["cluster_id"] == CLUSTER_ID
    except KafkaError:
        return False


def _is_the_courses_rabbitmq(port: int) -> bool:
    """A RabbitMQ's first words have its cluster's name in them, which the course chooses."""
    try:
        with socket.create_connection((settings.HOST, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(rabbitmq.PROTOCOL_HEADER)
            return rabbitmq.CLUSTER_NAME.encode() in connection.recv(4096)
    except OSError:
        return False
