"""The native backend: the brokers as processes of this machine, no Docker and no root needed."""

import functools
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from .. import settings
from . import jars, kafka, kafka_install, locks, marks, ports, process, rabbitmq, rabbitmq_install
from .errors import BrokerError
from .lifecycle import wait_for_all
from .places import SPOKEN, Place, epmd_port, every_place, single
from .tools import CommandLine, directed

name = "native"
LEAST_DISK = 500_000_000  # bytes; RabbitMQ stops taking messages below 50 MB


def node(place: Place) -> process.Node:
    """The node of a place, running or not."""
    return _node(place, settings.run_dir())


@functools.cache
def _node(place: Place, run: Path) -> process.Node:
    directory = run / place.name
    make = kafka.node if place.broker == "kafka" else rabbitmq.node
    return make(place, directory)


def running() -> bool:
    """Does a single broker run? What a cluster does is nobody else's business."""
    return any(node(single(broker)).running() for broker in SPOKEN)


def owners() -> dict[str, str]:
    """The copies of the course that started what runs at our ports, by the names of its nodes."""
    nodes = [one for one in map(node, every_place().values()) if one.running()]
    return {one.name: copy for one in nodes if (copy := one.checkout())}


def current() -> bool:
    """Is a supported RabbitMQ here, or to be had (series 3 gets no more fixes), or was one asked for?"""
    release = rabbitmq_install.release()
    return bool(settings.rabbitmq_series()) or release is None or release >= (4, 0)


# --- obtaining ----------------------------------------------------------------------------------


def obtain(brokers: Sequence[str]) -> None:
    """Obtain the brokers that are missing on this machine; once only, whoever asks."""
    marks.sweep()
    _refuse_noexec()
    steps = {"kafka": kafka_install.install, "rabbitmq": rabbitmq_install.install}
    with (
        locks.installing(),
        ThreadPoolExecutor() as pool,
    ):  # Java is busy while packages are fetched
        for step in [pool.submit(steps[broker]) for broker in brokers]:
            step.result()


def install() -> None:
    """Obtain all that the course will need, so that it works without a network from then on."""
    obtain(list(SPOKEN))
    fetch_pipeline()


def fetch_pipeline() -> None:
    """Have the files of the programs that labs run beside Kafka, and those of Kafka, which they use."""
    with locks.installing():
        jars.fetch()
        jars.fetch(jars.PIPELINE_LOCK, "Kafka Streams, Kafka Connect and Debezium")


# --- starting -----------------------------------------------------------------------------------


def start(places: Sequence[Place]) -> None:
    """Start those that do not run, wake those that are paused; return before they serve.

    Raises:
        BrokerError: a port is taken, the disk is full, or a cluster can't be formed."""
    idle = [place for place in places if not node(place).running()]
    for place in idle:
        marks.end(node(place).processes(), timeout=0)  # orphans of a start that was cut off
    for place in idle:
        ports.refuse_taken(place.name, place.listens)
    _refuse_full_disk()
    if any(place.broker == "rabbitmq" for place in idle):
        _start_epmd()
        _prepare_cluster(places)
    for place in places:
        node(place).resume()
        node(place).start()


def settle(places: Sequence[Place]) -> None:
    """Note what a RabbitMQ has loaded, and keep a new cluster's files: for the next starts."""
    rabbits = [place for place in places if place.broker == "rabbitmq"]
    for place in rabbits:
        file = rabbitmq.modules_file(place)
        if not file.is_file():
            with suppress(BrokerError):  # it serves all the same, and the next start tries again
                rabbitmq.note_modules(_environment(place), file)
    if len(rabbits) > 1:
        _keep_template(rabbits)


def _start_epmd() -> None:
    """Have Erlang's port mapper running: ours, or one that an Erlang of ours has started by itself."""
    epmd, port = rabbitmq.epmd(), epmd_port()
    if not epmd.running() and ports.taken(port) and not ports.holder(port).startswith("epmd "):
        ports.refuse_taken("RabbitMQ's port mapper", [port])
    epmd.start()


