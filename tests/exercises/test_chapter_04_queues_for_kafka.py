"""The grader of the lab on queues for Kafka tells right answers from wrong ones."""

from collections import Counter

import pytest
from confluent_kafka import AcknowledgeType

from helpers.exercises.proxy import Proxy
from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


def settle_with(
    limit=5, aside=True, release=True, commit=True, forget=False, poison="REJECT", last="REJECT"
):
    """An answer that gets right what it is told to."""

    def settle(consumer, messages, handle, set_aside):
        for message in messages[:1] if forget else messages:
            word = "ACCEPT"
            try:
                handle(message.value())
            except BlockingIOError:
                word = "RELEASE" if release and message.delivery_count() < limit else "REJECT"
            except Exception:
                word = poison
            if word == "REJECT" and aside:
                set_aside(message.value())
            word = last if word == "REJECT" else word
            consumer.acknowledge(message, getattr(AcknowledgeType, word))
        if commit:
            consumer.commit_sync(timeout=10)

    return settle


def settle_by_words(consumer, messages, handle, set_aside):
    for message in messages:
        consumer.acknowledge(message, word(message, handle, set_aside))
    consumer.commit_sync()


def word(message, handle, set_aside):
    try:
        handle(message.value())
        return AcknowledgeType.ACCEPT
    except BlockingIOError:
        if message.delivery_count() != 5:
            return AcknowledgeType.RELEASE
    except Exception as error:
        print(error)
    set_aside(message.value())
    return AcknowledgeType.REJECT


def settle_by_default(consumer, messages, handle, set_aside):
    """Right too: the word that one needs not say is ACCEPT."""
    for message in messages:
        try:
            handle(message.value())
        except Exception as error:
            if isinstance(error, BlockingIOError) and message.delivery_count() < 5:
                consumer.acknowledge(ack_type=AcknowledgeType.RELEASE, message=message)
            else:
                set_aside(message.value())
                consumer.acknowledge(message, ack_type=AcknowledgeType.REJECT)
        else:
            consumer.acknowledge(message)
    consumer.commit_sync()


def settle_one_by_one(consumer, messages, handle, set_aside):
    for message in messages:
        settle_with()(consumer, [message], handle, set_aside)


def settle_by_place(settle):
    """The same, but it names the place of each message."""

    def by_place(consumer, messages, handle, set_aside):
        def acknowledge(_original, message, word):
            place = message.topic(), message.partition(), message.offset()
            consumer.acknowledge_offset(*place, word)

        settle(Proxy(consumer, acknowledge=acknowledge), messages, handle, set_aside)

    return by_place


def settle_by_memory():
    """Counts the deliveries itself, and doesn't know of those to others."""
    tries = Counter()

    def settle(consumer, messages, handle, set_aside):
        def handle_or_fail(value):
            tries[value] += 1
            try:
                handle(value)
            except BlockingIOError:
                if tries[value] < 5:
                    raise
                raise ValueError from None

        settle_with(limit=10**6)(consumer, messages, handle_or_fail, set_aside)

    return settle


def settle_asynchronously(consumer, messages, handle, set_aside):
    settle_with(commit=False)(consumer, messages, handle, set_aside)
    consumer.commit_async()


def accept_before(consumer, messages, handle, set_aside):
    for message in messages:
        consumer.acknowledge(message, AcknowledgeType.ACCEPT)
    consumer.commit_sync()
    for message in messages:
        try:
            handle(message.value())
        except BlockingIOError:
            pass
        except Exception:
            set_aside(message.value())


def settle_what_is_foreseen(error):
    """Other exceptions end it."""

    def settle(consumer, messages, handle, set_aside):
        def handle_or_fail(value):
            try:
                handle(value)
            except (BlockingIOError, error):
                raise
            except Exception as other:
                raise SystemExit from other

        settle_with()(consumer, messages, handle_or_fail, set_aside)

    return settle


def any_os_error_is_busy(consumer, messages, handle, set_aside):
    def handle_or_wait(value):
        try:
            handle(value)
        except OSError:
            raise BlockingIOError from None

    settle_with()(consumer, messages, handle_or_wait, set_aside)


def reject_first(consumer, messages, handle, set_aside):
    """Its last word comes before the order is anywhere else."""
    rejected = []
    settle_with()(consumer, messages, handle, rejected.append)
    for value in rejected:
        set_aside(value)


def set_aside_twice(consumer, messages, handle, set_aside):
    def twice(value):
        set_aside(value), set_aside(value)

    settle_with()(consumer, messages, handle, twice)


ANSWERS = {
    "4.12": Answers(
        right={
            "reference": settle_with(),
            "words": settle_by_words,
            "one by one": settle_one_by_one,
            "asynchronously": settle_asynchronously,
            "by default": settle_by_default,
            "by place": settle_by_place(settle_with()),
        },
        wrong={
            "bad values only": ("ended_process", settle_what_is_foreseen(ValueError)),
            "any OSError is busy": ("wrong_count", any_os_error_is_busy),
            "the word first": ("word_before_aside", reject_first),
            "the word first, by place": ("word_before_aside", settle_by_place(reject_first)),
            "never commits, by place": (
                "not_committed",
                settle_by_place(settle_with(commit=False)),
            ),
            "busy is poison": ("aside_too_soon", settle_with(release=False)),
            "gives up early": ("wrong_count", settle_with(limit=4)),
            "gives up late": ("lost", settle_with(limit=6)),
            "in memory": ("lost", settle_by_memory()),
            "never sets aside": ("lost", settle_with(aside=False)),
            "poison comes again": ("lost", settle_with(poison="RELEASE")),
            "accepts first": ("lost", accept_before),
            "aside twice": ("not_aside", set_aside_twice),
            "never commits": ("not_committed", settle_with(commit=False)),
            "accepts what it set aside": ("wrong_word", settle_with(last="ACCEPT")),
            "only the first": ("not_settled", settle_with(forget=True)),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
