"""The grader of the lab on message-oriented middleware tells right answers from wrong ones."""

import threading
import time

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("artemis")
HEADERS = {"persistent": "true"}


def leave_all_with(
    transaction=True, headers=HEADERS, wait=True, close=True, change=list, destination="/queue/{}",
    swallow=False, commit_on_error=False, wrap=False, length=False,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def leave_all(broker, queue, orders):
        import stomp

        confirmed = threading.Event()

        class Listener(stomp.ConnectionListener):
            def on_receipt(self, frame):
                confirmed.set()

        connection = stomp.Connection12([broker.stomp], auto_content_length=length)
        connection.set_listener("", Listener())
        connection.connect(wait=True)
        in_it = {"transaction": connection.begin()} if transaction else {}
        try:
            for order in change(orders) if change else orders:
                connection.send(destination.format(queue), order, **headers, **in_it)
            if transaction:
                connection.commit(in_it["transaction"], receipt="all")
            else:
                connection.send("/queue/receipts", "", receipt="all")
            if wait and not confirmed.wait(10):
                raise TimeoutError
        except TimeoutError:
            raise
        except Exception as error:
            if commit_on_error:
                connection.commit(in_it["transaction"])
            if wrap:
                raise RuntimeError("trouble") from error
            if not swallow:
                raise
        finally:
            if close:
                connection.disconnect()

    return leave_all


def read_first(broker, queue, orders):
    """Right too: has all of them before it sends the first."""
    return leave_all_with()(broker, queue, iter(list(orders)))


def lazily(broker, queue, orders):
    """Right too: takes them by a generator of its own."""
    return leave_all_with(change=lambda given: (order for order in given))(broker, queue, orders)


def and_sleep(broker, queue, orders):
    """Waits for two seconds, not for the receipt."""
    leave_all_with(wait=False)(broker, queue, orders)
    time.sleep(2)


ANSWERS = {
    "1.4": Answers(
        right={
            "reference": leave_all_with(change=None),
            "read first": read_first,
            "lazy": lazily,
            "with a length": leave_all_with(length=True),
        },
        wrong={
            "no transaction": (
                "not_all_or_nothing",
                leave_all_with(transaction=False, change=None),
            ),
            "no transaction, read first": (
                "not_all_or_nothing",
                leave_all_with(transaction=False),
            ),
            "commits what it has": (
                "not_all_or_nothing",
                leave_all_with(commit_on_error=True, change=None),
            ),
            "not persistent": ("lost", leave_all_with(headers={})),
            "persistent: false": ("lost", leave_all_with(headers={"persistent": "false"})),
            "no receipt": ("not_confirmed", leave_all_with(wait=False)),
            "a sleep": ("not_confirmed", and_sleep),
            "swallows": ("swallowed", leave_all_with(swallow=True)),
            "another exception": ("swallowed", leave_all_with(wrap=True)),
            "left open": ("left_open", leave_all_with(close=False)),
            "sorted backwards": (
                "not_in_order",
                leave_all_with(change=lambda all_: list(all_)[::-1]),
            ),
            "all but the last": ("lost", leave_all_with(change=lambda all_: list(all_)[:-1])),
            "twice": ("not_in_order", leave_all_with(change=lambda all_: 2 * list(all_))),
            "all in one": ("other_messages", leave_all_with(change=lambda all_: ["\n".join(all_)])),
            "always one queue": ("wrong_queue", leave_all_with(destination="/queue/orders")),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
