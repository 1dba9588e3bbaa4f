"""The labs on retries: topics with changes of address, and address books that read them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pika.adapters.blocking_connection import BlockingChannel

from helpers import Program, clients, fresh, wait_until
from helpers.brokers import Brokers

CHANGES = [f"{name} {number}" for number in range(1, 6) for name in ("ada", "ben", "cleo", "dan")]
POISONED = [change if change != "ben 2" else "ben" for change in CHANGES]


def send_changes(brokers: Brokers, changes: Sequence[str] = CHANGES) -> tuple[str, str]:
    """A new topic with these changes, keyed by customer, and one for what is set aside."""
    topic, aside = fresh("changes"), fresh("aside")
    clients.make_topic(brokers, topic)
    clients.make_topic(brokers, aside)
    clients.send(brokers, topic, changes, key=lambda change: change.split()[0])
    return topic, aside


def wait_until_read(brokers: Brokers, topic: str, group: str) -> None:
    """Wait until a group has committed all of a topic."""
    wait_until(lambda: clients.lag(brokers, topic, group) == 0, f"{group} to be done", 90)


def wait_for_failures(book: Program, number: int) -> None:
    """Wait until a book has tried so often in vain."""
    wait_until(lambda: failures(book) >= number, f"{number} failures", 90)


def wait_for_ready(channel: BlockingChannel, number: int, *queues: str) -> None:
    """Wait until so many changes are ready in these queues together."""
    ready = lambda: sum(clients.ready(channel, queue) for queue in queues)  # noqa: E731
    wait_until(lambda: ready() == number, f"{number} changes to be ready", 90)


def failures(*books: Program) -> int:
    """How many tries were in vain."""
    return sum(line.startswith("failed") for book in books for line in book.lines())


def noted(*books: Program) -> list[str]:
    """What the books have noted, in the order of time."""
    return [change for _, change in sorted(pair for book in books for pair in book.handled())]


def doubled(*books: Program) -> int:
    """How many notes were of a change that had been noted before."""
    return len(changes := noted(*books)) - len(set(changes))


def climb(brokers: Brokers, topic: str, dead: str, trouble: Path) -> list[Program]:
    """The books of a ladder with two rungs, stopped after each change has come to its end."""
    rungs, books = [fresh("rung"), fresh("rung")], []
    for rung in rungs:
        clients.make_topic(brokers, rung)
    steps = (topic, rungs[0], 0), (rungs[0], rungs[1], 0.1), (rungs[1], dead, 0.2)
    for step, end, delay in steps:
        more = "--next", end, "--delay", delay, "--trouble", trouble
        books.append(Program("address_book.py", step, group := fresh("book"), *more))
        wait_until_read(brokers, step, group)
    for book in books:
        book.stop()
    return books


def replay(dead: str, target: str) -> None:
    """Replay dead letters; killed between the copy of `ben 2` and its commit, then to the end."""
    where = "replay_kafka.py", dead, target, fresh("replay")
    first = Program(*where, "--pause-at", "ben 2")
    first.wait_for("paused", timeout=60)
    first.kill()
    Program(*where).wait_for("done", timeout=60)


def by_retry_topic(brokers: Brokers, failing: str) -> list[int]:
    """The outcome if these changes fail, go to a retry topic, and pass there."""
    (topic, aside), group, rung = send_changes(brokers), fresh("book"), fresh("rung")
    with tempfile.TemporaryDirectory() as folder:
        (trouble := Path(folder) / "trouble").write_text(failing)
        book = Program("address_book.py", topic, group, "--next", aside, "--trouble", trouble)
        again = Program("address_book.py", aside, rung, "--trouble", trouble)
        wait_until_read(brokers, topic, group)
        trouble.write_text("")  # the register is mended
        wait_until_read(brokers, aside, rung)
        book.stop()
        again.stop()
    return outcome(noted(book), noted(again))


def outcome(before: list[str], after: list[str]) -> list[int]:
    """How many changes were noted before the register was mended, how many in the end, and how many
    customers have a wrong address then."""
    pairs = [(change[:-2], change[-1]) for change in before + after]  # "ben 2", or "ben-2"
    wrong = sum(number != "5" for number in dict(pairs).values())
    return [len(before), len(set(pairs)), wrong]
