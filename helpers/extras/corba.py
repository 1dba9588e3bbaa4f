"""CORBA, as omniORB has it: the compiler of interfaces, and a naming service of one's own."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from ..brokers import ports, process
from ..pipeline import Program, started
from ..settings import HOST

__all__ = ["NamingService", "compile_idl"]

WHEEL = "jeteve_omniorb"


class NamingService(Program):
    """omniNames on a free port of this machine, which knows no name yet; it serves when this returns.

    What it was told is on its disk, and still there after ``kill()`` and ``start()``. ``address`` is
    its reference, for ``orb.string_to_object``.
    """

    def __init__(self) -> None:
        """Raises BrokerError: it did not start; with its last words."""
        [self._port] = ports.free(1)
        self.address = f"corbaloc:iiop:{HOST}:{self._port}/NameService"
        listens = lambda: ports.answers(self._port)  # noqa: E731
        super().__init__("naming-service", self._serve, "omniNames", signal.SIGTERM, listens)
        self.data.mkdir()
        started(self)

    def _serve(self, _token: str) -> process.CommandLine:
        found = find_spec(WHEEL)
        program = Path(found.origin or "").parent / "bin" / "omniNames" if found else "omniNames"
        here = ["-ORBendPoint", f"giop:tcp:{HOST}:{self._port}"]
        return [program, "-start", str(self._port), "-always", "-datadir", self.data, *here], {}


def compile_idl(text: str) -> list[str]:
    """Compile an interface, and make what comes of it ready to be imported; returns the modules' names.

    Raises:
        ImportError: it is no IDL; with what the compiler says.
    """
    import omniORB

    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"  # where omniidl is
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".idl") as file:
            file.write(text)
            file.flush()
            return list(omniORB.importIDL(file.name))
    finally:
        os.environ["PATH"] = before
