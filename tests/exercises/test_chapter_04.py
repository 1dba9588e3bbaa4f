"""Chapter 4's graders refuse the usual wrong answers, with a hint; the notebooks run the right ones."""

from __future__ import annotations

import json

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from helpers import check

pytestmark = pytest.mark.usefixtures("live")


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def refused(output: str, words: str) -> None:
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def lag_with(from_start=True, cut=True, committed_only=False):
    def lag(admin, consumer, group, topic):
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        committed = admin.list_group_offsets(group)[group]
        behind = {}
        for partition in partitions:
            if partition not in committed:
                if not committed_only:
                    first = starts[partition] if from_start else 0
                    behind[partition.partition] = ends[partition] - first
                continue
            at = committed[partition].offset
            behind[partition.partition] = ends[partition] - (
                max(at, starts[partition]) if cut else at
            )
        return behind

    return lag


def test_a_careful_lag_passes(capsys):
    assert "✔" in said(capsys, "4.1", lag_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"from_start": False}, "partition 2 has no commit"),
        ({"cut": False}, "partition 3 has 20 records"),
        ({"committed_only": True}, "four partitions"),
    ],
)
def test_a_careless_lag_is_refused(capsys, wrong, words):
    refused(said(capsys, "4.1", lag_with(**wrong)), words)


def consume_with(commit="after each", catch=ValueError, aside=True):
    def consume(consumer, handle, set_aside):
        while batches := consumer.poll(timeout_ms=1000):
            if commit == "before":
                consumer.commit()
            for partition, records in batches.items():
                for record in records:
                    try:
                        order = json.loads(record.value)
                    except catch:
                        if aside:
                            set_aside(record)
                    else:
                        handle(order)
                    if commit == "after each":
                        consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "", -1)})
            if commit == "after the batch":
                consumer.commit()

    return consume


def test_a_careful_loop_passes(capsys):
    assert "✔" in said(capsys, "4.2", consume_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"commit": "before"}, "never handled"),
        ({"commit": "after the batch"}, "done twice"),
        ({"commit": "never"}, "done twice"),
        ({"catch": json.JSONDecodeError}, "UnicodeDecodeError"),
        ({"aside": False}, "not set aside"),
    ],
)
def test_a_careless_loop_is_refused(capsys, wrong, words):
    refused(said(capsys, "4.2", consume_with(**wrong)), words)
