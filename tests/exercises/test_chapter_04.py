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


def totals_in_one_transaction(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while position < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.execute("UPDATE position SET next = ?", [record.offset + 1])
            database.commit()
            position = record.offset + 1


def totals_in_two_transactions(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while position < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.commit()
            database.execute("UPDATE position SET next = ?", [record.offset + 1])
            database.commit()
            position = record.offset + 1


def totals_that_note_the_offset_first(consumer, partition, database):
    [(position,)] = database.execute("SELECT next FROM position").fetchall()
    consumer.assign([partition])
    consumer.seek(partition, position)
    end = consumer.end_offsets([partition])[partition]
    while position < end:
        for record in consumer.poll(timeout_ms=500).get(partition, []):
            customer, amount = record.key.decode(), int(record.value)
            position = record.offset + 1
            database.execute("UPDATE position SET next = ?", [position])
            database.commit()
            database.execute("INSERT OR IGNORE INTO totals VALUES (?, 0)", [customer])
            add = "UPDATE totals SET amount = amount + ? WHERE customer = ?"
            database.execute(add, [amount, customer])
            database.commit()


def totals_from_the_start(consumer, partition, database):
    consumer.assign([partition])
    consumer.seek(partition, 0)


def totals_without_an_import(consumer, partition, database):
    consumer.seek(TopicPartition(partition.topic, 0), json.loads("0"))


def test_a_total_beside_its_offset_passes(capsys):
    assert "✔" in said(capsys, "4.3", totals_in_one_transaction)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (totals_in_two_transactions, "too much"),
        (totals_that_note_the_offset_first, "too little"),
        (totals_from_the_start, "nobody was killed"),
        (totals_without_an_import, "NameError"),
        (print, "source of the answer"),
    ],
)
def test_a_total_that_a_crash_falsifies_is_refused(capsys, wrong, words):
    refused(said(capsys, "4.3", wrong), words)


def load_with(stop="at the end", tombstones=True, limit=True):
    def load(consumer, partition):
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        table, last = {}, -1
        while (
            (last < end - 1)
            if stop == "after the last record"
            else consumer.position(partition) < end
        ):
            batch = consumer.poll(timeout_ms=200).get(partition, [])
            if stop == "at silence" and not batch:
                break
            for record in batch:
                last = record.offset
                if limit and last >= end:
                    break
                table[record.key] = record.value
                if tombstones and record.value is None:
                    del table[record.key]
        return table

    return load


def test_a_careful_table_passes(capsys):
    assert "✔" in said(capsys, "4.4", load_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"stop": "after the last record"}, "still polling"),
        ({"tombstones": False}, "two tombstones"),
        ({"limit": False}, "writes to meanwhile"),
    ],
)
def test_a_careless_table_is_refused(capsys, wrong, words):
    refused(said(capsys, "4.4", load_with(**wrong)), words)
