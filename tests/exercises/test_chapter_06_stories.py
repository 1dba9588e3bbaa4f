"""The grader of an order that waits as a whole tells right answers from wrong ones."""

from collections import Counter

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def follow_with(
    known=lambda aside: {record.key for record in aside}, story=lambda key: key is not None,
    name=lambda key: key, commit="after", caught=ValueError, aside="record", wait=True,
    look="before",
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def follow(consumer, letters, handle, set_aside):
        waiting = {name(key) for key in known(letters) if story(key)}
        for record in consumer:
            if commit == "before":
                consumer.commit()
            stuck = wait and story(record.key) and name(record.key) in waiting
            try:
                if look == "after" or not stuck:
                    handle(record)
                if stuck:
                    raise ValueError
            except caught:
                if aside == "record":
                    set_aside(record)
                if aside == "value":
                    set_aside(record.value)
                if story(record.key):
                    waiting.add(name(record.key))
            if commit == "after":
                consumer.commit()
        if commit == "end":
            consumer.commit()

    return follow


def follow_by_polls(consumer, aside, handle, set_aside):
    """Right too, and otherwise: records of a poll, and offsets by hand."""
    torn = [record.key for record in aside if record.key is not None]
    while batches := consumer.poll(timeout_ms=1000, max_records=3):
        for record in [record for batch in batches.values() for record in batch]:
            good = record.key not in torn
            if good:
                try:
                    handle(record)
                except ValueError:
                    good = False
            if not good:
                set_aside(record)
                torn += [record.key] * (record.key is not None)
            done = {TopicPartition(record.topic, record.partition): record.offset + 1}
            consumer.commit({p: OffsetAndMetadata(n, "", -1) for p, n in done.items()})


def follow_by_two_functions(consumer, aside, handle, set_aside):
    """Right too, and otherwise: it counts what is aside of each key, and a function tries."""
    stuck = Counter(letter.key for letter in aside)
    stuck[None] = 0

    def tried(record):
        try:
            handle(record)
        except ValueError:
            return False
        return True

    for record in iter(lambda: next(consumer, None), None):
        if stuck[record.key] or not tried(record):
            set_aside(record)
            stuck.update([record.key] if record.key is not None else [])
        here = TopicPartition(record.topic, record.partition)
        consumer.commit({here: OffsetAndMetadata(record.offset + 1, "", -1)})


def everything_after_it(consumer, aside, handle, set_aside):
    torn = bool(aside)
    for record in consumer:
        try:
            if torn:
                raise ValueError
            handle(record)
        except ValueError:
            set_aside(record)
            torn = True
        consumer.commit()


def no_key_is_torn_until_a_death(consumer, aside, handle, set_aside):
    torn = {record.key for record in aside} - {None}
    for record in consumer:
        try:
            if record.key in torn:
                raise ValueError
            handle(record)
        except ValueError:
            set_aside(record)
            torn.add(record.key)
        consumer.commit()


def a_key_within_a_key(consumer, aside, handle, set_aside):
    torn = [record.key for record in aside if record.key]
    for record in consumer:
        try:
            if record.key is not None and any(record.key.startswith(key) for key in torn):
                raise ValueError
            handle(record)
        except ValueError:
            set_aside(record)
            if record.key:
                torn.append(record.key)
        consumer.commit()


def what_is_aside_is_not_set_aside_again(consumer, aside, handle, set_aside):
    """Takes what looks like one that is aside for the one that was in hand at a death."""
    done = {(record.key, record.value) for record in aside}
    torn = {key for key, _ in done} - {None}
    for record in consumer:
        if (record.key, record.value) not in done:
            try:
                if record.key in torn:
                    raise ValueError
                handle(record)
            except ValueError:
                set_aside(record)
                torn |= {record.key} - {None}
        consumer.commit()


ANSWERS = {
    "6.8": Answers(
        right={
            "reference": follow_with(),
            "polls": follow_by_polls,
            "two functions": follow_by_two_functions,
        },
        wrong={
            "no key is torn": ("set_aside_wrongly", no_key_is_torn_until_a_death),
            "in memory": ("overtaken", follow_with(known=lambda aside: ())),
            "the last one aside": (
                "overtaken",
                follow_with(known=lambda aside: {record.key for record in aside[-1:]}),
            ),
            "nobody waits": ("overtaken", follow_with(wait=False)),
            "handles it all the same": ("overtaken", follow_with(look="after")),
            "no key is a story": (
                "set_aside_wrongly",
                follow_with(story=lambda key: True),
            ),
            "an empty key is none": ("overtaken", follow_with(story=bool)),
            "upper or lower case": (
                "set_aside_wrongly",
                follow_with(name=lambda key: key and key.lower()),
            ),
            "blanks cut off": (
                "set_aside_wrongly",
                follow_with(name=lambda key: key and key.strip()),
            ),
            "a key within a key": ("set_aside_wrongly", a_key_within_a_key),
            "everything after it": ("set_aside_wrongly", everything_after_it),
            "commits first": ("lost", follow_with(commit="before")),
            "commits at the end": ("repeated", follow_with(commit="end")),
            "never commits": ("repeated", follow_with(commit="")),
            "drops it": ("lost", follow_with(aside="")),
            "known by its value": ("lost", what_is_aside_is_not_set_aside_again),
            "its value": ("wrong_record", follow_with(aside="value")),
            "lets the error out": ("raised", follow_with(caught=KeyError)),
            "hangs": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
