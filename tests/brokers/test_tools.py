"""The brokers' own command-line tools, run by ``python -m helpers`` against live brokers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pika
import pytest

from conftest import _free_offset
from helpers.brokers import jars, native, rabbitmq, rabbitmq_install, tools
from helpers.brokers.places import single
from helpers.names import clean_up, fresh


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "helpers", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True)


def said(*arguments: str, stdin: str = "") -> str:
    done = run(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lags(group: str) -> dict[str, str]:
    """How far a group is behind, by partition."""
    rows = said("kafka", "consumer-groups", "--describe", "--group", group).split("\n")
    return {row.split()[2]: row.split()[5] for row in rows if row.startswith(group)}


def test_a_topic_is_created_and_described_and_what_fails_does_so_in_the_tools_words(live):
    topic = fresh("orders")
    create = ("kafka", "topics", "--create", "--topic", topic, "--partitions", "2")
    assert said(*create) == f"Created topic {topic}.\n"
    head, *partitions = said("kafka", "topics", "--describe", "--topic", topic).strip().split("\n")
    assert "PartitionCount: 2\tReplicationFactor: 1" in head
    assert len(partitions) == 2
    assert all("Leader: 1\tReplicas: 1\tIsr: 1" in line for line in partitions)
    again = run(*create)
    assert again.returncode == 1
    assert again.stdout.strip() == (
        f"Error while executing topic command : Topic '{topic}' already exists."
    )
    assert "TopicExistsException" in again.stderr
    clean_up(live)


def test_a_group_reads_some_lags_behind_and_is_set_back(live):
    topic, group = fresh("orders"), fresh("email")
    said("kafka", "console-producer", "--topic", topic, stdin="a\nb\nc\nd\ne\n")
    reading = ("kafka", "console-consumer", "--topic", topic, "--group", group, "--from-beginning")
    assert said(*reading, "--max-messages", "2") == "a\nb\n"
    assert lags(group) == {"0": "3"}
    back = ("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
    assert said("kafka", "consumer-groups", *back).split()[-4:] == [group, topic, "0", "0"]
    assert lags(group) == {"0": "5"}
    clean_up(live)


@pytest.mark.native_files
def test_a_broker_that_is_named_is_asked_though_none_runs_here(live, monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(_free_offset()))
    servers = live.kafka["bootstrap_servers"]
    said("kafka", "groups", "--bootstrap-server", servers, "--list")


@pytest.mark.native_files
def test_the_class_of_every_tool_is_there():
    native.fetch_pipeline()
    known = {
        name.removesuffix(".class").replace("/", ".")
        for jar in (*jars.locked(), *jars.locked(jars.PIPELINE_LOCK))
        if jar.artifact in ("kafka-tools", "kafka_2.13")
        for name in zipfile.ZipFile(jar.path()).namelist()
    }
    assert {tools.main_class(tool) for tool in tools.KAFKA} <= known


def test_rabbitmqctl_lists_queues_and_sets_a_policy(live):
    queue = fresh("orders")
    with pika.BlockingConnection(live.rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for _ in range(2):
            channel.basic_publish("", queue, b"1")
    listed = said("rabbitmqctl", "-q", "list_queues", "name", "type")
    assert f"{queue}\tquorum" in listed.splitlines()
    said("rabbitmqctl", "set_policy", queue, f"^{queue}$", '{"max-length": 1}')
    assert queue in said("rabbitmqctl", "-q", "list_policies")
    said("rabbitmqctl", "clear_policy", queue)
    clean_up(live)


def test_the_other_tools_of_rabbitmq_find_the_node(live):
    said("rabbitmq-queues", "-q", "check_if_node_is_quorum_critical")
    done = run("rabbitmq-diagnostics", "list_nothing")
    assert done.returncode == 64
    assert "Command 'list_nothing' not found" in done.stderr


@pytest.mark.native_files
def test_a_tool_whose_home_was_deleted_leaves_no_dump_in_the_readers_folder(tmp_path):
    environment = rabbitmq.environment(single("rabbitmq"), tmp_path / "rabbitmq")
    shutil.rmtree(tmp_path / "home")
    reader = tmp_path / "reader"
    reader.mkdir()
    ctl = [str(rabbitmq_install.program("rabbitmqctl")), "status"]
    done = subprocess.run(ctl, env=environment, cwd=reader, capture_output=True, text=True)
    assert done.returncode != 0
    assert list(reader.iterdir()) == []
