"""The audit on live brokers: each fault is caused, and found by its rule; a sound set-up has none."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pika
import pytest
import requests
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ResourcePattern,
    ResourceType,
)
from kafka.structs import OffsetAndMetadata

from conftest import _free_offset
from helpers import brokers, claims, clients
from helpers.audit import Finding, _inside, audit, exit_status, rabbitmq, report
from helpers.audit.finding import finding, rules, unchecked
from helpers.audit.kafka import listeners
from helpers.audit.rabbitmq import _matches
from helpers.audit.sources import State
from helpers.brokers import kafka as kafka_node
from helpers.brokers import ports
from helpers.names import fresh
from helpers.waiting import wait_until

HELPERS = [sys.executable, "-m", "helpers"]
SOUND = {"x_max_length": 100, "x_overflow": "reject-publish"}
SOUND_TOPIC = {"replicas": 3, "min_insync_replicas": "2"}
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
DAY = 24 * 3600 * 1000  # milliseconds


def of(found: list[Finding], name: str) -> set[str]:
    """The rules that found something about what has this name."""
    return {one.rule for one in found if name in one.name.split()}


# -- Kafka -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kafkas(live) -> Iterator[brokers.KafkaCluster]:
    cluster = brokers.kafka_cluster()
    yield cluster
    cluster.down()


def test_three_nodes_with_a_sound_topic_and_a_reader_in_time(kafkas):
    topic, group = fresh("orders"), fresh("email")
    clients.make_topic(kafkas, topic, **SOUND_TOPIC)
    clients.send(kafkas, topic, range(3))
    clients.read_topic(kafkas, topic, group)
    found = audit(kafkas)
    assert [one.rule for one in found] == ["one-controller"]  # as the course's three nodes are


@pytest.mark.parametrize(
    ("rule", "shape"),
    [
        ("replicas", {"replicas": 1}),
        ("min-in-sync", {"replicas": 3, "min_insync_replicas": "1"}),
        ("no-spare-replica", {"replicas": 2, "min_insync_replicas": "2"}),
        ("unclean-election", {**SOUND_TOPIC, "unclean_leader_election_enable": "true"}),
    ],
)
def test_a_careless_topic(kafkas, rule, shape):
    careless, sound = fresh("careless"), fresh("sound")
    clients.make_topic(kafkas, careless, **shape)
    clients.make_topic(kafkas, sound, **SOUND_TOPIC)
    found = audit(kafkas)
    assert of(found, careless) == {rule}
    assert of(found, sound) == set()


def test_nodes_that_die(kafkas):
    topic, alone = fresh("orders"), fresh("alone")
    clients.make_topic(kafkas, topic, **SOUND_TOPIC)
    clients.make_topic(kafkas, alone, nodes=[3])
    try:
        kafkas.kill(3)
        wait_until(lambda: kafkas.in_sync(topic) == [1, 2], "node 3 to be missed", 30)
        found = audit(kafkas)
        assert of(found, topic) == {"under-replicated"}
        assert of(found, alone) == {"replicas", "no-leader"}
        kafkas.kill(2)
        wait_until(lambda: kafkas.in_sync(topic) == [1], "node 2 to be missed", 30)
        assert of(audit(kafkas), topic) == {"under-min-in-sync"}
    finally:
        kafkas.heal()
    wait_until(lambda: kafkas.in_sync(topic) == [1, 2, 3], "all in sync", 30)
    assert of(audit(kafkas), topic) == set()


def test_a_broker_whose_default_is_an_unclean_election(kafkas):
    setting = ConfigResource("BROKER", "1", {"unclean.leader.election.enable": "true"})
    with KafkaAdminClient(**kafkas.kafka) as admin:
        admin.alter_configs([setting])
        wait_until(lambda: of(audit(kafkas), "1") == {"unclean-election"}, "the setting", 10)
        admin.reset_configs([setting])
        wait_until(lambda: of(audit(kafkas), "1") == set(), "the setting to be gone", 10)


def commit(kafka: brokers.Brokers, topic: str, group: str, offset: int) -> None:
    with KafkaConsumer(group_id=group, **kafka.kafka) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


def test_a_reader_that_retention_has_overtaken(live):
    topic, late, timely = fresh("orders"), fresh("late"), fresh("timely")
    clients.make_topic(live, topic)
    clients.send(live, topic, range(5))
    commit(live, topic, late, 1)
    commit(live, topic, timely, 3)
    assert of(audit(live), topic) == set()
    with KafkaAdminClient(**live.kafka) as admin:
        admin.delete_records({TopicPartition(topic, 0): 3})
    [found] = [one for one in audit(live) if topic in one.name]
    assert found.rule == "overtaken"
    assert late in found.why
    assert "2 record(s)" in found.why


def test_a_reader_that_retention_is_about_to_overtake(live):
    topic, late, timely = fresh("orders"), fresh("late"), fresh("timely")
    clients.make_topic(live, topic, retention_ms=str(10 * DAY))
    now = int(time.time() * 1000)
    with KafkaProducer(**live.kafka, acks="all") as producer:
        for days in (6, 1):
            producer.send(topic, b"order", timestamp_ms=now - days * DAY).get(timeout=10)
    commit(live, topic, timely, 1)
    assert of(audit(live), topic) == set()
    commit(live, topic, late, 0)
    [found] = [one for one in audit(live) if topic in one.name]
    assert (found.rule, late in found.why) == ("retention-near", True)


@pytest.mark.parametrize("retention", [-1, 2**63 - 1])
def test_a_topic_kept_for_ever_overtakes_nobody(live, retention):
    topic = fresh("orders")
    clients.make_topic(live, topic, retention_ms=str(retention))
    with KafkaProducer(**live.kafka, acks="all") as producer:
        producer.send(topic, b"order", timestamp_ms=1_000).get(timeout=10)
    commit(live, topic, fresh("late"), 0)
    assert of(audit(live), topic) == set()


def test_one_node_that_makes_topics_by_itself(live):
    found = {one.rule: one for one in audit(live) if one.name.startswith("Kafka")}
    assert {"one-broker", "one-controller", "auto-create"} <= found.keys()
    assert "replicas" not in found  # said once, of the cluster


@pytest.mark.parametrize(
    ("listener", "authorizer", "expected"),
    [
        ("PLAINTEXT://127.0.0.1:9092", "", set()),
        ("PLAINTEXT://[::1]:9092", "", set()),
        ("PLAINTEXT://localhost:9092", "", set()),
        ("PLAINTEXT://:9092", "x", {"plain-listener"}),
        ("PLAINTEXT://0.0.0.0:9092", "", {"plain-listener", "no-authorizer"}),
        ("OUTSIDE://kafka.example:9092", "x", {"plain-listener"}),
        ("SSL://0.0.0.0:9092", "x", set()),
        ("SASL_SSL://0.0.0.0:9092", "", {"no-authorizer"}),
    ],
)
def test_a_listener_that_is_open_to_other_machines(listener, authorizer, expected):
    """By settings as a broker tells them: no broker of the course listens beyond the loopback."""
    config = {
        "listeners": f"{listener},CONTROLLER://127.0.0.1:9093",
        "listener.security.protocol.map": "SSL:SSL,PLAINTEXT:PLAINTEXT,OUTSIDE:SASL_PLAINTEXT",
        "authorizer.class.name": authorizer,
    }
    assert {one.rule for one in listeners("Kafka node 1", config)} == expected


@pytest.mark.native_files
def test_what_a_user_may_not_read_is_said_and_the_rest_is_audited(live, monkeypatch):
    write = kafka_node.write_properties

    def with_rights(path: Path, *others: object) -> None:
        write(path, *others)
        with path.open("a") as file:
            file.write(f"authorizer.class.name={AUTHORIZER}\nallow.everyone.if.no.acl.found=true\n")

    monkeypatch.setattr(kafka_node, "write_properties", with_rights)
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(_free_offset()))
    try:
        own = brokers.up("kafka")
        clients.make_topic(own, "secret")
        assert "unchecked" not in {one.rule for one in audit(own)}
        pattern = ResourcePattern(ResourceType.TOPIC, "secret")
        seen = ("User:ANONYMOUS", "*", ACLOperation.DESCRIBE, ACLPermissionType.ALLOW)
        with KafkaAdminClient(**own.kafka) as admin:
            admin.create_acls([ACL(*seen, pattern)])  # and nothing else
        wait_until(lambda: of(audit(own), "secret") == {"unchecked"}, "the rule to hold", 10)
        found = audit(own)
        assert "one-broker" in {one.rule for one in found}
    finally:
        brokers.down(delete_data=True)


def test_a_kafka_that_is_down():
    nowhere = {"bootstrap_servers": f"127.0.0.1:{ports.free(1)[0]}", "bootstrap_timeout_ms": 1000}
    with pytest.raises(brokers.BrokerError, match=r"can't be audited.*helpers status"):
        audit(brokers.Brokers("external", nowhere, None, None))


# -- RabbitMQ, by its management API ---------------------------------------------------------


@pytest.fixture
def channel(live) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    with pika.BlockingConnection(live.rabbitmq) as connection:
        yield connection.channel()


def test_a_sound_queue_and_its_dead_letters(live, channel):
    exchange, aside, queue = fresh("dead"), fresh("aside"), fresh("orders")
    channel.exchange_declare(exchange, "topic", durable=True)
    clients.declare_queue(channel, aside, "classic", **SOUND)
    channel.queue_bind(aside, exchange, "order.#")
    target = {"x_dead_letter_exchange": exchange, "x_dead_letter_routing_key": "order.failed"}
    clients.declare_queue(channel, queue, **SOUND, x_delivery_limit=5, **target)
    log = clients.declare_queue(channel, fresh("log"), "stream", x_max_length_bytes=10**6)
    reply = channel.queue_declare("", exclusive=True).method.queue
    found = audit(live)
    assert [of(found, name) for name in (queue, aside, log, reply)] == [set()] * 4


@pytest.mark.parametrize(
    ("rule", "kind", "settings"),
    [
        ("no-limit", "classic", {}),
        ("no-limit", "stream", {}),
        ("drops-oldest", "classic", {"x_max_length": 9}),
        ("no-dead-letters", "quorum", {**SOUND, "x_delivery_limit": 3}),
        ("no-delivery-limit", "quorum", {**SOUND, "x_delivery_limit": -1}),
        ("dead-letter-exchange-missing", "classic", {**SOUND, "x_dead_letter_exchange": "none"}),
        (
            "dead-letter-target-missing",
            "classic",
            {**SOUND, "x_dead_letter_exchange": "", "x_dead_letter_routing_key": "none"},
        ),
        (
            "dead-letter-target-missing",
            "classic",
            {**SOUND, "x_dead_letter_exchange": "amq.fanout"},
        ),
    ],
)
def test_a_careless_queue(live, channel, rule, kind, settings):
    queue = clients.declare_queue(channel, fresh("orders"), kind, **settings)
    assert of(audit(live), queue) == {rule}


def test_dead_letters_with_another_key_than_the_binding(live, channel):
    exchange, aside, queue = fresh("dead"), fresh("aside"), fresh("orders")
    channel.exchange_declare(exchange, "direct", durable=True)
    clients.declare_queue(channel, aside, "classic", **SOUND)
    channel.queue_bind(aside, exchange, "failed")
    target = {"x_dead_letter_exchange": exchange, "x_dead_letter_routing_key": "orders"}
    clients.declare_queue(channel, queue, "classic", **SOUND, **target)
    assert of(audit(live), queue) == {"dead-letter-target-missing"}
    channel.queue_bind(aside, exchange, "orders")
    assert of(audit(live), queue) == set()


def test_what_a_policy_sets_counts_too(live, channel):
    queue = clients.declare_queue(channel, fresh("orders"), "classic")
    limit = {"max-length": 9, "overflow": "reject-publish"}
    change(live, "PUT", f"policies/%2F/{queue}", pattern=f"^{queue}$", definition=limit)
    try:
        wait_until(lambda: of(audit(live), queue) == set(), "the broker's statistics", 20)
    finally:
        change(live, "DELETE", f"policies/%2F/{queue}")
    wait_until(lambda: of(audit(live), queue) == {"no-limit"}, "the broker's statistics", 20)


def test_a_queue_that_is_not_durable(live, channel):
    arguments = {"x-queue-type": "classic", "x-max-length": 9, "x-overflow": "reject-publish"}
    queue = fresh("orders")
    channel.queue_declare(queue, durable=False, arguments=arguments)
    assert of(audit(live), queue) == {"transient-queue"}


def test_a_queue_that_nobody_reads(live, channel):
    queue = clients.declare_queue(channel, fresh("orders"), "classic")
    clients.publish(channel, queue, range(3))
    wait_until(lambda: of(audit(live), queue) == {"unread"}, "the broker's statistics", 20)
    channel.basic_consume(queue, lambda *_: None)
    wait_until(lambda: of(audit(live), queue) == {"no-limit"}, "the broker's statistics", 20)


def test_without_a_management_api_it_says_what_it_can_not_see(live):
    by_amqp = replace(live, kafka=None, management=None)
    [found] = audit(by_amqp)
    assert (found.severity, exit_status([found])) == ("unchecked", 4)
    assert "RABBITMQ_MANAGEMENT_URL" in found.remedy
    gone = replace(live, kafka=None, management=f"http://127.0.0.1:{ports.free(1)[0]}")
    [found] = audit(gone)
    assert (found.severity, "gives no answer" in found.why) == ("unchecked", True)


@pytest.mark.parametrize(("tag", "hidden"), [("monitoring", "RabbitMQ users"), ("", "queues")])
def test_what_a_user_of_rabbitmq_may_not_read_is_said(live, channel, tag, hidden):
    user, password = fresh("auditor"), secrets.token_hex(8)
    queue = clients.declare_queue(channel, fresh("orders"), "classic")
    change(live, "PUT", f"users/{user}", password=password, tags=tag)
    try:
        change(live, "PUT", f"permissions/%2F/{user}", configure="^$", write="^$", read=".*")
        parameters = replace_credentials(live.rabbitmq, user, password)
        found = audit(replace(live, kafka=None, rabbitmq=parameters))
    finally:
        change(live, "DELETE", f"users/{user}")
    [one] = [one for one in found if one.rule == "unchecked"]
    assert hidden in one.name
    assert "refuses this user (HTTP 401)" in one.why
    assert of(found, queue) == ({"no-limit"} if tag else set())


def change(live: brokers.Brokers, method: str, what: str, **values: object) -> None:
    """By the management API, which takes a hundredth of rabbitmqctl's time."""
    login = live.rabbitmq.credentials
    done = requests.request(
        method,
        f"{live.management}/api/{what}",
        auth=(login.username, login.password),
        json=values or None,
        timeout=20,
    )
    done.raise_for_status()


