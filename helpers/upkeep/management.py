"""RabbitMQ's own management page inside JupyterLab, at ``/rabbitmq/`` and in the launcher."""

from functools import partial
from typing import Any

from ..brokers.places import single


def proxy() -> dict[str, Any]:
    """What jupyter-server-proxy, which finds this by its entry point, needs to know."""
    return {
        "command": [],  # runs already, or will
        "port": single("rabbitmq").management,
        "timeout": 5,
        "absolute_url": False,
        "rewrite_response": _never_cached,
        "update_last_activity": _with_path_as_it_came,
        "launcher_entry": {"title": "RabbitMQ management"},
    }


def _never_cached(response: Any) -> None:
    """Else the browser sends the proxy's ETag back, and RabbitMQ answers any ETag with 412."""
    response.headers["Cache-Control"] = "no-store"


def _with_path_as_it_came(handler: Any) -> bool:
    """Have one request sent on with the path that the browser asked for; it counts as activity.

    The proxy decodes the path and can't encode it again: ``api/queues/%2F/orders``, a queue of the
    virtual host ``/``, was asked for as ``api/queues///orders``. This is called before each request,
    and gets its handler, which nothing else of the proxy's gives away.
    """
    handler.get_client_uri = partial(_client_uri, handler)
    return True


def _client_uri(handler: Any, protocol: str, host: str, port: int, _: str) -> str:
    ours = f"{handler.base_url}{handler.proxy_base}".count("/") + 1
    path = "/".join(handler.request.path.split("/")[ours:])
    query = f"?{handler.request.query}" if handler.request.query else ""
    return f"{protocol}://{host}:{port}/{path}{query}"
