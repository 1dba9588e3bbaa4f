"""kfake: a broker in Go that speaks Kafka's protocol, made for the tests of the client franz-go."""

from __future__ import annotations

import signal
from typing import Any

from ..brokers import clients, kafka, process
from ..brokers.ports import free as free_ports
from ..pipeline import Program, started
from .parts import GoProgram

__all__ = ["Kfake"]

PROGRAM = GoProgram("kfake")


class Kfake(Program):
    """A kfake of one node on a free port of this machine; it serves when this returns."""

    def __init__(self, on_disk: bool = False) -> None:
        """Start it.

        Args:
            on_disk: it is to write what it has to its directory, and not to keep it in memory alone.

        Raises:
            BrokerError: it did not start; with the end of its log.
        """
        [self._port] = free_ports(1)
        self._on_disk = on_disk
        serves = lambda: kafka.answers(self._port)  # noqa: E731
        super().__init__("kfake", self._serve, PROGRAM.path().name, signal.SIGKILL, serves)
        started(self)

    def options(self) -> dict[str, Any]:
        """Options of a client of it."""
        return clients.kafka_options(self._port)

    def _serve(self, _token: str) -> process.CommandLine:
        more = [str(self.data)] if self._on_disk else []
        return [PROGRAM.path(), str(self._port), *more], {}
