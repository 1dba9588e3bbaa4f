"""Which addresses only this machine can reach."""

from __future__ import annotations

import ipaddress


def loopback(host: str) -> bool:
    """Is it the loopback's address or name? An empty host means all interfaces."""
    host = host.strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name, or none
        return False
