"""The grader of the lab on Google Pub/Sub tells right answers from wrong ones."""

from concurrent.futures import wait

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("pubsub")


def publish_with(
    key=lambda customer, _order: customer, change=list, wait_for=list, swallow=False, times=1
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def publish_all(publisher, topic, orders):
        promises = [
            publisher.publish(topic, order.encode(), ordering_key=key(customer, order))
            for customer, order in change(orders)
            for _ in range(times)
        ]
        try:
            for promise in wait_for(promises):
                promise.result(timeout=20)
        except Exception:
            if not swallow:
                raise

    return publish_all


def one_after_the_other(publisher, topic, orders):
    """Right too, and slow."""
    for customer, order in orders:
        publisher.publish(topic, order.encode(), ordering_key=customer).result(timeout=20)


def all_at_the_end(publisher, topic, orders):
    """Right too: waits for all of them together."""
    promises = [publisher.publish(topic, o.encode(), ordering_key=f"of {c}") for c, o in orders]
    for promise in wait(promises, timeout=20).done:
        promise.result()


ANSWERS = {
    "3.7": Answers(
        right={
            "reference": publish_with(),
            "one after the other": one_after_the_other,
            "all at the end": all_at_the_end,
        },
        wrong={
            "no key": ("not_in_order", publish_with(key=lambda *_: "")),
            "a key for each order": ("not_in_order", publish_with(key=lambda _, order: order)),
            "one key for all": ("waits", publish_with(key=lambda *_: "orders")),
            "not waited for": ("not_stored", publish_with(wait_for=lambda _: [])),
            "the last one waited for": ("swallowed", publish_with(wait_for=lambda all_: all_[-1:])),
            "swallowed": ("swallowed", publish_with(swallow=True)),
            "backwards": ("not_in_order", publish_with(change=lambda all_: all_[::-1])),
            "all but the last": ("lost", publish_with(change=lambda all_: all_[:-1])),
            "twice": ("not_in_order", publish_with(times=2)),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
