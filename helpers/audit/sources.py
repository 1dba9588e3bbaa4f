"""What a RabbitMQ says of itself: by its management API, or, where it is the course's own and has none,
by ``rabbitmqctl``. Both give the same `State`."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pika

from .finding import Finding, unchecked

TIMEOUT = 10.0  # seconds, for one question
PREDECLARED = ("direct", "fanout", "headers", "match", "topic")  # exchanges that no export lists
Rows = list[dict[str, Any]]


@dataclass
class State:
    """Rows as the management API has them. What could not be read is None, with a finding."""

    nodes: Rows | None = None
    """``name``, ``running``, ``mem_alarm``, ``disk_free_alarm``."""
    listeners: Rows | None = None
    """``protocol``, ``ip_address``, ``port``."""
    queues: Rows | None = None
    exchanges: Rows | None = None
    bindings: Rows | None = None
    users: Rows | None = None
    permissions: Rows | None = None
    version: str = ""
    unread: list[Finding] = field(default_factory=list)


def management(base: str, parameters: pika.connection.Parameters) -> State:
    """Ask the management API at this address, as the user of these AMQP parameters."""
    state = State()
    refused: dict[tuple[str, str], list[str]] = {}

    def read(*paths: str, what: str) -> Any:
        try:
            return _get(base, paths, parameters)
        except (OSError, ValueError) as error:
            refused.setdefault(_refusal(base, error), []).append(what)
        return None

    overview = read("/api/overview", what="listeners") or {}
    state.version = overview.get("rabbitmq_version", "")
    state.listeners = overview.get("listeners")
    state.nodes = read("/api/nodes", what="nodes")
    state.queues = read("/api/queues/detailed", "/api/queues", what="queues")
    state.exchanges = read("/api/exchanges", what="exchanges")
    state.bindings = read("/api/bindings", what="bindings")
    state.users = read("/api/users", what="users")
    state.permissions = read("/api/permissions", what="permissions")
    state.unread = [
        unchecked(f"RabbitMQ {', '.join(whats)}", *why) for why, whats in refused.items()
    ]
    return state


def _get(base: str, paths: tuple[str, ...], parameters: pika.connection.Parameters) -> Any:
    """The answer to the first path that this release knows."""
    credentials = parameters.credentials
    token = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    context: ssl.SSLContext | None = getattr(parameters.ssl_options, "context", None)
    address = base.rstrip("/") + paths[0]
    request = urllib.request.Request(address, headers={"Authorization": f"Basic {token}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 404 or len(paths) == 1:
            raise
    return _get(base, paths[1:], parameters)


def _refusal(base: str, error: Exception) -> tuple[str, str]:
    if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403):
        return (
            f"The management API refuses this user (HTTP {error.code}).",
            "Audit as a user with the tag administrator; the tag monitoring sees all but users.",
        )
    return (
        f"The management API at {base} gives no answer: {error}.",
        "Check that the plugin rabbitmq_management is on, and the address and port.",
    )


def ctl(run: Callable[..., str]) -> State:
    """Ask by ``rabbitmqctl``; ``run`` takes its arguments and returns what it prints."""

    def ask(*arguments: str) -> Any:
        return json.loads(run(*arguments, "--formatter", "json", "--silent"))

    status = ask("cluster_status")
    stored = json.loads(run("export_definitions", "-", "--silent"))
    vhosts = [vhost["name"] for vhost in stored["vhosts"]]
    policies = {(row["vhost"], row["name"]): row["definition"] for row in stored["policies"]}
    queues = [
        {**row, "vhost": vhost}
        for vhost in vhosts
        for row in ask("list_queues", "-p", vhost, *_COLUMNS)
    ]
    for queue in queues:
        queue["arguments"] = {name: value for name, _, value in queue["arguments"]}
        queue["effective_policy_definition"] = policies.get((queue["vhost"], queue["policy"]))
    running = status["running_nodes"]
    return State(
        nodes=[
            {
                "name": node,
                "running": node in running,
                "mem_alarm": _alarm(status, node, "memory"),
                "disk_free_alarm": _alarm(status, node, "disk"),
            }
            for node in {*status["disk_nodes"], *running}
        ],
        listeners=[
            {**row, "ip_address": row["interface"]}
            for rows in status["listeners"].values()
            for row in rows
        ],
        queues=queues,
        exchanges=[
            {"name": f"amq.{kind}", "type": kind, "vhost": v}
            for kind in PREDECLARED
            for v in vhosts
        ]
        + stored["exchanges"],
        bindings=stored["bindings"],
        users=stored["users"],
        permissions=stored["permissions"],
        version=stored["rabbitmq_version"],
    )


_COLUMNS = (
    *("name", "type", "durable", "exclusive", "auto_delete", "arguments"),
    *("policy", "consumers", "messages", "members", "online"),
)


def _alarm(status: dict[str, Any], node: str, resource: str) -> bool:
    return any(
        alarm.get("node") == node and alarm.get("resource") == resource
        for alarm in status["alarms"]
    )