def replace_credentials(
    parameters: pika.URLParameters, user: str, password: str
) -> pika.URLParameters:
    return pika.URLParameters(f"amqp://{user}:{password}@{parameters.host}:{parameters.port}/%2F")


def test_a_rabbitmq_that_is_down():
    parameters = pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{ports.free(1)[0]}/%2F")
    with pytest.raises(brokers.BrokerError, match=r"can't be audited.*helpers status"):
        audit(brokers.Brokers("external", None, parameters, None))


@pytest.mark.parametrize(
    ("key", "pattern", "expected"),
    [
        ("a.b", "a.*", True), ("a", "a.*", False), ("a.b.c", "a.*", False), ("a", "a.#", True),
        ("a.b.c", "a.#", True), ("ab", "a.#", False), ("a", "#", True), ("x.a", "#.a", True),
        ("a", "#.a", True), ("xa", "#.a", False), ("a.b", "a.#.b", True), ("a.x.b", "a.#.b", True),
        ("a+b", "a+b", True), ("aab", "a+b", False),
    ],
)  # fmt: skip
def test_a_key_and_a_pattern(live, channel, key, pattern, expected):
    """The same answer as the broker's own."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", pattern)
    channel.confirm_delivery()
    channel.basic_publish("amq.topic", key, b"")
    arrived = channel.queue_declare(queue, passive=True).method.message_count == 1
    assert (arrived, _matches("topic", pattern, key)) == (expected, expected)


# -- RabbitMQ, by rabbitmqctl ----------------------------------------------------------------


@pytest.fixture(scope="module")
def rabbits(live) -> Iterator[brokers.RabbitMQCluster]:
    cluster = brokers.rabbitmq_cluster()
    yield cluster
    cluster.down()


def declared(cluster: brokers.RabbitMQCluster, kind: str = "quorum", **settings: object) -> str:
    with pika.BlockingConnection(cluster.rabbitmq(1)) as connection:
        return clients.declare_queue(connection.channel(), fresh("orders"), kind, **settings)


def test_three_nodes_with_a_sound_queue_until_two_die(rabbits):
    aside = declared(rabbits, **SOUND, x_delivery_limit=-1)
    limit = {**SOUND, "x_delivery_limit": 5}
    target = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": aside}
    queue = declared(rabbits, **limit, **target)
    found = audit(rabbits)
    assert [one.rule for one in found] == ["no-delivery-limit"]  # of the dead letters' own queue
    few = declared(rabbits, **limit, **target, x_quorum_initial_group_size=1)
    classic = declared(rabbits, "classic", **SOUND)
    gone = declared(rabbits, "classic", **SOUND, x_dead_letter_exchange="none")
    exchange, key = fresh("dead"), {"x_dead_letter_routing_key": "failed"}
    with pika.BlockingConnection(rabbits.rabbitmq(1)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "direct", durable=False)
        channel.queue_bind(aside, exchange, "failed")
    bound = declared(rabbits, **limit, **key, x_dead_letter_exchange=exchange)
    unbound = declared(rabbits, **limit, **key, x_dead_letter_exchange="amq.direct")
    policed = declared(rabbits, "classic")
    rabbits.ctl(1, "set_policy", policed, f"^{policed}$", '{"max-length": 9}')
    found = audit(rabbits)
    assert (of(found, bound), of(found, unbound)) == (set(), {"dead-letter-target-missing"})
    assert of(found, policed) == {"classic-on-cluster", "drops-oldest"}
    assert of(found, few) == {"few-members"}
    assert of(found, classic) == {"classic-on-cluster"}
    assert of(found, gone) == {"classic-on-cluster", "dead-letter-exchange-missing"}
    try:
        third = nodename(rabbits, 3)
        rabbits.kill(3)
        wait_until(lambda: of(audit(rabbits), queue) == {"members-down"}, "node 3 to be missed", 60)
        assert of(audit(rabbits), third) == {"node-down"}
        rabbits.kill(2)
        wait_until(lambda: of(audit(rabbits), queue) == {"no-majority"}, "node 2 to be missed", 60)
    finally:
        rabbits.heal()


def nodename(rabbits: brokers.RabbitMQCluster, number: int) -> str:
    """What Erlang calls a node: it depends on the backend."""
    return rabbits.ctl(number, "eval", "node().").strip().strip("'")


def test_a_memory_alarm(rabbits):
    usual, first = "256MB", nodename(rabbits, 1)
    try:
        rabbits.ctl(1, "set_vm_memory_high_watermark", "absolute", "1MB")
        wait_until(lambda: of(audit(rabbits), first) == {"alarm"}, "the alarm", 20)
    finally:
        rabbits.ctl(1, "set_vm_memory_high_watermark", "absolute", usual)


def test_a_user_who_may_do_everything(rabbits):
    wide, narrow = fresh("wide"), fresh("narrow")
    for user, pattern in ((wide, ".*"), (narrow, "^orders")):
        rabbits.ctl(1, "add_user", user, secrets.token_hex(8))
        rabbits.ctl(1, "set_permissions", user, ".*", pattern, ".*")
    found = audit(rabbits)
    assert of(found, wide) == {"wide-permissions"}
    assert of(found, narrow) == set()


def test_an_open_listener_and_the_default_user(rabbits):
    """Open for a moment; guest is refused there, since it may log in from the loopback only."""
    if rabbits.backend == "compose":
        pytest.skip("a container's interfaces are not this machine's")
    port = ports.free(1)[0]
    rabbits.ctl(1, "eval", f"rabbit_networking:start_tcp_listener({port}, 1).")
    try:
        found = audit(rabbits)
        assert "default-user" in of(found, "guest")
        assert "open-amqp" in of(found, "rabbit-1@localhost")
    finally:
        rabbits.ctl(1, "eval", f"rabbit_networking:stop_tcp_listener({port}).")


def test_a_cluster_that_is_down(rabbits):
    for number in rabbits.running():
        rabbits.kill(number)
    with pytest.raises(brokers.BrokerError, match="No node of the RabbitMQ cluster runs"):
        audit(rabbits)


@pytest.mark.parametrize(
    ("protocol", "address", "expected"),
    [
        ("amqp", "::", True),
        ("amqp", "::1", False),
        ("amqp/ssl", "::", False),
        ("http", "::", False),
    ],
)
def test_only_amqp_without_tls_beyond_the_loopback_is_open(protocol, address, expected):
    row = {"protocol": protocol, "ip_address": address, "port": 5672, "node": "rabbit@there"}
    found = rabbitmq.audit(State(listeners=[row]))
    assert ("open-amqp" in {one.rule for one in found}) == expected


def test_in_a_container_of_the_course_all_interfaces_are_the_containers_own():
    one = finding("open-amqp", "RabbitMQ node rabbit@localhost", address="::")
    inside = [
        _inside(brokers.Brokers(name, None, None, None), one) for name in ("compose", "native")
    ]
    assert inside == [True, False]


# -- rules, report and command ---------------------------------------------------------------


def test_each_rule_is_whole_and_names_a_claim_that_a_notebook_settles():
    settled = claims.settled_in(Path("notebooks"))
    for name, rule in rules().items():
        assert set(rule) == {"severity", "why", "claim", "remedy"}, name
        if rule["claim"] != "":
            assert settled.get(rule["claim"]), f"{name}: no notebook settles {rule['claim']}"


def test_each_rule_is_used_and_each_that_is_used_is_there():
    code = "".join(path.read_text() for path in Path("helpers/audit").glob("*.py"))
    used = set(re.findall(r'finding\(\s*"([a-z-]+)"', code)) | set(
        re.findall(r'found\["([a-z-]+)"\]', code)
    )
    assert used == set(rules())


def command() -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HELPERS, "audit"], capture_output=True, text=True)


def test_the_command_reads_what_runs_and_starts_nothing(live, monkeypatch, tmp_path):
    done = command()
    assert done.returncode == 3, done.stderr
    assert "warning: Kafka cluster (one-broker)" in done.stdout
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", "6990")
    done = command()
    assert (done.returncode, done.stdout) == (1, "")
    assert "helpers up" in done.stderr


def test_the_command_audits_an_external_broker_by_its_management_api(live, monkeypatch):
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    parameters = live.rabbitmq
    address = f"amqp://guest:guest@127.0.0.1:{parameters.port}/%2F"
    monkeypatch.setenv("AMQP_URL", address)
    done = command()
    assert (done.returncode, "1 unchecked" in done.stdout) == (4, True), done.stdout + done.stderr
    monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", f"{live.management}/")
    done = command()
    assert (done.returncode, "unchecked" in done.stdout) == (3, False), done.stdout + done.stderr
    monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", "http://guest:secret@there")
    done = command()
    assert done.returncode == 1
    assert "secret" not in done.stderr


def test_the_report_and_the_status_have_the_gravest():
    notice, warning, critical = map(
        finding, ("no-limit", "transient-queue", "unclean-election"), "abc"
    )
    assert (report([]), exit_status([])) == ("Nothing found.", 0)
    assert exit_status([notice]) == 0
    assert exit_status([notice, unchecked("RabbitMQ", "why", "cure")]) == 4
    assert exit_status([critical, warning, notice]) == 3
    text = report([critical, notice])
    assert text.startswith("critical: c (unclean-election)\n")
    assert text.endswith("\n\n1 critical, 1 notice")
    assert "labs/04_loss_matrix.ipynb" in text
