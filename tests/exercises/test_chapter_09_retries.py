"""The grader of the lab on retries tells right answers from wrong ones."""

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")

done = set()  # the memory of a process; it dies with it


def as_they_came(headers, replays):
    return [(name, replays if name == "replays" else value) for name, value in headers]


def by_a_dictionary(headers, replays):
    return list({**dict(headers), "replays": replays}.items())


def stripped_headers(headers, replays):
    return [(name, value.strip()) for name, value in as_they_came(headers, replays)]


def added(headers, replays):
    return [*headers, ("replays", replays)]


def replay_with(
    wait=True,
    commit="after",
    key=lambda key: key,
    value=lambda value: value,
    headers=as_they_came,
    number=int,
    limit=3,
    parks=True,
    counts=True,
    first_only=False,
):
    """An answer that gets right what it is told to."""

    def replay(consumer, producer):
        for record in consumer:
            if commit == "before":
                consumer.commit()
            named = dict(record.headers)
            replays = int(named["replays"])
            poison = number(named["replays"]) >= limit and parks
            more = record.headers
            if counts and not poison:
                more = headers(record.headers, b"%d" % (replays + 1))
            sent = producer.send(
                named["parking" if poison else "retry"].decode(),
                value(record.value),
                key=key(record.key),
                headers=more,
            )
            if commit == "in between":
                consumer.commit()
            if wait:
                sent.get(timeout=20)
            if commit in ("after", "in between"):
                consumer.commit()
            if first_only:
                return
        if commit == "end" or not wait:
            producer.flush()
        if commit == "end":
            consumer.commit()

    return replay


def replay_by_poll(consumer, producer):
    while batches := consumer.poll(timeout_ms=700, max_records=1):
        for records in batches.values():
            for record in records:
                named = dict(record.headers)
                count, topic, headers = int(named["replays"]), named["parking"], record.headers
                if count < 3:
                    topic = named["retry"]
                    headers = as_they_came(headers, str(count + 1).encode())
                producer.send(
                    topic=topic.decode(), value=record.value, key=record.key, headers=headers
                )
                producer.flush()
        consumer.commit()


def replay_by_offsets(consumer, producer):
    """Right too, and otherwise: the count is changed in its place, and offsets are committed."""
    while (record := next(consumer, None)) is not None:
        headers = list(record.headers)
        place = [name for name, _ in headers].index("replays")
        times = int(headers[place][1].decode())
        addresses = {
            name: value.decode() for name, value in headers if name in ("retry", "parking")
        }
        if times < 3:
            headers[place] = ("replays", str(times + 1).encode())
        topic = addresses["retry" if times < 3 else "parking"]
        producer.send(topic, key=record.key, value=record.value, headers=headers)
        producer.flush(timeout=20)
        here = TopicPartition(record.topic, record.partition)
        consumer.commit(offsets={here: OffsetAndMetadata(record.offset + 1, "", -1)})


def replay_from_memory(consumer, producer):
    letters = list(consumer)
    consumer.commit()
    for record in letters:
        if (letter := (record.topic, record.offset)) not in done:
            done.add(letter)
            named = dict(record.headers)
            count = int(named["replays"])
            headers = as_they_came(record.headers, b"%d" % (count + 1))
            place = named["parking"] if count >= 3 else named["retry"]
            sent = producer.send(place.decode(), record.value, key=record.key, headers=headers)
            sent.get(timeout=20)


def single_blanks(value):
    return value and value.replace(b"  ", b" ")


ANSWERS = {
    "9.7": Answers(
        right={
            "reference": replay_with(),
            "poll": replay_by_poll,
            "offsets": replay_by_offsets,
        },
        wrong={
            "commits first": ("lost", replay_with(commit="before")),
            "waits at the end": ("lost", replay_with(wait=False)),
            "commits, and waits then": ("lost", replay_with(commit="in between")),
            "in memory": ("lost", replay_from_memory),
            "only the first": ("lost", replay_with(first_only=True)),
            "nothing": ("lost", lambda consumer, producer: None),
            "commits at the end": ("doubled", replay_with(commit="end")),
            "never commits": ("doubled", replay_with(commit="never")),
            "without its key": ("raised", replay_with(key=lambda key: None)),
            "tidied up": ("wrong_body", replay_with(value=single_blanks)),
            "blanks cut off": (
                "wrong_body",
                replay_with(value=lambda value: value and value.strip()),
            ),
            "an empty value is none": (
                "wrong_body",
                replay_with(value=lambda value: value or None),
            ),
            "no value is an empty one": (
                "wrong_body",
                replay_with(value=lambda value: value or b""),
            ),
            "lower case": ("wrong_body", replay_with(value=lambda value: value and value.lower())),
            "an empty key is none": ("wrong_key", replay_with(key=lambda key: key or None)),
            "no key is an empty one": ("wrong_key", replay_with(key=lambda key: key or b"")),
            "keys without blanks": ("wrong_key", replay_with(key=lambda key: key and key.strip())),
            "headers without blanks": ("wrong_header", replay_with(headers=stripped_headers)),
            "headers by name": ("wrong_header", replay_with(headers=by_a_dictionary)),
            "a second count": ("wrong_header", replay_with(headers=added)),
            "not counted": ("wrong_header", replay_with(counts=False)),
            "parks none": ("wrong_place", replay_with(parks=False)),
            "parks too late": ("wrong_place", replay_with(limit=4)),
            "compares as text": ("wrong_place", replay_with(number=bytes, limit=b"3")),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
