"""The graders of chapter 10 tell right answers from wrong ones."""

import time

import pytest
from kafka import OffsetAndMetadata

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def work_by_iterator(commit="each"):
    """Right if it commits after each record, or when nothing has come for a moment; not only at the end."""

    def work(consumer, handle, asked):
        while not asked.is_set():
            for record in consumer:
                if asked.is_set():
                    return
                if commit == "before":
                    consumer.commit()
                handle(record)
                if commit == "each":
                    consumer.commit()
                if asked.is_set():
                    break
            if commit == "idle":
                consumer.commit()
        if commit == "end":
            consumer.commit()

    return work


def work_by_poll(consumer, handle, asked):
    while not asked.is_set():
        for partition, records in consumer.poll(timeout_ms=300).items():
            for record in records:
                if asked.is_set():
                    break
                handle(record)
                consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "", -1)})


def work_and_seek(consumer, handle, asked):
    while not asked.is_set():
        for partition, records in consumer.poll(timeout_ms=300).items():
            for record in records:
                if asked.is_set():
                    consumer.seek(partition, record.offset)
                    break
                handle(record)
        consumer.commit()


def looks_between_polls(consumer, handle, asked):
    while not asked.is_set():
        for records in consumer.poll(timeout_ms=300).values():
            for record in records:
                handle(record)
        consumer.commit()


def commits_the_poll(consumer, handle, asked):
    while not asked.is_set():
        for records in consumer.poll(timeout_ms=300).values():
            for record in records:
                if asked.is_set():
                    break
                handle(record)
        consumer.commit()


def begins_one_more(consumer, handle, asked):
    while not asked.is_set():
        for record in consumer:
            handle(record)
            consumer.commit()
            if asked.is_set():
                break


def forgets_the_last(consumer, handle, asked):
    done = 0
    while not asked.is_set():
        for record in consumer:
            handle(record)
            done += 1
            if done % 10 == 0:
                consumer.commit()
            if asked.is_set():
                break


def begins_before_it_looks(consumer, handle, asked):
    while True:
        for record in consumer:
            handle(record)
            if asked.is_set():
                consumer.commit()
                return
        if asked.is_set():
            return


def deaf_when_idle(consumer, handle, asked):
    while True:
        for record in consumer:
            if asked.is_set():
                return
            handle(record)
            consumer.commit()
            if asked.is_set():
                return


def ends_when_nothing_comes(consumer, handle, asked):
    if asked.is_set():
        return
    for record in consumer:
        handle(record)
        if asked.is_set():
            break
    consumer.commit()


def dawdles(consumer, handle, asked):
    work_by_iterator()(consumer, handle, asked)
    time.sleep(4)


def raises(consumer, handle, asked):
    for record in consumer:
        handle(record)
        if asked.is_set():
            raise SystemExit


def outcome(
    at_the_leader=True,
    alone=True,
    unclean=True,
    majority=True,
    one_acks=True,
):
    """Right in all that it isn't told to overlook."""

    def judge(topic, dead):
        left = [node for node in topic["in_sync"] if node != dead]
        said = set()
        if dead == topic["leader"] and ((topic["acks"] == 1 and one_acks) or (alone and not left)):
            said.add("lost")
        if not at_the_leader and dead in topic["in_sync"] and topic["acks"] == 1:
            said.add("lost")
        others = [node for node in topic["replicas"] if node != dead]
        if not left and topic["unclean"] and others and unclean:
            left = others[:1]
        if not left or (topic["acks"] == "all" and len(left) < topic["min_in_sync"] and majority):
            said.add("refused")
        return said

    return judge


def changes(topic, dead):
    said = outcome()(topic, dead)
    if dead in topic["in_sync"]:
        topic["in_sync"].remove(dead)
    return said


def by_replicas(topic, dead):
    """Goes by the replicas, as if all were in sync."""
    return outcome()(topic | {"in_sync": list(topic["replicas"])}, dead)


def for_one(topic, dead):
    """The minimum for whoever writes."""
    said = outcome()(topic, dead)
    left = [node for node in topic["in_sync"] if node != dead]
    return said | ({"refused"} if len(left) < topic["min_in_sync"] else set())


def by_cases(topic, dead):
    """Written in another way."""
    alive = set(topic["in_sync"]) - {dead}
    if dead != topic["leader"]:
        enough = topic["acks"] == 1 or len(alive) >= topic["min_in_sync"]
        return set() if enough else {"refused"}
    if alive:
        lost = {"lost"} if topic["acks"] == 1 else set()
        short = topic["acks"] == "all" and len(alive) < topic["min_in_sync"]
        return lost | ({"refused"} if short else set())
    if topic["unclean"] and len(topic["replicas"]) > 1:
        short = topic["acks"] == "all" and topic["min_in_sync"] > 1
        return {"lost", "refused"} if short else {"lost"}
    return {"lost", "refused"}


def by_two_questions(topic, dead):
    """Right too, and otherwise: who has them all, and who may write?"""
    alive = {*topic["in_sync"]} - {dead}
    heir = {*topic["replicas"]} - {dead} if topic["unclean"] else set()
    enough = topic["min_in_sync"] if topic["acks"] == "all" else 1
    answers = {
        "lost": topic["leader"] == dead and not (alive and topic["acks"] == "all"),
        "refused": (len(alive) or min(1, len(heir))) < enough,
    }
    return set(filter(answers.get, answers))


ANSWERS = {
    "10.1": Answers(
        right={
            "reference": work_by_iterator(),
            "poll, each committed": work_by_poll,
            "poll, and seek": work_and_seek,
            "commit when idle": work_by_iterator("idle"),
        },
        wrong={
            "not begun": ("not_attempted", stub),
            "for ever": ("deaf", ignoring()),
            "looks between polls": ("handled_after_asked", looks_between_polls),
            "commits the whole poll": ("committed_too_far", commits_the_poll),
            "commits before the work": ("committed_too_far", work_by_iterator("before")),
            "begins one more when idle": ("handled_after_asked", begins_one_more),
            "kept for the end": ("kept_for_the_end", work_by_iterator("end")),
            "forgets the last commit": ("not_committed", forgets_the_last),
            "begins before it looks": ("handled_after_asked", begins_before_it_looks),
            "deaf when idle": ("deaf", deaf_when_idle),
            "ends when nothing comes": ("gave_up", ends_when_nothing_comes),
            "dawdles": ("deaf", dawdles),
            "ends the process": ("ended_process", raises),
        },
    ),
    "10.2": Answers(
        right={
            "reference": outcome(),
            "by cases": by_cases,
            "two questions": by_two_questions,
        },
        wrong={
            "not begun": ("not_attempted", stub),
            "a list": ("no_set", lambda topic, dead: sorted(outcome()(topic, dead))),
            "a bool": ("no_set", lambda topic, dead: bool(outcome()(topic, dead))),
            "never": ("lost_overlooked", lambda topic, dead: outcome()(topic, dead) - {"lost"}),
            "changes the topic": ("changed", changes),
            "only acks=1 loses": ("lost_overlooked", outcome(alone=False)),
            "acks=1 is as good as all": ("lost_overlooked", outcome(one_acks=False)),
            "followers' death loses": ("not_lost", outcome(at_the_leader=False)),
            "no unclean leader": ("not_refused", outcome(unclean=False)),
            "the minimum doesn't count": ("refused_overlooked", outcome(majority=False)),
            "the minimum for all": ("not_refused", for_one),
        },
    ),
}


def test_answers(case):
    case.judge()