def _refuse_noexec() -> None:
    flags = os.statvfs(settings.cache_dir()).f_flag
    if flags & getattr(os, "ST_NOEXEC", 0):  # macOS has no such flag
        raise BrokerError(
            f"No program may run from {settings.cache_dir()}: its disk is mounted noexec. "
            "Set BREAKING_BROKERS_CACHE to a directory on another disk."
        )


def _refuse_full_disk() -> None:
    free = shutil.disk_usage(settings.run_dir()).free
    if free < LEAST_DISK:
        raise BrokerError(
            f"Only {free // 10**6} MB are free in {settings.run_dir()}, and {LEAST_DISK // 10**6} needed. "
            "Free some, or set BREAKING_BROKERS_CACHE to a directory on another disk."
        )


# --- ending -------------------------------------------------------------------------------------


def forget(places: Sequence[Place]) -> None:
    """End them at once, and delete what they stored."""
    for place in places:
        node(place).forget()


def down(delete_data: bool) -> list[str]:
    """Stop every broker of this run; sweep what dead runs left. Returns the names of what ended."""
    swept = marks.sweep()
    alive = [place for place in every_place().values() if node(place).processes()]
    if alive:
        with ThreadPoolExecutor(len(alive)) as pool:
            list(pool.map(_end, alive))
    rabbitmq.epmd().kill()
    if delete_data:
        forget(list(every_place().values()))
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


def metrics(place: Place) -> str:
    """Have a RabbitMQ node serve its numbers to Prometheus, until its next start; the address."""
    port = rabbitmq.serve_metrics(place, settings.run_dir() / place.name)
    return f"http://{settings.HOST}:{port}"


def _environment(place: Place) -> dict[str, str]:
    """What a tool needs that talks to a node."""
    return rabbitmq.environment(place, settings.run_dir() / place.name)


def tool(place: Place, tool: str, arguments: Sequence[str]) -> CommandLine:
    """How to run one of the brokers' own tools against a node.

    Raises:
        BrokerError: Kafka's can't be fetched, or RabbitMQ is not installed."""
    if place.broker == "kafka":
        fetch_pipeline()
        return kafka.tool(tool, directed(place.address, arguments)), process.clean_environment()
    return [str(rabbitmq_install.program(tool)), *arguments], _environment(place)


def _prepare_cluster(places: Sequence[Place]) -> None:
    """Have the directories of a new cluster, so that its nodes know of each other; from the template,
    if this machine has one."""
    if not all(place.number for place in places) or any(node(p).exists() for p in places):
        return
    kept = len(places) > 1 and _is_kept(places)
    for place in places:
        data = node(place).data
        data.parent.mkdir(mode=0o700)
        if kept:
            shutil.copytree(_template() / place.name, data)


def _template() -> Path:
    return settings.cache_dir() / "rabbitmq-template" / rabbitmq_install.version()


def _is_kept(places: Sequence[Place]) -> bool:
    """Is there a whole template? Another version of the course may have named its parts otherwise."""
    parts = ["complete", *(place.name for place in places)]
    return all((_template() / part).exists() for part in parts)


def _keep_template(places: Sequence[Place]) -> None:
    """Stop a new cluster, keep its files, and start it again: later ones start from them in 5 s, where
    forming one takes 20."""
    if _is_kept(places):
        return
    status = json.loads(ctl(places[0], "cluster_status", "--formatter", "json", "--silent"))
    if len(status["running_nodes"]) != len(places):
        raise BrokerError(
            f"Only {status['running_nodes']} of three RabbitMQ nodes found each other. "
            "`python -m helpers down` and try again; `python -m helpers doctor` checks localhost."
        )
    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(lambda place: node(place).stop(), places))
    draft = _template().with_name(f"{_template().name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    for place in places:
        shutil.copytree(node(place).data, draft / place.name)
    (draft / "complete").touch()
    with locks.installing():  # another copy of the course may have one by now
        if not _is_kept(places):
            shutil.rmtree(_template(), ignore_errors=True)
            draft.rename(_template())
    shutil.rmtree(draft, ignore_errors=True)
    for place in places:
        node(place).start()
    wait_for_all([(node(place), place) for place in places])
