"""The native backend: the brokers as processes of this machine, no Docker and no root needed."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import settings
from . import jars, kafka, kafka_install, marks, ports, process, rabbitmq, rabbitmq_install
from .errors import BrokerError
from .places import Place, everything, members, single, spoken
from .progress_line import Progress

name = "native"
LEAST_DISK = 500_000_000  # bytes; RabbitMQ stops taking messages below 50 MB


def node(place: Place) -> process.Node:
    """The node of a place, running or not."""
    run = settings.run_dir()
    if place.broker == "kafka":
        return kafka.node(place, run / place.name)
    return rabbitmq.node(place, run / place.name, run / "home")


def running() -> bool:
    """Does a single broker run? What a cluster does is nobody else's business."""
    return any(node(single(broker)).running() for broker in ("kafka", "rabbitmq"))


# --- obtaining ----------------------------------------------------------------------------------


def obtain(brokers: Sequence[str]) -> None:
    """Obtain the brokers that are missing on this machine; once only, whoever asks."""
    marks.sweep()
    with _install_lock():
        if "kafka" in brokers and not kafka_install.installed():
            kafka_install.install()
        if "rabbitmq" in brokers:
            rabbitmq_install.install()


def fetch_pipeline() -> None:
    """Have the files of the programs that labs run beside Kafka, and those of Kafka, which they use."""
    with _install_lock():
        jars.fetch()
        jars.fetch(jars.PIPELINE_LOCK, "Kafka Streams, Kafka Connect and Debezium")


@contextmanager
def _install_lock() -> Iterator[None]:
    settings.cache_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.cache_dir() / "install.lock").open("w") as file:
        with Progress("Waiting for another installation to end"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- starting -----------------------------------------------------------------------------------


def start(places: Sequence[Place]) -> None:
    """Start those that do not run, wake those that are paused; return before they serve.

    Raises:
        BrokerError: a port is taken, the disk is full, or a cluster can't be formed."""
    idle = [place for place in places if not node(place).running()]
    for place in idle:
        marks.end(node(place).processes(), timeout=0)  # orphans of a start that was cut off
    _refuse_taken(idle)
    _refuse_full_disk()
    if any(place.broker == "rabbitmq" for place in idle):
        _epmd().start()
        _prepare_cluster(places)
    for place in places:
        node(place).resume()
        node(place).start()


def settle(places: Sequence[Place]) -> None:
    """Note what a RabbitMQ has loaded, for its next starts; once for each version."""
    for place in places:
        if place.broker == "rabbitmq":
            file = rabbitmq.modules_file(management=place.management is not None)
            if not file.is_file():
                with suppress(BrokerError):  # it serves all the same, and the next start tries again
                    rabbitmq.note_modules(_environment(place), file)


def _refuse_taken(places: Sequence[Place]) -> None:
    for place in places:
        for port in filter(ports.taken, place.ports):
            raise BrokerError(
                f"Port {port} of {settings.HOST}, which {place.name} needs, is held by "
                f"{ports.holder(port)}. It is not the course's, so it was left alone. Stop it, or "
                "give the course other ports: BREAKING_BROKERS_PORT_OFFSET=100 moves all by 100."
            )


def _refuse_full_disk() -> None:
    free = shutil.disk_usage(settings.run_dir()).free
    if free < LEAST_DISK:
        raise BrokerError(
            f"Only {free // 1_000_000} MB are free in {settings.run_dir()}; the brokers need "
            f"{LEAST_DISK // 1_000_000} MB. Free some, or set BREAKING_BROKERS_CACHE to a directory "
            "on another disk."
        )


def _epmd() -> process.Node:
    """Erlang's port mapper, one for all nodes of a run, so that no node's death takes it along."""
    run = settings.run_dir()
    return rabbitmq.epmd(run / "epmd", settings.ports().epmd, run / "home")


def _environment(place: Place) -> dict[str, str]:
    """What a tool needs that talks to a node."""
    run = settings.run_dir()
    return rabbitmq.environment(place, run / place.name, run / "home")


# --- ending -------------------------------------------------------------------------------------


def forget(places: Sequence[Place]) -> None:
    """End them at once, and delete what they stored."""
    for place in places:
        node(place).forget()


def down(delete_data: bool) -> list[str]:
    """Stop every broker of this run; sweep what dead runs left. Returns the names of what ended."""
    swept = marks.sweep()
    places = everything()
    alive = [place for place in places if node(place).processes()]
    if alive:
        with Progress(f"Stopping {spoken([place.name for place in alive])}"):
            with ThreadPoolExecutor(len(alive)) as pool:
                list(pool.map(_end, alive))
    _epmd().kill()
    if delete_data:
        forget(places)
    return sorted({*swept, *(place.name for place in alive)})


def _end(place: Place) -> None:
    """Cleanly for the two whose data is kept; a cluster's data is not, and it ends at once."""
    if place.number:
        node(place).kill()
    else:
        node(place).stop()


# --- RabbitMQ's cluster -------------------------------------------------------------------------


def ctl(place: Place, *arguments: str) -> str:
    """Run ``rabbitmqctl`` for a node and return what it prints."""
    return rabbitmq.ctl(_environment(place), *arguments)


def _prepare_cluster(places: Sequence[Place]) -> None:
    raise NotImplementedError
