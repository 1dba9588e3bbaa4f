"""Environment variables that would lead a client of the course astray."""

import os
from urllib.request import getproxies_environment

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def spare_loopback() -> None:
    """Have no client of this process, or of its children, ask a proxy for what runs on this machine."""
    if not getproxies_environment().keys() - {"no"}:
        return
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in LOOPBACK if host not in hosts]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)
