"""Kafka, as its admin API shows it: topics, in-sync replicas, listeners, and how late its readers are."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, OffsetSpec
from kafka.errors import KafkaError

from ..brokers import BrokerError
from . import network
from .finding import Finding, finding, unchecked

RIGHTS = (
    "Give the auditing user the rights Describe and DescribeConfigs on cluster, topics and groups."
)
HIDDEN = "This user may not read its settings."
SAFE_REPLICAS = 3


def audit(options: Mapping[str, Any]) -> Iterator[Finding]:
    """What is found in the Kafka that a client with these options reaches. Only describes and lists.

    A topic that this user may not describe is not even listed, so that nothing can be said of it.

    Raises:
        BrokerError: it does not answer.
    """
    try:
        admin = KafkaAdminClient(**options)
    except KafkaError as error:
        raise BrokerError(
            f"Kafka at {options['bootstrap_servers']} can't be audited, since it does not answer: "
            f"{type(error).__name__} {error}. Is it up (`python -m helpers status`), and are address, "
            "port, user and certificate right?"
        ) from error
    with admin:
        cluster = _Cluster(admin)
        for check in (_brokers, _controllers, _topics, _readers):
            try:
                yield from check(cluster)
            except KafkaError as error:
                what = check.__name__.strip("_")
                yield unchecked(f"Kafka {what}", f"{type(error).__name__}: {error}", RIGHTS)


class _Cluster:
    """What is asked for once, though several checks look at it."""

    def __init__(self, admin: KafkaAdminClient) -> None:
        self.admin = admin

    @functools.cached_property
    def nodes(self) -> list[int]:
        return [node["broker_id"] for node in self.admin.describe_cluster()["brokers"]]

    @functools.cached_property
    def topics(self) -> dict[str, dict[str, Any]]:
        return {topic["name"]: topic for topic in self.admin.describe_topics()}

    @functools.cached_property
    def topic_configs(self) -> dict[str, dict[str, str]]:
        return _configs(self.admin, "TOPIC", self.topics)


def _brokers(cluster: _Cluster) -> Iterator[Finding]:
    numbers = cluster.nodes
    if len(numbers) == 1:
        yield finding("one-broker", "Kafka cluster", broker="Kafka")
    for number, config in _configs(cluster.admin, "BROKER", map(str, numbers)).items():
        name = f"Kafka node {number}"
        if not config:
            yield unchecked(name, HIDDEN, RIGHTS)
            continue
        if config["auto.create.topics.enable"] == "true":
            yield finding("auto-create", name, **_shape(config))
        if config["unclean.leader.election.enable"] == "true":
            yield finding("unclean-election", name)
        yield from listeners(name, config)


def listeners(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with a broker's listeners, by its settings."""
    protocols = dict(
        pair.split(":") for pair in config["listener.security.protocol.map"].split(",")
    )
    reachable = False
    for listener in config["listeners"].split(","):
        kind, _, address = listener.strip().partition("://")
        if network.loopback(address.rpartition(":")[0]):
            continue
        reachable = True
        protocol = protocols.get(kind, kind)
        if protocol in ("PLAINTEXT", "SASL_PLAINTEXT"):
            clear = protocol == "PLAINTEXT"
            yield finding(
                "plain-listener",
                name,
                listener=listener,
                protocol=protocol,
                **{
                    "and": ", and nobody is asked who they are"
                    if clear
                    else ", passwords of PLAIN too"
                },
                cure="SASL_SSL, or SSL with client certificates.",
            )
    if reachable and not config["authorizer.class.name"]:
        yield finding("no-authorizer", name)


def _controllers(cluster: _Cluster) -> Iterator[Finding]:
    [partition] = cluster.admin.describe_metadata_quorum()["topics"][0]["partitions"]
    voters = partition["current_voters"]
    if len(voters) < SAFE_REPLICAS:
        lost = " or ".join(str(voter["replica_id"]) for voter in voters)
        yield finding("one-controller", "Kafka controllers", voters=len(voters), lost=lost)


