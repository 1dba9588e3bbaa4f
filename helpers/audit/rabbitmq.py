"""RabbitMQ: nodes and alarms, queues with their limits and dead letters, users and listeners."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

from .finding import Finding, finding
from .network import loopback
from .sources import Rows, State

DEFAULT_DELIVERY_LIMIT = 20  # of quorum queues, since RabbitMQ 4.0
SAFE_MEMBERS = 3
ALL = ".*"


def audit(state: State) -> Iterator[Finding]:
    """What is found in a RabbitMQ of this state."""
    yield from _nodes(state.nodes or [])
    for queue in state.queues or []:
        if queue.get("exclusive") is not True and not queue.get("auto_delete"):
            yield from _queue(queue, state)
    yield from _access(state)
    yield from state.unread


def _nodes(nodes: Rows) -> Iterator[Finding]:
    if len(nodes) == 1:
        yield finding("one-broker", "RabbitMQ cluster", broker="RabbitMQ")
    for node in nodes:
        name = f"RabbitMQ node {node['name']}"
        if not node["running"]:
            yield finding("node-down", name)
        for resource, alarm in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")):
            if node.get(alarm):
                yield finding("alarm", name, resource=resource)


def _queue(queue: dict[str, Any], state: State) -> Iterator[Finding]:
    name = f"RabbitMQ queue {queue['name']} in vhost {queue['vhost']}"
    yield from _survival(name, queue, len(state.nodes or []))
    kind = queue["type"]
    size = [_setting(queue, key) for key in ("max-length", "max-length-bytes")]
    limited = any(limit is not None for limit in size)
    if kind == "stream":
        if size[1] is None and _setting(queue, "max-age") is None:
            yield finding("no-limit", name)
        return
    dead_letters = _setting(queue, "dead-letter-exchange")
    if not limited and queue.get("messages") and queue.get("consumers") == 0:
        yield finding("unread", name, messages=queue["messages"])
    elif not limited:
        yield finding("no-limit", name)
    overflow = _setting(queue, "overflow") or "drop-head"
    if limited and dead_letters is None and overflow == "drop-head":
        yield finding("drops-oldest", name)
    if dead_letters is not None:
        yield from _dead_letter_target(name, queue, str(dead_letters), state)
    if kind == "quorum":
        limit = _delivery_limit(queue, state.version)
        if limit is None:
            yield finding("no-delivery-limit", name)
        elif dead_letters is None:
            yield finding("no-dead-letters", name, limit=limit)


def _survival(name: str, queue: dict[str, Any], nodes: int) -> Iterator[Finding]:
    """Will it be there when a node is not?"""
    if not queue["durable"]:
        yield finding("transient-queue", name)
    elif queue["type"] == "classic" and nodes > 1:
        yield finding("classic-on-cluster", name)
    elif queue["type"] != "classic" and nodes > 1:
        members, online = len(queue.get("members") or []), len(queue.get("online") or [])
        if members < SAFE_MEMBERS:
            yield finding("few-members", name, members=members, nodes=nodes)
        counts = {"online": online, "members": members}
        majority = members // 2 + 1
        if online < majority:
            yield finding("no-majority", name, **counts)
        elif online < members:
            yield finding("members-down", name, **counts, spare=online - majority)


def _dead_letter_target(
    name: str, queue: dict[str, Any], exchange: str, state: State
) -> Iterator[Finding]:
    """Does what the queue drops arrive anywhere? Without a key of its own a message keeps its key."""
    if state.exchanges is None or state.bindings is None or state.queues is None:
        return
    key = _setting(queue, "dead-letter-routing-key")
    vhost = queue["vhost"]
    if exchange == "":  # it takes the key for a queue's name
        there = [other["name"] for other in state.queues if other["vhost"] == vhost]
        if key is not None and key not in there:
            yield finding("dead-letter-target-missing", name, exchange="''", key=key)
        return
    kinds = {row["name"]: row["type"] for row in state.exchanges if row["vhost"] == vhost}
    if exchange not in kinds:
        yield finding("dead-letter-exchange-missing", name, exchange=exchange)
        return
    bound = [r for r in state.bindings if r["vhost"] == vhost and r["source"] == exchange]
    if not any(_matches(kinds[exchange], row["routing_key"], key) for row in bound):
        spoken = "that each message came with" if key is None else key
        yield finding("dead-letter-target-missing", name, exchange=exchange, key=spoken)


def _matches(kind: str, pattern: str, key: str | None) -> bool:
    """Could a binding take a message with this key (None: any)? Unknown kinds are believed."""
    if key is None or kind not in ("direct", "topic"):
        return True
    if kind == "direct":
        return pattern == key
    words = r"\.".join({"*": r"[^.]*", "#": r".*"}.get(w, re.escape(w)) for w in pattern.split("."))
    loose = words.replace(r"\..*", r"(\..*)?").replace(r".*\.", r"(.*\.)?")  # # stands for none too
    return re.fullmatch(loose, key) is not None


def _delivery_limit(queue: dict[str, Any], version: str) -> int | None:
    """How often a message of a quorum queue is delivered at most; None if there is no limit."""
    limit = _setting(queue, "delivery-limit")
    if limit is None and int(version.partition(".")[0] or 4) >= 4:
        limit = DEFAULT_DELIVERY_LIMIT
    return None if limit is None or limit < 0 else int(limit)


def _setting(queue: dict[str, Any], name: str) -> Any:
    """What holds for a queue: its own argument, else its policy's."""
    arguments = queue["arguments"] or {}
    policy = queue.get("effective_policy_definition") or {}
    return arguments.get(f"x-{name}", policy.get(name))


def _access(state: State) -> Iterator[Finding]:
    """Who can get at it from another machine, and what they may do."""
    open_amqp = [
        row
        for row in state.listeners or []
        if row["protocol"].startswith("amqp") and not loopback(row["ip_address"])
    ]
    for row in open_amqp:
        if row["protocol"] == "amqp":
            address = f"{row['ip_address']}:{row['port']}"
            yield finding("open-amqp", f"RabbitMQ node {row['node']}", address=address)
    users = {user["name"]: user for user in state.users or []}
    if open_amqp and _has_default_password(users.get("guest")):
        yield finding("default-user", "RabbitMQ user guest")
    for row in state.permissions or []:
        administrator = "administrator" in users.get(row["user"], {}).get("tags", [])
        if not administrator and {row[right] for right in ("configure", "write", "read")} == {ALL}:
            yield finding("wide-permissions", f"RabbitMQ user {row['user']}", vhost=row["vhost"])


def _has_default_password(user: dict[str, Any] | None) -> bool:
    """Is its password ``guest``? Stored is a salt of four bytes, and the hash of both."""
    if user is None or user.get("hashing_algorithm") != "rabbit_password_hashing_sha256":
        return False
    stored = base64.b64decode(user["password_hash"])
    return hmac.compare_digest(hashlib.sha256(stored[:4] + b"guest").digest(), stored[4:])
