"""Free ports: held by nobody, and by no connection that is opened a moment later."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from helpers.brokers import BrokerError, ports

SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_free_ports_differ_and_are_held_by_nobody():
    found = ports.free(50)
    assert len(set(found)) == 50
    assert not any(map(ports.taken, found))


@pytest.mark.skipif(not SYSTEM.is_file(), reason="only Linux tells which ports it gives away")
def test_no_outgoing_connection_is_given_a_free_port():
    """Else a broker that is killed finds a client of somebody else's at its own port."""
    first, last = map(int, SYSTEM.read_text().split())
    assert not set(ports.free(200)) & set(range(first, last + 1))


def test_a_port_answers_while_somebody_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.answers(port)
    assert not ports.answers(port)


def test_a_port_that_is_held_is_not_free(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = server.getsockname()[1]
        monkeypatch.setattr(ports, "FREE", range(held, held + 1))
        with pytest.raises(BrokerError, match="no 1 free ports"):
            ports.free(1)