def _topics(cluster: _Cluster) -> Iterator[Finding]:
    for name, topic in cluster.topics.items():
        rows = topic["partitions"]
        config = cluster.topic_configs[name]
        what = f"Kafka topic {name}"
        if not (rows and config):
            yield unchecked(what, HIDDEN, RIGHTS)
            continue
        minimum = int(config["min.insync.replicas"])
        replicas = min(len(row["replica_nodes"]) for row in rows)
        shape = {"minimum": minimum, "replicas": replicas}
        alone = len(cluster.nodes) == 1 and replicas == 1  # which is said once, of the cluster
        if replicas == 1 and not alone:
            yield finding("replicas", what, replicas=replicas)
        if replicas > 1 and minimum == 1 and not topic["is_internal"]:
            yield finding("min-in-sync", what, **shape)
        if replicas > 1 and minimum >= replicas:
            yield finding("no-spare-replica", what, **shape)
        if config["unclean.leader.election.enable"] == "true":
            yield finding("unclean-election", what)
        for rule, wrong in _states(rows, minimum).items():
            yield finding(rule, what, partitions=f"Partition {', '.join(map(str, sorted(wrong)))}")


def _states(rows: list[dict[str, Any]], minimum: int) -> Mapping[str, list[int]]:
    """The partitions that are not as they should be at this moment, each under its gravest rule."""
    found = defaultdict(list)
    for row in rows:
        in_sync, replicas = len(row["isr_nodes"]), len(row["replica_nodes"])
        if row["leader_id"] < 0:
            found["no-leader"].append(row["partition_index"])
        elif in_sync < minimum:
            found["under-min-in-sync"].append(row["partition_index"])
        elif in_sync < replicas:
            found["under-replicated"].append(row["partition_index"])
    return found


def _readers(cluster: _Cluster) -> Iterator[Finding]:
    """Groups that retention has overtaken, or soon will."""
    admin = cluster.admin
    groups = [g["group_id"] for g in admin.list_groups() if g["group_type"] != "share"]
    committed = admin.list_group_offsets(groups) if groups else {}
    partitions = {p for offsets in committed.values() for p in offsets}
    leaders = {
        TopicPartition(name, row["partition_index"]): row["leader_id"]
        for name, topic in cluster.topics.items()
        for row in topic["partitions"]
    }
    partitions = {p for p in partitions if leaders.get(p, -1) >= 0}
    if not partitions:
        return
    kept = {p: _retention(cluster.topic_configs[p.topic]) for p in partitions}
    now = int(time.time() * 1000)
    half = {p: max(0, now - ms // 2) for p, ms in kept.items() if ms is not None}
    starts = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    young = admin.list_partition_offsets(half) if half else {}
    for group, offsets in committed.items():
        for partition in sorted(partitions & offsets.keys()):
            at, start = offsets[partition].offset, starts[partition].offset
            name = f"Kafka topic {partition.topic}"
            where = {"group": group, "partition": partition.partition}
            if 0 <= at < start:
                missed = start - at
                yield finding("overtaken", name, **where, committed=at, start=start, missed=missed)
            elif partition in half:
                first = young[partition].offset
                if 0 <= at < (first if first >= 0 else ends[partition].offset):
                    yield finding("retention-near", name, **where, retention=kept[partition])


def _retention(config: Mapping[str, str]) -> int | None:
    """How long a topic keeps its records, in milliseconds; None if age deletes nothing, or unknown."""
    ms = int(config.get("retention.ms", -1))
    return ms if ms > 0 and "delete" in config["cleanup.policy"] else None


def _shape(config: Mapping[str, str]) -> dict[str, str]:
    return {
        "replicas": config["default.replication.factor"],
        "minimum": config["min.insync.replicas"],
    }


def _configs(admin: KafkaAdminClient, kind: str, names: Any) -> dict[str, dict[str, str]]:
    """The settings of topics or brokers, by their names; none where this user may not read them."""
    resources = [ConfigResource(kind, name) for name in names]
    if not resources:
        return {}
    found = admin.describe_configs(resources, config_filter="all")[kind.lower()]
    return {
        name: {key: entry["value"] or "" for key, entry in settings.items()}
        for name, settings in found.items()
    }
