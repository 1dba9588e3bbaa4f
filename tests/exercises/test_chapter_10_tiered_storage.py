"""The grader of the lab on tiered storage tells right answers from wrong ones."""

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from tests.exercises.answers import Answers, ignoring, stub


def rescue_with(
    *,
    begin=lambda first, local: first,
    go_on=lambda at, first, local, end: local,
    says=lambda at, first, local, end: (at, local),
    partitions=sorted,
    tell_all=False,
    of=lambda record: record.value,
):
    """A right answer, but for what it is told."""

    def rescue(options, topic):
        values, missing = {}, {}
        with KafkaAdminClient(**options) as admin, KafkaConsumer(**options) as consumer:
            for number in partitions(consumer.partitions_for_topic(topic)):
                partition = TopicPartition(topic, number)
                first, local, end = limits(admin, partition)
                values[number] = []
                consumer.assign([partition])
                consumer.seek(partition, begin(first, local))
                while (at := consumer.position(partition)) < end:
                    try:
                        found = consumer.poll(timeout_ms=200).get(partition, [])
                    except KafkaError:
                        missing[number] = says(at, first, local, end)
                        consumer.seek(partition, go_on(at, first, local, end))
                        continue
                    values[number] += map(of, found)
                if tell_all:
                    missing.setdefault(number, (local, local))
        return values, missing

    return rescue


def limits(admin, partition):
    specs = OffsetSpec.EARLIEST, OffsetSpec.EARLIEST_LOCAL, OffsetSpec.LATEST
    return [admin.list_partition_offsets({partition: spec})[partition].offset for spec in specs]


def rescue_by_steps(options, topic):
    """Offset by offset after an error, as if nobody had told where the disk begins."""
    values, missing = {}, {}
    with KafkaConsumer(**options, max_poll_records=50) as consumer:
        for number in consumer.partitions_for_topic(topic):
            partition = TopicPartition(topic, number)
            consumer.assign([partition])
            end = consumer.end_offsets([partition])[partition]
            at = consumer.beginning_offsets([partition])[partition]
            values[number] = []
            while at < end:
                consumer.seek(partition, at)
                try:
                    found = consumer.poll(timeout_ms=300).get(partition, [])
                except KafkaError:
                    begin, _ = missing.get(number, (at, at))
                    at += 1
                    missing[number] = (begin, at)
                    continue
                values[number] += [record.value for record in found]
                at = found[-1].offset + 1 if found else at
    return values, missing


def rescue_in_two_readings(options, topic):
    """What is on the disk with one consumer, and what is before it with another."""
    values, missing = {}, {}
    with KafkaAdminClient(**options) as admin:
        topics = admin.describe_topics([topic])[0]["partitions"]
        for number in [found["partition_index"] for found in topics]:
            partition = TopicPartition(topic, number)
            first, local, end = limits(admin, partition)
            old, stopped = read(options, partition, first, local)
            young, _ = read(options, partition, local, end)
            values[number] = old + young
            if stopped < local:
                missing[number] = [stopped, local]
    return values, missing


def read(options, partition, at, end):
    found = []
    with KafkaConsumer(**options) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, at)
        while at < end:
            try:
                records = consumer.poll(timeout_ms=200).get(partition, [])
            except KafkaError:
                break
            found += [record.value for record in records if record.offset < end]
            at = consumer.position(partition)
    return found, min(at, end)


def rescue_and_sort(options, topic):
    values, missing = rescue_with()(options, topic)
    return {number: sorted(found) for number, found in values.items()}, missing


def rescue_as_a_list(options, topic):
    values, _ = rescue_with()(options, topic)
    return [value for found in values.values() for value in found]


def rescue_twice(options, topic):
    values, missing = rescue_with()(options, topic)
    again, _ = rescue_with(begin=lambda first, local: local)(options, topic)
    return {number: found + again[number] for number, found in values.items()}, missing


def rescue_what_is_not_empty(*told):
    values, missing = rescue_with()(*told)
    return {number: found for number, found in values.items() if found}, missing


ANSWERS = {
    "10.8": Answers(
        right={
            "reference": rescue_with(),
            "by steps": rescue_by_steps,
            "in two readings": rescue_in_two_readings,
        },
        wrong={
            "not attempted": ("not_attempted", stub),
            "only what is on the disk": ("lost", rescue_with(begin=lambda first, local: local)),
            "ends at the error": ("lost", rescue_with(go_on=lambda at, first, local, end: end)),
            "says nothing of it": ("missing", lambda *told: (rescue_with()(*told)[0], {})),
            "from the beginning": (
                "missing",
                rescue_with(says=lambda at, first, local, end: (first, local)),
            ),
            "to the last that is missing": (
                "missing",
                rescue_with(says=lambda at, first, local, end: (at, local - 1)),
            ),
            "all that was not read at first": (
                "missing",
                rescue_with(says=lambda at, first, local, end: (at, end)),
            ),
            "an entry for each": ("missing", rescue_with(tell_all=True)),
            "one partition": ("left_out", rescue_with(partitions=lambda found: [min(found)])),
            "without the empty one": ("left_out", rescue_what_is_not_empty),
            "not caught": ("raised", rescue_with(go_on=lambda *_: 1 / 0)),
            "sorted": ("order", rescue_and_sort),
            "records": ("no_values", rescue_with(of=lambda record: record)),
            "one list": ("no_pair", rescue_as_a_list),
            "the disk twice": ("doubled", rescue_twice),
            "bare except": ("no_deadline", ignoring()),
        },
    ),
}


def test_answers(case):
    case.judge()
