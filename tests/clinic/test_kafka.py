"""Patients on Kafka leave the clinic when they are cured, and not when a symptom is gone."""

import pytest
from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec

from helpers import clients, wait_until
from tests.clinic.repairs import Repairs, both, nothing

pytestmark = pytest.mark.usefixtures("live")


def packers(patient):
    return [name for name in patient.programs if name != "shop"]


def with_packers_away(patient, deed):
    """Most deeds of an administrator need a group that is empty."""
    names = packers(patient)
    had = [dict(patient.running_with[name]) for name in names]
    for name in names:
        patient.stop(name)
    with KafkaAdminClient(**patient.brokers.kafka) as admin:
        empty = lambda: not admin.describe_groups([patient.group])[patient.group]["members"]  # noqa: E731
        wait_until(empty, "the group to be empty")
        deed(admin)
    for name, options in zip(names, had, strict=True):
        patient.start(name, **options)


def offsets(patient, group, where):
    return lambda admin: admin.reset_group_offsets(group, dict.fromkeys(patient.ends(), where))


def reset(patient):
    with_packers_away(patient, offsets(patient, patient.group, OffsetSpec.LATEST))


def reset_bookkeepers(patient):
    with KafkaAdminClient(**patient.brokers.kafka) as admin:
        offsets(patient, patient.bookkeepers, OffsetSpec.EARLIEST)(admin)


def delete_records(patient):
    with KafkaAdminClient(**patient.brokers.kafka) as admin:
        admin.delete_records(patient.ends())


def more_partitions(patient, number=12):
    with KafkaAdminClient(**patient.brokers.kafka) as admin:
        admin.create_partitions({patient.topic: number})


def recreate(patient):
    if "shop" in patient.programs:
        patient.stop("shop")

    def anew(admin):
        admin.delete_topics([patient.topic])
        gone = lambda: patient.topic not in admin.list_topics()  # noqa: E731
        wait_until(gone, "the topic to be gone")
        clients.make_topic(patient.brokers, patient.topic, patient.partitions)

    with_packers_away(patient, anew)


def hire(patient, until=None):
    for number in range(len(packers(patient)) + 1, (until or patient.partitions) + 1):
        patient.start(f"packer-{number}")


def rounds(**options):
    return lambda patient: [patient.restart(name, **options) for name in packers(patient)]


def key(name):
    return lambda patient: patient.start_shop(key=name)


ANSWERS = {
    "growing lag": Repairs(
        right={"a packer a partition": hire},
        wrong={
            "nothing": ("still_growing", nothing),
            "restarted": ("still_growing", lambda p: p.restart("packer-1")),
            "larger rounds": ("still_growing", lambda p: p.restart("packer-1", most=50)),
            "one more": ("still_growing", lambda p: hire(p, 2)),
            "offsets to the end": ("lost", reset),
            "offsets to the end, and packers": ("lost", both(reset, hire)),
            "offsets of others": ("bookkeepers", both(hire, reset_bookkeepers)),
            "records deleted": ("deleted", delete_records),
            "topic anew": ("recreated", recreate),
            "shop stopped": ("shop_stopped", lambda p: p.stop("shop")),
            "more partitions": ("partitions", both(more_partitions, hire)),
        },
    ),
    "hot partition": Repairs(
        right={"keyed by customer": key("customer")},
        wrong={
            "nothing": ("still_hot", nothing),
            "no key": ("order_lost", key("none")),
            "more packers": ("still_hot", lambda p: hire(p, 6)),
            "more partitions": ("partitions", more_partitions),
            "offsets to the end": ("lost", both(reset, key("customer"))),
            "shop stopped": ("shop_stopped", lambda p: p.stop("shop")),
        },
    ),
    "rebalance storm": Repairs(
        right={"smaller rounds": rounds(most=10), "more time": rounds(interval=60)},
        wrong={
            "nothing": ("still_stormy", nothing),
            "restarted": ("still_stormy", rounds()),
            "longer session": ("still_stormy", rounds(session=30)),
            "more packers": ("still_stormy", lambda p: hire(p, 4)),
            "time without end": ("blind", rounds(interval=86400)),
            "offsets to the end": ("lost", reset),
            "records deleted": ("deleted", delete_records),
        },
    ),
}


def test_answers(case):
    case.judge()
