"""Graders of the lab on advertised listeners: what is the matter with an address, and whom it costs."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import psutil
from kafka import KafkaAdminClient

from .answers import Wrong, ask
from .grading import grader
from .places import kafka_options, new_topic

Reach = Callable[[str, int, float], str]
CutOff = Callable[[list[dict[str, Any]], list[dict[str, Any]], float], set[int]]
NOBODY = -1  # leads a partition of which no replica may lead
SPARE = 2.0  # seconds that a busy machine may take beyond the time that was given
EARLY = 0.1  # seconds by which a time-out may come too early
BRIEFLY, LONG = (0.3, 0.4), (2.8, 3.0)  # seconds; no constant does justice to one of each


@grader("4.6")
def reachable(reach: Reach, data: Random) -> str:
    """Four addresses, in an order that is drawn; each has one right word. The silent one is tried for a
    short time and for a longer one."""
    host = "127.0.0.1"
    with _listening() as open_port, _silent() as silent_port, _closed() as closed_port:
        cases = [
            ("answers", host, open_port),
            ("no such name", f"kafka-{data.randint(1, 99)}.invalid", 9092),
            ("refused", host, closed_port),
            ("silent", host, silent_port),
        ]
        for expected, name, port in data.sample(cases, len(cases)) + cases[:1]:
            _expect(reach, expected, name, port, data.choice(BRIEFLY))
        _expect(reach, "silent", host, silent_port, data.choice(LONG))
    return "a word for each: answers, no such name, refused, silent."


def _expect(reach: Reach, expected: str, host: str, port: int, seconds: float) -> None:
    before, begun = _open_sockets(port), time.monotonic()
    call = f"reach({host!r}, {port}, {seconds})"
    found = ask(
        reach,
        host,
        port,
        seconds,
        seconds=seconds + 10,
        late=Wrong(
            "late", f"{call} had not returned after {seconds + 10:g} s.", "Give it a time-out."
        ),
    )
    taken = time.monotonic() - begun
    if found != expected:
        raise Wrong(
            "wrong_word",
            f"{call} is {found!r}, expected {expected!r}.",
            "Each has an error of its own.",
        )
    if expected == "silent" and not seconds - EARLY <= taken <= seconds + SPARE:
        raise Wrong(
            "wrong_time",
            f"{call} took {taken:.1f} s to find that nothing is heard.",
            "It is to wait for as long as it is told, and no longer.",
        )
    if _open_sockets(port) > before:
        raise Wrong(
            "left_open",
            f"{call} left a connection open.",
            "Close what you opened, whatever happens.",
        )


def _open_sockets(port: int) -> int:
    """Connections of this process to that port which it has not closed."""
    mine = psutil.Process().net_connections("tcp")
    return sum(
        bool(one.raddr) and one.raddr.port == port and one.laddr.port != port for one in mine
    )


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    """A port at which somebody answers, as often as one likes."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def _closed() -> Iterator[int]:
    """A port that is taken, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def _silent() -> Iterator[int]:
    """A port whose queue of connections is full, so that it leaves new ones without an answer."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        contextlib.ExitStack() as kept,
    ):
        address = server.getsockname()
        while True:
            waiting = kept.enter_context(socket.socket())
            waiting.settimeout(0.3)
            try:
                waiting.connect(address)
            except TimeoutError:
                break
        yield address[1]


# -- 4.11: which partitions fail from here -------------------------------------------------------


@grader("4.11", needs=("kafka",))
def cut_off(answer: CutOff, data: Random) -> str:
    """The learner's broker and its topic; then more brokers, half of which can't be reached."""
    with new_topic(2) as topic, KafkaAdminClient(**kafka_options()) as admin:
        found = admin.describe_cluster()["brokers"]
        here = [{name: one[name] for name in ("broker_id", "host", "port")} for one in found]
        partitions = admin.describe_topics([topic])[0]["partitions"]
    _expect_cut_off(answer, here, partitions, set(), 1.0)
    _expect_cut_off(answer, here, [], set(), 1.0)
    with contextlib.ExitStack() as open_ports:
        good = [open_ports.enter_context(_listening()) for _ in range(2)]
        bad = [open_ports.enter_context(_silent()) for _ in range(4)]
        bad.append(open_ports.enter_context(_closed()))
        ids = data.sample(range(1, 100), len(good) + len(bad))
        ids = [0, *ids[1:]]  # the first can be reached, and may well be called so
        brokers = [
            {"broker_id": number, "host": "127.0.0.1", "port": port}
            for number, port in zip(ids, good + bad, strict=True)
        ]
        brokers.append(
            {"broker_id": 100, "host": f"kafka-{data.randint(1, 99)}.invalid", "port": 9092}
        )
        data.shuffle(brokers)
        fine, lame = ids[:2], [*ids[2:], 100]
        leaders = [*fine, *fine, *lame, lame[0], NOBODY, 101]
        data.shuffle(leaders)
        partitions = [
            {"partition_index": n, "leader_id": leader, "replica_nodes": [leader, fine[0], lame[0]]}
            for n, leader in enumerate(leaders)
        ]
        expected = {n for n, leader in enumerate(leaders) if leader not in fine}
        for seconds in (0.5, data.choice((2.4, 2.6))):
            _expect_cut_off(answer, brokers, partitions, expected, seconds)
    return "every partition that fails from here, in the time of one address."


def _expect_cut_off(
    answer: CutOff, brokers: list[dict], partitions: list[dict], expected: set[int], seconds: float
) -> None:
    ports = [one["port"] for one in brokers]
    before, begun = sum(map(_open_sockets, ports)), time.monotonic()
    call = f"cut_off of {len(brokers)} brokers and {len(partitions)} partitions"
    late = Wrong(
        "late", f"{call} had not returned after {seconds + 20:g} s.", "Give it a time-out."
    )
    said = ask(answer, brokers, partitions, seconds, seconds=seconds + 20, late=late)
    taken = time.monotonic() - begun
    if not isinstance(said, set):
        raise Wrong("no_set", f"{call} returned {said!r:.60}.", "Return a set of numbers.")
    leaders = {one["partition_index"]: one["leader_id"] for one in partitions}
    places = {one["broker_id"]: f"{one['host']}:{one['port']}" for one in brokers}
    if wrongly := said - expected:
        number = min(wrongly, key=str)
        what = f"{call}: {number!r} is in it; leader: {leaders.get(number, 'no such partition')}."
        raise Wrong("invented", what, "Whom does a client talk to about this partition?")
    if left := expected - said:
        leader = leaders[min(left)]
        what = (
            f"{call}: partition {min(left)} isn't in it; leader: {leader}, at {places.get(leader)}."
        )
        raise Wrong("overlooked", what, "Can a client on this machine reach its leader?")
    if taken > seconds + SPARE:
        what = f"{call} had {seconds:g} s, and took {taken:.1f}."
        raise Wrong(
            "one_by_one", what, "Four addresses are silent: wait for them at the same time."
        )
    if expected and taken < seconds - EARLY:
        what = (
            f"{call} had {seconds:g} s, some of them are silent, and it gave up after {taken:.1f}."
        )
        raise Wrong(
            "gave_up_early", what, "An address may still answer: wait for as long as you are told."
        )
    if sum(map(_open_sockets, ports)) > before:
        what = f"{call} left a connection open."
        raise Wrong("left_open", what, "Close what you opened, whatever happens.")
