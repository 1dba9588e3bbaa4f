"""RabbitMQ's own management page inside JupyterLab, at ``/rabbitmq/`` and in the launcher."""

from __future__ import annotations

from typing import Any

from .. import settings


def proxy() -> dict[str, Any]:
    """What jupyter-server-proxy, which finds this by its entry point, needs to know."""
    return {
        "command": [],  # runs already, or will
        "port": settings.places()["rabbitmq"].management,
        "timeout": 5,
        "absolute_url": False,
        "rewrite_response": _never_cached,
        "launcher_entry": {"title": "RabbitMQ management"},
    }


def _never_cached(response: Any) -> None:
    """Else the browser sends the proxy's ETag back, and RabbitMQ answers any ETag with 412."""
    response.headers["Cache-Control"] = "no-store"
