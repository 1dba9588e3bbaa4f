"""A node's numbers, and a real Prometheus that collects them and fires."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pika
import psutil
import pytest

from helpers import clients, rabbitmq_cluster
from helpers.brokers import BrokerError, RabbitMQCluster, compose, settings
from helpers.brokers.places import members
from helpers.names import fresh
from helpers.prometheus import Prometheus
from helpers.waiting import wait_until

FAMILIES = "family=queue_coarse_metrics&family=queue_consumer_count"
RULES = {"a": {"NotEmpty": ("rabbitmq_detailed_queue_messages > 0", "1m")}}

pytestmark = pytest.mark.native_files


@pytest.fixture
def cluster(live) -> Iterator[RabbitMQCluster]:
    """A node of the test's own."""
    one = rabbitmq_cluster(nodes=1)
    yield one
    one.down()


def test_a_queue_that_is_not_empty_is_seen_and_an_empty_one_is_not(cluster):
    begun, page = time.time(), cluster.metrics(1)
    with pika.BlockingConnection(cluster.rabbitmq(1)) as connection:
        channel = connection.channel()
        full, empty = (clients.declare_queue(channel, fresh(name), "classic") for name in "fe")
        clients.publish(channel, full, range(3))
        with Prometheus({"q": f"{page}/metrics/detailed?{FAMILIES}"}, RULES, minute=1) as one:
            fired = lambda: {alert["queue"] for alert in one.fired("a", begun)}  # noqa: E731
            wait_until(lambda: full in fired(), "the alert to fire", timeout=30)
            one.let_pass(3)
            assert fired() == {full}
            messages = one.query("rabbitmq_detailed_queue_messages")
            assert {labels["queue"]: n for labels, n in messages} == {full: 3, empty: 0}
            with pytest.raises(ValueError, match="parse error"):
                one.query("up ==")
            with pytest.raises(ValueError, match="scalar"):
                one.query("1")


def test_numbers_are_served_to_this_machine_only_and_at_one_address(cluster):
    page = cluster.metrics(1)
    assert cluster.metrics(1) == page
    port = int(page.rpartition(":")[2])
    places = [
        listening.laddr.ip
        for process in cluster.nodes[1].processes()
        for listening in process.net_connections("tcp")
        if listening.status == psutil.CONN_LISTEN and listening.laddr.port == port
    ]
    assert places == [settings.HOST]


def test_a_container_serves_none_and_says_so():
    with pytest.raises(BrokerError, match="BREAKING_BROKERS_BACKEND=native"):
        compose.metrics(members("rabbitmq")[0])
