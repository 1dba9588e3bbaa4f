"""The programs that stand between a client and a broker: an end at one side is an end at the other."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import settings

PROGRAMS = settings.CHECKOUT / "notebooks" / "programs"
SECONDS = 10


@contextmanager
def started(program: str, *words: object) -> Iterator[socket.socket]:
    """A connection to one of the programs."""
    command = [sys.executable, str(PROGRAMS / program), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            _, port = process.stdout.readline().split()
            with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as client:
                yield client
        finally:
            process.kill()


@contextmanager
def broker() -> Iterator[tuple[socket.socket, int]]:
    """A socket that listens in the place of a broker, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server, server.getsockname()[1]


def talk(client: socket.socket, server: socket.socket, leaves: str) -> bytes:
    """Say a word, have one side end the connection; returns what the other one hears after the word."""
    peer, _ = server.accept()
    with peer:
        peer.settimeout(SECONDS)
        client.sendall(b"word")
        assert peer.recv(4) == b"word"
        goes, stays = (peer, client) if leaves == "broker" else (client, peer)
        goes.close()
        return stays.recv(1)


def test_the_wiretap_passes_on_an_end_of_either_side(tmp_path: Path) -> None:
    for leaves in ("broker", "client"):
        with broker() as (server, port), started("wiretap.py", port, tmp_path / leaves) as client:
            assert talk(client, server, leaves) == b""
        assert (tmp_path / leaves).read_bytes() == b"word"


def test_the_slow_link_passes_on_an_end_of_either_side() -> None:
    for leaves in ("broker", "client"):
        with broker() as (server, port), started("slow_link.py", 0.01) as client:
            client.sendall(b"\x05\x01\x00")
            assert client.recv(2) == b"\x05\x00"
            client.sendall(
                b"\x05\x01\x00\x01" + socket.inet_aton("127.0.0.1") + struct.pack(">H", port)
            )
            assert len(client.recv(10)) == 10
            assert talk(client, server, leaves) == b""
