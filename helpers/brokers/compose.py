"""The compose backend: the brokers as containers of ``docker-compose.yml``."""

from __future__ import annotations

NAME = "compose"


def available() -> bool:
    return False


def running() -> bool:
    return False
