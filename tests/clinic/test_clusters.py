"""Patients that are clusters leave the clinic when they are cured, and not when a symptom is gone."""

import pika
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from helpers import clients, wait_until
from tests.clinic.repairs import Repairs, both, nothing

pytestmark = [pytest.mark.usefixtures("live"), pytest.mark.native_files]


# --- under-replication --------------------------------------------------------------------------


def configure(kind, name, **values):
    def do(patient):
        dotted = {key.replace("_", "."): value for key, value in values.items()}
        with KafkaAdminClient(**patient.cluster.kafka) as admin:
            resource = ConfigResource(kind, name or patient.topic, dotted)
            admin.alter_configs([resource], incremental=True, raise_on_unknown=False)

    return do


def of_topic(**values):
    return configure(ConfigResourceType.TOPIC, "", **values)


def of_node_1(**values):
    return configure(ConfigResourceType.BROKER, "1", **values)


FULL_SPEED = of_node_1(leader_replication_throttled_rate="1000000000")


def restart_behind(patient):
    [node] = {1, 2, 3} - set(patient.cluster.in_sync(patient.topic))
    patient.cluster.restart(node)


def leave_out(patient):
    """Have the replicas where they are in sync, and nowhere else."""
    replicas = patient.cluster.in_sync(patient.topic)
    with KafkaAdminClient(**patient.cluster.kafka) as admin:
        admin.alter_partition_reassignments({clients.TopicPartition(patient.topic, 0): replicas})
    row = lambda: patient._described()["partitions"][0]  # noqa: E731
    wait_until(lambda: len(row()["replica_nodes"]) == 2, "the replica to be gone", 30)


def recreate(patient):
    patient.programs.pop("shop").stop()
    with KafkaAdminClient(**patient.cluster.kafka) as admin:
        admin.delete_topics([patient.topic])
        wait_until(lambda: patient.topic not in admin.list_topics(), "the topic to be gone", 30)
    clients.make_topic(patient.cluster, patient.topic, replicas=3, min_insync_replicas="2")
    patient.start_shop()


# --- lost quorum, disk alarm --------------------------------------------------------------------


def restart_all(patient):
    for node in {1, 2, 3} - set(patient.cluster.running()):
        patient.cluster.restart(node)


def restart_one(patient):
    patient.cluster.restart(2)


def limit(size):
    return lambda patient: patient.cluster.ctl(1, "set_disk_free_limit", size)


def on_channel(deed):
    def do(patient):
        with pika.BlockingConnection(patient.cluster.rabbitmq(1)) as connection:
            deed(patient, connection.channel())

    return do


@on_channel
def purge(patient, channel):
    channel.queue_purge(patient.queue)


@on_channel
def classic(patient, channel):
    wait_until(lambda: not patient.hangs(), "the order that hung to be answered", 60)
    channel.queue_delete(patient.queue)
    clients.declare_queue(channel, patient.queue, "classic")


def shrink(patient):
    listed = patient.cluster.ctl(1, "cluster_status", "--formatter", "json", "--silent")
    import json

    node = next(name for name in json.loads(listed)["running_nodes"] if "3@" in name)
    ran = patient.cluster.tool(1, "rabbitmq-queues", "shrink", node)
    assert ran.returncode == 0, ran.stderr


def shop_stopped(patient):
    shop = patient.programs.pop("shop")
    shop.kill()
    patient._ended.append(shop)


def shop_anew(patient):
    patient.start_shop()


# --- bad listener -------------------------------------------------------------------------------


def set_to(**values):
    def do(patient):
        for name, value in values.items():
            key = name.replace("_", ".")
            patient.settings[key] = value.format(address=patient.address)
        patient.restart_node()

    return do


def everywhere(patient):
    """Listens at all interfaces, as many advise."""
    old = patient.settings["listeners"]
    patient.settings["listeners"] = old.replace("PLAINTEXT://127.0.0.1", "PLAINTEXT://0.0.0.0")
    set_to(advertised_listeners="PLAINTEXT://{address}")(patient)


def without_data(patient):
    import shutil

    patient.node.stop()
    shutil.rmtree(patient.node.data)
    set_to(advertised_listeners="PLAINTEXT://{address}")(patient)
    clients.make_topic(patient.brokers, patient.topic)
    clients.send(patient.brokers, patient.topic, patient._orders[-1:])


ANSWERS = {
    "under-replication": Repairs(
        right={
            "rate of the node": FULL_SPEED,
            "topic not throttled": of_topic(leader_replication_throttled_replicas=""),
        },
        wrong={
            "nothing": ("still_behind", nothing),
            "restarted": ("still_behind", restart_behind),
            "left out": ("fewer_replicas", leave_out),
            "minimum of 1": ("lower_minimum", of_topic(min_insync_replicas="1")),
            "topic anew": ("recreated", recreate),
            "shop stopped": (
                "shop_stopped",
                both(FULL_SPEED, lambda p: p.programs["shop"].stop()),
            ),
        },
    ),
    "lost quorum": Repairs(
        right={"both nodes": restart_all, "healed": lambda p: p.cluster.heal()},
        wrong={
            "nothing": ("no_majority", nothing),
            "shop anew": ("no_majority", shop_anew),
            "one node": ("no_spare", restart_one),
            "one member less": ("fewer_members", both(restart_all, shrink)),
            "a classic queue": ("no_quorum_queue", both(restart_all, classic)),
            "purged": ("lost", both(restart_all, purge)),
            "shop stopped": ("shop_stopped", both(restart_all, shop_stopped)),
        },
    ),
    "disk alarm": Repairs(
        right={"50 MB": limit("50MB"), "restarted": lambda p: p.cluster.restart(1)},
        wrong={
            "nothing": ("still_blocked", nothing),
            "shop anew": ("still_blocked", shop_anew),
            "no limit": ("no_guard", limit("0")),
            "purged": ("still_blocked", purge),
            "purged, and the limit": ("lost", both(purge, limit("50MB"))),
            "shop stopped": ("shop_stopped", both(limit("50MB"), shop_stopped)),
        },
    ),
    "bad listener": Repairs(
        right={
            "its own address": set_to(advertised_listeners="PLAINTEXT://{address}"),
            "none": lambda p: [p.settings.pop("advertised.listeners"), p.restart_node()],
        },
        wrong={
            "nothing": ("unreachable", nothing),
            "restarted": ("unreachable", lambda p: p.restart_node()),
            "another port": (
                "unreachable",
                set_to(advertised_listeners="PLAINTEXT://127.0.0.1:2"),
            ),
            "at all interfaces": ("exposed", everywhere),
            "without its data": ("lost", without_data),
        },
    ),
}


def test_answers(case):
    case.judge()
