"""A local server of Amazon's queues (SQS) and topics (SNS): moto's, as a process of its own.

It speaks Amazon's protocol, so that Amazon's own client library, boto3, works with it unchanged. It is
not Amazon: one process, which keeps everything in memory.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from ..brokers import ports, process
from ..pipeline import Program, started
from ..settings import HOST

__all__ = ["Server"]


class Server(Program):
    """A new and empty server on a free port of this machine; it serves when this returns.

    ``url`` is its address. ``options`` are those of a client of boto3: with them it comes here, and
    never to Amazon, whatever account the user has.

    Example:
        >>> boto3.client("sqs", **Server().options).list_queues()  # doctest: +SKIP
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            BrokerError: it did not start; with the end of its log.
        """
        [self._port] = ports.free(1)
        self.url = f"http://{HOST}:{self._port}"
        listens = lambda: ports.answers(self._port)  # noqa: E731
        super().__init__("sqs", self._serve, "python", signal.SIGKILL, listens)
        started(self)

    @property
    def options(self) -> dict[str, Any]:
        """How a client of boto3 comes here; the server accepts any name and secret."""
        return options(self.url)

    def _serve(self, _token: str) -> process.CommandLine:
        place = ["-H", HOST, "-p", str(self._port)]
        return [sys.executable, "-m", "moto.server", *place], {}


def options(url: str) -> dict[str, Any]:
    """Options of a client of boto3 that goes to this address."""
    login = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    return {"endpoint_url": url, "region_name": "eu-central-1", **login}
