"""Start, wait, heal, forget: what is the same for every backend, written once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from .. import settings
from ..waiting import WaitTimeout, wait_until
from . import kafka, locks, marks, rabbitmq
from .backend import Backend, Node
from .errors import BrokerError
from .places import Place, every_place, members, single, spoken
from .progress_line import Progress

START_TIMEOUT = 120.0  # seconds; thirty times what it takes on a quiet machine
COUNTED = {1: "a RabbitMQ node", 3: "three RabbitMQ nodes"}


def starting() -> AbstractContextManager[None]:
    """Held by whoever starts or ends brokers: one at a time."""
    waiting = "Waiting for another process that is starting the brokers"
    return locks.held(settings.run_dir() / "brokers.lock", waiting)


def up(backend: Backend, brokers: Sequence[str]) -> None:
    """Start what does not run, and wait until all of it serves; two at once start one.

    Raises:
        BrokerError: it can't be had or did not start; with what to do.
    """
    places = [single(broker) for broker in brokers]
    if all(serves(backend.node(place), place) for place in places):
        refuse_other_checkouts(backend)
        return
    with _obtained(backend, brokers):
        _start(backend, places, f"Starting {spoken(list(brokers))}")


def kafka_cluster(backend: Backend, addresses: Mapping[int, str]) -> None:
    """Have three Kafka nodes that know each other and advertise these addresses: new and empty."""
    places = members("kafka")
    with _obtained(backend, ["kafka"]):
        backend.forget(places)
        kafka.advertise(addresses)
        _start(backend, places, "Starting three Kafka nodes")


def rabbitmq_cluster(backend: Backend, count: int) -> None:
    """Have that many RabbitMQ nodes in one cluster: new and empty."""
    with _obtained(backend, ["rabbitmq"]):
        backend.forget(members("rabbitmq"))
        _start(backend, members("rabbitmq", count), f"Starting {COUNTED[count]}")


def wait_for_cluster(backend: Backend, broker: str, started: Sequence[Place] = ()) -> None:
    """Wait until every node of a cluster that runs, and is not paused, serves and knows the others; and
    those that were ``started``, even if they have ended since: see ``wait_ready``."""
    places = [p for p in members(broker) if p in started or _awake(backend.node(p))]
    wait_for_all([(backend.node(place), place) for place in places])
    if broker == "kafka" and places:  # node 1 keeps the metadata
        first = members("kafka")[0].port
        known = lambda: kafka.brokers_known(first) >= len(places)  # noqa: E731
        wait_ready(backend.node(places[-1]), known)


def end_cluster(backend: Backend, broker: str) -> None:
    """End the nodes of a cluster, and delete what they stored, unless they are another checkout's."""
    with starting():
        refuse_other_checkouts(backend)
        backend.forget(members(broker))


def down(backend: Backend, delete_data: bool) -> list[str]:
    """End all that runs. Returns the names of what ended.

    Raises:
        BrokerError: some of it is another checkout's; nothing was ended."""
    with starting():
        refuse_other_checkouts(backend)
        with Progress("Stopping the brokers"):
            return backend.down(delete_data)


def status(backend: Backend) -> list[dict[str, str]]:
    """One row for each node that runs."""
    rows = []
    for place in every_place().values():
        node = backend.node(place)
        if node.running():
            state = "paused" if node.paused() else "running"
            row = {"name": place.name, "backend": backend.name, "state": state}
            memory = node.memory()
            row |= {"address": place.address, "memory": f"{memory / 1e6:.0f} MB" if memory else ""}
            rows.append(row)
    return rows


def answers(place: Place) -> bool:
    """Does the broker answer its own protocol? The single Kafka must also list itself as alive."""
    if place.broker == "rabbitmq":
        return rabbitmq.answers(place.port)
    return kafka.answers(place.port) if place.number else kafka.brokers_known(place.port) == 1


def serves(node: Node, place: Place) -> bool:
    """Is it running, not paused, and does it answer?"""
    return _awake(node) and answers(place)


def wait_for_all(nodes: Iterable[tuple[Node, Place]]) -> None:
    """Wait until each of them serves. Raises what ``wait_ready`` raises."""
    for node, place in nodes:
        wait_ready(node, partial(answers, place))


def wait_ready(node: Node, ready: Callable[[], bool], timeout: float = START_TIMEOUT) -> None:
    """Wait until a node that was started serves.

    Raises:
        BrokerError: it ended, or did not serve within ``timeout`` seconds; with its last words.
    """

    def serves() -> bool:
        if ready():
            return True
        if not node.running():
            raise BrokerError(
                f"{node.name} ended while starting. {node.ending()}Its log ends with:\n"
                f"{node.log_tail()}"
            )
        return False

    try:
        wait_until(
            serves,
            f"{node.name} to serve",
            timeout,
            log=node.log_tail,
            then="`python -m helpers doctor` says what this machine lacks.",
        )
    except WaitTimeout as error:
        raise BrokerError(str(error)) from error


def refuse_other_checkouts(backend: Backend) -> None:
    """Two copies of the course at the same ports would take each other's brokers for their own, and
    have their directories in one place.

    A copy that is gone, since its folder was moved or deleted, owns nothing.

    Raises:
        BrokerError: a node that runs was started by another copy of the course.
    """
    for name, other in backend.owners().items():
        if other != str(settings.CHECKOUT) and (Path(other) / "helpers").is_dir():
            raise BrokerError(
                f"{name} on these ports was started by another copy of the course, in {other}. Run "
                "`python -m helpers down` there, or set BREAKING_BROKERS_PORT_OFFSET=100 here."
            )


@contextmanager
def _obtained(backend: Backend, brokers: Sequence[str]) -> Iterator[None]:
    """With what is needed to start them, and with nobody else who starts or ends any meanwhile."""
    with starting():
        marks.claim_run()
        backend.obtain(brokers)
        refuse_other_checkouts(backend)
        yield


def _start(backend: Backend, places: Sequence[Place], words: str) -> None:
    with Progress(words):
        backend.start(places)
        if places[0].number:
            wait_for_cluster(backend, places[0].broker, places)
        else:
            wait_for_all([(backend.node(place), place) for place in places])
    backend.settle(places)


def _awake(node: Node) -> bool:
    return node.running() and not node.paused()
