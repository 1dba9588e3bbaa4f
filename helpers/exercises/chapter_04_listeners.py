"""Grader of the lab on advertised listeners: what is the matter with an address."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from random import Random

import psutil

from .answers import Wrong, ask
from .grading import grader

Reach = Callable[[str, int, float], str]
SPARE = 2.0  # seconds that a busy machine may take beyond the time that was given


@grader("4.6")
def reachable(reach: Reach, data: Random) -> str:
    """Four addresses, in an order that is drawn; each has one right word."""
    host = "127.0.0.1"
    with _listening() as open_port, _silent() as silent_port, _closed() as closed_port:
        cases = [
            ("answers", host, open_port),
            ("no such name", f"kafka-{data.randint(1, 99)}.invalid", 9092),
            ("refused", host, closed_port),
            ("silent", host, silent_port),
        ]
        for expected, name, port in data.sample(cases, len(cases)) + cases[:1]:
            _expect(reach, expected, name, port, data.choice((0.3, 0.5, 0.8)))
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
    if expected == "silent" and not seconds - 0.1 <= taken <= seconds + SPARE:
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
