"""Live brokers: one interface, three backends.

``up()`` has Kafka and RabbitMQ running and says how to reach them; ``kafka_cluster()`` and
``rabbitmq_cluster()`` have three nodes each, to be killed. Which backend does it:

1. ``external``, if ``KAFKA_BOOTSTRAP_SERVERS`` or ``AMQP_URL`` is set;
2. the one whose brokers run already, whoever started them;
3. ``native``, where it can be had with a RabbitMQ of series 4;
4. ``compose``, where a Docker engine can serve;
5. ``native`` with an older RabbitMQ.

``BREAKING_BROKERS_BACKEND`` forces one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from .. import settings
from . import clients, compose, environment, external, lifecycle, locks, native, neighbours
from .backend import Backend
from .cluster import KafkaCluster, RabbitMQCluster
from .errors import BrokerError, NotOurs
from .places import SPOKEN, every_place, members, single, spoken
from .tools import CommandLine, names_a_broker

if TYPE_CHECKING:
    import pika

BOTH = tuple(SPOKEN)
HOLD_TIMEOUT = 110.0  # seconds; longer than a lesson, shorter than a cell may take in a test
BACKENDS: dict[str, Backend] = {"native": native, "compose": compose}
_in_use: dict[str, IO[str]] = {}  # the clusters that this process holds, with their lock files


@dataclass(frozen=True)
class Brokers:
    """How to reach the brokers that are up. What was not asked for is None."""

    backend: str
    kafka: dict[str, Any] | None
    """Options of a client: ``KafkaProducer(**brokers.kafka)``."""
    rabbitmq: pika.URLParameters | None
    """Where to connect: ``pika.BlockingConnection(brokers.rabbitmq)``."""
    management: str | None
    """Base address of RabbitMQ's HTTP API, without a slash at its end; None if there is none."""

    def __repr__(self) -> str:
        known = [SPOKEN[name] for name in BOTH if getattr(self, name) is not None]
        return f"Brokers({' and '.join(known)}, {self.backend})"


def up(*names: str, quiet: bool = False) -> Brokers:
    """Have brokers running, and say how to reach them. As often as you like: what runs is kept.

    Args:
        names: ``"kafka"``, ``"rabbitmq"`` or both; both if none is given.
        quiet: do not print that they are up.

    Raises:
        BrokerError: they can't be had; the text says why and what to do.
    """
    names = names or BOTH
    if wrong := [name for name in names if name not in BOTH]:
        raise BrokerError(f"There is no broker {wrong[0]!r}: choose from {' and '.join(BOTH)}.")
    _prepare(names)
    found = _external(names) if external.chosen() else _own(names)
    if not quiet:
        known = [name for name in BOTH if name in names]
        print(spoken(known), "are up." if len(known) > 1 else "is up.")
        if found.backend == "external":
            whose = external.whose()
            print(*(f"{SPOKEN[name]} is {whose[name]}." for name in known), sep="\n")
    return found


def found() -> Brokers:
    """How to reach the brokers that run, ours or external. Starts nothing.

    Raises:
        BrokerError: none runs, or an external one does not answer; with what to do.
    """
    _prepare(BOTH)
    if external.chosen():
        return _external([name for name, where in external.options().items() if where] or BOTH)
    backend = _backend()
    lifecycle.refuse_other_checkouts(backend)
    places = {name: single(name) for name in BOTH}
    names = [n for n, place in places.items() if lifecycle.serves(backend.node(place), place)]
    if not names:
        raise BrokerError("No broker is running. `python -m helpers up` starts them.")
    return _reached(backend, names)


def down(delete_data: bool = False) -> list[str]:
    """Stop every broker of this run, and sweep what dead runs left. Returns the names of what ended.

    ``delete_data`` also deletes what the brokers stored: topics, queues, messages."""
    for name in list(_in_use):
        _let_go(name)
    ended = lifecycle.down(native, delete_data) + compose.sweep()
    chosen = settings.forced_backend()
    stored = delete_data and chosen is None and not compose.why_not()
    if chosen == "compose" or stored or compose.running():
        ended += lifecycle.down(compose, delete_data)
    return ended


def status() -> list[dict[str, str]]:
    """One row for each broker that runs: ``name``, ``backend``, ``state``, ``address``, ``memory``."""
    return [row for backend in _in_sight() for row in lifecycle.status(backend)]


def logs(lines: int = 20) -> dict[str, str]:
    """The last lines that each broker has logged, by its name: those that run, and those that died."""
    found = {}
    for backend in _in_sight():
        for place in every_place().values():
            node = backend.node(place)
            if node.exists() and (text := node.log_tail(lines)):
                found[place.name] = text
    return found


def chosen_backend() -> str:
    """Who runs the brokers, or would: ``"native"``, ``"compose"`` or ``"external"``."""
    return "external" if external.chosen() else _backend().name


def tool(broker: str, tool: str, arguments: Sequence[str]) -> CommandLine:
    """How to run one of a broker's own tools against the one that ``up`` starts, or against another one
    that ``arguments`` name: the command line and its environment.

    Raises:
        NotOurs: the brokers are external.
        BrokerError: the broker does not run, or the tool can't be had; with what to do.
    """
    if external.chosen():
        raise NotOurs(
            f"The course's tools are for its own brokers, and {SPOKEN[broker]} here is somebody else's. "
            "Use the tools of that installation, or unset KAFKA_BOOTSTRAP_SERVERS and AMQP_URL."
        )
    backend, place = _backend(), single(broker)
    if broker == "rabbitmq" or not names_a_broker(arguments):
        lifecycle.refuse_other_checkouts(backend)
        if not lifecycle.serves(backend.node(place), place):
            raise BrokerError(
                f"{SPOKEN[broker]} does not answer at {place.address}, so `{tool}` has nothing to "
                "talk to. `python -m helpers up` starts it."
            )
    return backend.tool(place, tool, arguments)


