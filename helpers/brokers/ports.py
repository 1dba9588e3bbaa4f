"""Ports of this machine: is one taken, by whom, and which are free."""

import contextlib
import random
import socket
from collections.abc import Iterable
from itertools import filterfalse, islice

import psutil

from .. import settings
from .errors import BrokerError

# Above most of the course's own; outgoing connections begin at 32768 on Linux, at 49152 on macOS.
FREE = range(26_100, 32_768)


def answers(port: int) -> bool:
    """Does anything on this machine listen at the port?"""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((settings.HOST, port)) == 0


def taken(port: int) -> bool:
    """Does anything on this machine hold the port?"""
    if answers(port):
        return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, port))
        except OSError:
            return True
    return False


def refuse_taken(name: str, wanted: Iterable[int]) -> None:
    """Nothing is started where something else listens.

    Raises:
        BrokerError: a port that ``name`` needs is taken; with who has it."""
    for port in filter(taken, wanted):
        raise BrokerError(
            f"Port {port} of {settings.HOST}, which {name} needs, is held by {holder(port)}. It was "
            "left alone. Stop it (`python -m helpers down` ends what the course started), or give "
            "the course other ports: BREAKING_BROKERS_PORT_OFFSET=100 moves all by 100."
        )


def holder(port: int) -> str:
    """Who listens on a port, in words: name and pid, as far as this user may know."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                listens = connection.status == psutil.CONN_LISTEN
                if listens and connection.laddr and connection.laddr.port == port:
                    words = " ".join(process.cmdline())[:100]
                    return f"{process.name()} (pid {process.pid}: {words})"
    return "a process of another user"


def ask(port: int, request: bytes, most: int) -> bytes:
    """The first bytes, at most so many, of what answers a request; none where nobody does."""
    try:
        with socket.create_connection((settings.HOST, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(request)
            return connection.recv(most)
    except OSError:
        return b""


def free(count: int) -> list[int]:
    """Ports that nobody holds now, and that the system gives to no outgoing connection: what is killed
    finds its port free when it starts again.

    Raises:
        BrokerError: there are not so many.
    """
    found = list(islice(filterfalse(taken, random.sample(FREE, len(FREE))), count))
    if len(found) < count:
        raise BrokerError(f"There are no {count} free ports from {FREE[0]} to {FREE[-1]}.")
    return found
