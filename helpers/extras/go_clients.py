"""Clients of Kafka in Go, franz-go and kafka-go: a program of the course that uses both.

Its source is ``go/clients/main.go`` in this folder; ``make extras`` builds it where there is Go.
"""

from __future__ import annotations

import signal

from .. import pipeline, programs
from ..brokers import process
from .parts import GoProgram

__all__ = ["GoClient", "command"]

PROGRAM = GoProgram("clients")


def command(*words: str) -> list[str]:
    """The command line that has the program do something; its source says what it can do."""
    return [str(PROGRAM.path()), *words]


class GoClient(programs.Program):
    """The program as a process that can be paused and killed; read its ``lines()``, or what it ``said``.

    Example:
        >>> member = GoClient("consume", "franz-go", "127.0.0.1:9092", "orders", "shop")  # doctest: +SKIP
    """

    def __init__(self, *words: str) -> None:
        """Start it.

        Args:
            words: what it is to do; its source says what it can do.
        """
        self._words = words
        pipeline.Program.__init__(
            self, "clients", self._launch, main=PROGRAM.path().name, goodbye=signal.SIGTERM
        )
        self.start()

    def _launch(self, _token: str) -> process.CommandLine:
        return command(*self._words), {}