def kafka_cluster(advertised: Mapping[int, str] | None = None) -> KafkaCluster:
    """Three Kafka nodes to break: new and empty, whatever ran in their place before.

    Only one notebook at a time can hold them, until its kernel ends or ``down()``.

    Args:
        advertised: an address, as ``"host:port"``, that a node is to give to its clients instead of
            its own, by the node's number: 2 or 3, since node 1 is the one to bootstrap from.

    Raises:
        ValueError: ``advertised`` names another node.
        NotOurs: the brokers are external, so that none may be killed.
        BrokerError: another kernel holds the cluster, or it did not start.
    """
    if wrong := set(advertised or ()) - {2, 3}:
        raise ValueError(f"Only nodes 2 and 3 can advertise another address, not {wrong.pop()!r}.")
    with _breakable("kafka") as backend:
        lifecycle.kafka_cluster(backend, advertised or {})
    return KafkaCluster(backend, members("kafka"), partial(_let_go, "kafka-cluster"))


def rabbitmq_cluster(nodes: int = 3) -> RabbitMQCluster:
    """One or three RabbitMQ nodes to break: new and empty, whatever ran in their place before.

    Only one notebook at a time can hold them, until its kernel ends or ``down()``.

    Args:
        nodes: 3, or 1 for a node of your own where one is enough: it starts in half the time.

    Raises:
        ValueError: ``nodes`` is neither 1 nor 3.
        NotOurs: the brokers are external, so that none may be killed.
        BrokerError: another kernel holds the cluster, or it did not start.
    """
    if nodes not in (1, 3):
        raise ValueError(f"A RabbitMQ cluster of the course has 1 node or 3, not {nodes!r}.")
    with _breakable("rabbitmq") as backend:
        lifecycle.rabbitmq_cluster(backend, nodes)
    places = members("rabbitmq", nodes)
    return RabbitMQCluster(backend, places, partial(_let_go, "rabbitmq-cluster"))


def _backend() -> Backend:
    """Who is to run the brokers, where that is not somebody else."""
    if forced := settings.forced_backend():
        return BACKENDS[forced]
    for backend in BACKENDS.values():
        if backend.running():
            return backend
    return native if native.current() or compose.why_not() else compose


def _in_sight() -> list[Backend]:
    """The backends whose brokers may be running."""
    return [native, compose] if compose.running() else [native]


def _own(names: tuple[str, ...]) -> Brokers:
    with neighbours.settled():
        backend = _backend()
        try:
            lifecycle.up(backend, names)
        except BrokerError as error:
            if backend is native or settings.forced_backend():
                raise
            why = str(error).splitlines()[-2:][0]  # before the remedy, Docker's last words
            print(f"Docker could not start the brokers, so they are started without it: {why}")
            backend = native
            lifecycle.up(backend, names)
        return _reached(backend, names)


def _reached(backend: Backend, names: Sequence[str]) -> Brokers:
    rabbitmq = single("rabbitmq") if "rabbitmq" in names else None
    return Brokers(
        backend=backend.name,
        kafka=clients.kafka_options(single("kafka").port) if "kafka" in names else None,
        rabbitmq=clients.rabbitmq_parameters(rabbitmq.port) if rabbitmq else None,
        management=f"http://{settings.HOST}:{rabbitmq.management}" if rabbitmq else None,
    )


def _external(names: Sequence[str]) -> Brokers:
    wanted = {name: where for name, where in external.options().items() if name in names}
    for name, where in wanted.items():
        if not where:
            raise BrokerError(
                f"This lesson needs {SPOKEN[name]}, and with external brokers "
                f"{external.VARIABLES[name]} says where it is, but is not set. Set it, or unset the "
                "other to use brokers of your own."
            )
    external.probe(**wanted)
    management = external.management() if "rabbitmq" in wanted else None
    return Brokers("external", wanted.get("kafka"), wanted.get("rabbitmq"), management)


@contextmanager
def _breakable(name: str) -> Iterator[Backend]:
    """Who is to run a cluster, which from now on is this process's."""
    if external.chosen():
        raise NotOurs(
            f"This lesson kills {SPOKEN[name]} nodes, and the brokers here belong to somebody else "
            "(KAFKA_BOOTSTRAP_SERVERS or AMQP_URL is set). Unset those to break nodes of your own."
        )
    _prepare((name,))
    with neighbours.settled():
        backend = _backend()
        _hold(f"{name}-cluster")
        try:
            yield backend
        except BaseException:
            _let_go(f"{name}-cluster")
            raise


def _hold(name: str) -> None:
    """Keep a cluster for this process; the lock goes when the process does."""
    if name in _in_use:
        return
    path = settings.run_dir() / f"{name}.lock"
    file = path.open("a+")
    try:
        locks.wait_for(file, path, f"Waiting for the notebook that uses the {name}", HOLD_TIMEOUT)
    except BaseException:
        file.close()
        raise
    _in_use[name] = file


def _let_go(name: str) -> None:
    if file := _in_use.pop(name, None):
        file.close()


def _prepare(names: tuple[str, ...]) -> None:
    """Have this process, and the programs that it starts, fit for brokers that are killed."""
    if sys.flags.optimize:
        raise BrokerError(
            "Python leaves out assertions here (PYTHONOPTIMIZE, or -O), and without them kafka-python "
            "reaches no broker, and no verdict is checked. Unset it, and start Python or Jupyter again."
        )
    environment.spare_loopback()
    clients.quieten()
    if "kafka" in names:
        clients.mend_kafka()
    os.environ.setdefault("PYTHON_COLORS", "0")  # cells read what programs say before they die
