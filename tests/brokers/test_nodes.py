"""Nodes of a lab's own: they serve, with the lab's settings, on this machine only, and end."""

import socket

import pika
import psutil
import pytest
from kafka import KafkaAdminClient

from helpers.brokers import BrokerError
from helpers.nodes import HOST, Kafka, RabbitMQ

# their port mapper stays for all nodes of a run
pytestmark = pytest.mark.usefixtures("own_ports")


def addresses(node):
    return {
        connection.laddr.ip
        for process in node.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


each_kind = pytest.mark.parametrize(
    "start",
    [
        lambda: Kafka({"SECOND": "PLAINTEXT"}, {"num.io.threads": 3}),
        lambda: RabbitMQ({"channel_max": 77}),
        lambda: RabbitMQ({"channel_max": 77}, "mqtt", "stomp"),
    ],
    ids=["kafka", "rabbitmq", "rabbitmq with MQTT and STOMP"],
)


@each_kind
def test_a_node_has_its_settings_listens_here_only_and_ends(start):
    with start() as node:
        assert {address.removeprefix("::ffff:") for address in addresses(node)} == {HOST}
        if isinstance(node, Kafka):
            with KafkaAdminClient(**node.options("SECOND")) as admin:
                assert len(admin.describe_cluster()["brokers"]) == 1
            assert "num.io.threads=3\n" in (node.directory / "server.properties").read_text()
        else:
            for port in node.ports.values():
                socket.create_connection((HOST, port), timeout=5).close()
            assert "77" in node.ctl("environment").partition("{channel_max,")[2][:4]
    assert not node.processes()
    assert not node.directory.exists()


@each_kind
def test_a_node_that_was_killed_serves_when_its_start_returns(start):
    with start() as node:
        node.kill()
        node.start()
        if isinstance(node, Kafka):
            with KafkaAdminClient(**node.options()) as admin:
                assert len(admin.describe_cluster()["brokers"]) == 1
        else:
            pika.BlockingConnection(node.rabbitmq).close()


def test_kafkas_tools_work_at_a_node_of_ones_own_and_fail_with_their_words():
    with Kafka({}, {}) as node:
        node.tool("topics", "--create", "--topic", "orders")
        assert "orders" in node.tool("topics", "--list").split()
        with pytest.raises(BrokerError, match="already exists"):
            node.tool("topics", "--create", "--topic", "orders")
