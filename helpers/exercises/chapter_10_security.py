"""Grader of the lab on security: what is the matter with a server's certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from ..programs import module
from .answers import Wrong, ask, expect_patience
from .grading import grader

Inspect = Callable[[int, str, str, float, float], str]
Greet = Callable[[socket.socket], None]
HOUR = 1 / 24  # of a day
HANGS_UP = 3.0  # seconds within which an ended client's connection is gone


@grader("10.5")
def inspects(inspect: Inspect, data: Random) -> str:
    """Servers with good and bad certificates, without any, and one that is silent."""
    with tempfile.TemporaryDirectory() as folder:
        for wanted, name, server, authority, days in _cases(data, Path(folder)):
            with _Server(server) as running:
                said = ask(inspect, running.port, name, str(authority), days, 5.0)
                _expect(said, wanted, name, days)
                running.expect_end()
        for seconds in (0.3, 2.4):
            with _Server(_say_nothing) as running:
                started = time.monotonic()
                said = ask(inspect, running.port, name, str(authority), days, seconds)
                expect_patience(seconds, time.monotonic() - started)
                _expect(said, "silent", name, days)
                running.expect_end()
    return "each certificate judged as a careful client would, and no connection left open."


def _cases(data: Random, folder: Path) -> Iterator[tuple[str, str, Greet, Path, float]]:
    """What is to be said, the host that is wanted, the server, the authority, the days."""
    certificates = module("certificates.py")
    (folder / "theirs").mkdir()
    ours, namesake, other = (
        certificates.Authority(folder / place, name)
        for place, name in ((".", "authority"), ("theirs", "authority"), ("theirs", "other"))
    )
    number, long = data.randint(2, 9), data.randint(20, 90)
    host, days = f"broker-{number}.example", data.randint(5, 60)

    def issued(
        days_left: float, name: str = host, by: object = ours, whole_chain: bool = False
    ) -> Greet:
        file = by.issue(f"{time.monotonic_ns()}", name, days_left)  # type: ignore[attr-defined]
        if whole_chain:
            with open(file, "ab") as chain:
                chain.write(by.file.read_bytes())  # type: ignore[attr-defined]
        return lambda client: _handshake(client, file)

    yield from (
        (wanted, name, server, ours.file, days)
        for wanted, name, server in (
            ("good", host, issued(days + HOUR)),
            ("good", host, issued(days + 300)),
            ("ends soon", host, issued(days - HOUR)),
            ("ends soon", host, issued(HOUR)),
            ("expired", host, issued(-HOUR)),
            ("expired", host, issued(-long)),
            ("wrong name", host, issued(days + 90, f"broker-{number}{number}.example")),
            ("wrong name", host, issued(days + 90, f"other.{host}")),
            ("wrong name", "expired.example", issued(HOUR, host)),
            ("unknown authority", host, issued(days + 90, by=namesake)),
            ("unknown authority", host, issued(days + 90, by=other)),
            ("unknown authority", host, issued(days + 90, by=other, whole_chain=True)),
            ("no TLS", host, lambda client: client.sendall(b"AMQP\x00\x00\x09\x01")),
            ("no TLS", host, lambda client: client.recv(1)),
        )
    )


def _say_nothing(client: socket.socket) -> None:
    while client.recv(1024):
        pass


def _handshake(client: socket.socket, file: str) -> None:
    """TLS with this certificate. Afterwards the server waits, as a broker does, for the client."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    secured = context.wrap_socket(client, server_side=True)
    with secured:
        secured.settimeout(60)
        while secured.recv(1024):
            pass


class _Server:
    """A server at a free port of this machine, which greets each client in its own way."""

    def __init__(self, greet: Greet) -> None:
        self._greet = greet
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[threading.Thread] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def expect_end(self) -> None:
        """That the client came, and that its connections have been closed."""
        if not self._clients:
            raise Wrong(
                "never_asked",
                "the function gave its answer without connecting to the port.",
                "What a server shows, only a connection to it can tell.",
            )
        for client in self._clients:
            client.join(HANGS_UP)
        if any(client.is_alive() for client in self._clients):
            raise Wrong(
                "left_open",
                "the function had returned, and its connection was still open.",
                "Close the socket in every case, also when the handshake fails: `with` does.",
            )

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[client], daemon=True)
                self._clients.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(60)
        with client, contextlib.suppress(OSError):
            self._greet(client)


def _expect(said: object, wanted: str, name: str, days: float) -> None:
    if said == wanted:
        return
    kind = wanted.replace(" ", "_")
    facts = {
        "good": f"a certificate for {name} by the authority, which holds for more than {days} days",
        "ends_soon": f"a certificate for {name} by the authority, which ends within {days} days",
        "expired": f"a certificate for {name} by the authority, which has ended",
        "wrong_name": f"a certificate by the authority, for another host than {name}",
        "unknown_authority": f"a certificate for {name} by another authority than the one that you trust",
        "no_tls": "no TLS at all: the server said something else, or hung up",
        "silent": "nothing: the server had accepted, and said not a word",
    }
    hints = {
        "good": "Count the time that is left in seconds, not in whole days.",
        "ends_soon": "Read `notAfter` of the certificate when the handshake has succeeded.",
        "expired": "The exception's `verify_code` says which check failed.",
        "wrong_name": "The context checks the name if you tell `wrap_socket` the `server_hostname`, "
        "and the exception's `verify_code` says that this was it.",
        "unknown_authority": "Trust the one file that you were given; what else the context refuses "
        "has several codes.",
        "no_tls": "What fails in a handshake, and is no certificate, is another `ssl.SSLError`, or an "
        "`OSError`.",
        "silent": "The time-out of the socket holds for the handshake as well.",
    }
    raise Wrong(
        kind.lower(),
        f"the server showed {facts[kind.lower()]}: expected {wanted!r}, found {said!r}.",
        hints[kind.lower()],
    )
