"""What a backend is: the nodes that it can start, and the few deeds that differ from one to another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .places import Place
from .tools import CommandLine


class Node(Protocol):
    """One broker: a process of this machine, or a container."""

    name: str

    def start(self) -> None:
        """Start it, if it is not running; return before it serves."""

    def stop(self) -> None:
        """Ask it to end, and wait for that."""

    def kill(self) -> None:
        """SIGKILL."""

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""

    def resume(self) -> None:
        """Go on after ``pause``."""

    def running(self) -> bool:
        """Is it there, paused or not?"""

    def paused(self) -> bool:
        """Was it frozen by ``pause``?"""

    def exists(self) -> bool:
        """Is there anything that it stored, whether it runs or not?"""

    def memory(self) -> int:
        """Resident bytes; 0 if that is not known."""

    def ending(self) -> str:
        """Why it may have ended: a sentence with a blank at its end, or nothing."""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it logged."""

    @property
    def data(self) -> Path:
        """Its data directory, as this machine sees it."""


class Backend(Protocol):
    """Runs brokers. What is the same for all of them stands in ``lifecycle``."""

    name: str

    def node(self, place: Place) -> Node:
        """The node of a place, running or not."""

    def running(self) -> bool:
        """Does it run brokers that ``up()`` is to go on with? Quick, and without an error."""

    def owners(self) -> dict[str, str]:
        """The copies of the course that started what runs at our ports, by the names of its nodes."""

    def obtain(self, brokers: Sequence[str]) -> None:
        """Have what is needed to start them, from the network if need be.

        Raises:
            BrokerError: it can't be had; with what to do."""

    def start(self, places: Sequence[Place]) -> None:
        """Start those that do not run, wake those that are paused; return before they serve.

        Raises:
            BrokerError: it can't; with what to do."""

    def settle(self, places: Sequence[Place]) -> None:
        """What is to be done once, when they serve."""

    def forget(self, places: Sequence[Place]) -> None:
        """End them at once, and delete what they stored."""

    def down(self, delete_data: bool) -> list[str]:
        """End all that runs, cleanly where data is kept. Returns the names of what ended."""

    def ctl(self, place: Place, *arguments: str) -> str:
        """Run ``rabbitmqctl`` for a node and return what it prints."""

    def metrics(self, place: Place) -> str:
        """Have a RabbitMQ node serve its numbers to Prometheus, until its next start; the address.

        Raises:
            BrokerError: it can't; with what to do."""

    def tool(self, place: Place, tool: str, arguments: Sequence[str]) -> CommandLine:
        """How to run one of the tools of ``tools`` against a node that runs.

        Raises:
            BrokerError: the tool can't be had; with what to do."""
