"""Graders of the lab on queues in the cloud, on a local server of their own."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from ..extras import need
from ..extras import sqs as local
from .answers import BUSY, Wrong, ask
from .grading import grader
from .lives import KILLED, die, live

Handle = Callable[[str], None]
Keep = Callable[[Any, str, dict[str, Any], Handle], None]
SendBack = Callable[[Any, str, str, Callable[[str], bool]], None]
HIDES = 2  # seconds, of the queue of 3.5
DEAD_HIDES = 30  # seconds, of the dead letters of 3.6
FEWER = 7  # messages that a receive brings at most in 3.6
EFFECTS = ("send_message", "delete_message")  # and those that do the same to a batch


class _Failed(Exception):  # noqa: N818 (a learner reads it in a message)
    """What a handler raises."""


# -- 3.5: keep it for as long as you work on it --------------------------------------------------


@grader("3.5")
def kept(answer: Keep, data: Random) -> str:
    """A slow order, one that can't be handled, and one whose worker dies."""
    need("sqs")
    with local.Server() as server:
        _slow(answer, server, str(data.randint(100, 999)), data.uniform(6.0, 7.0))
        _failing(answer, server, str(data.randint(100, 999)), data.uniform(0.2, 0.6))
        _dying(answer, server, str(data.randint(100, 999)))
    return "kept while it was worked on, given back on failure, and free again after a death."


def _slow(answer: Keep, server: local.Server, body: str, seconds: float) -> None:
    sqs, queue, message = _received(server, "slow", body)
    handled: list[str] = []

    def handle(order: str) -> None:
        handled.append(order)
        time.sleep(seconds)

    with _watching(server, queue) as seen:
        ask(answer, sqs, queue, message, handle)
    if handled != [body]:
        raise Wrong(
            "not_handled_once",
            f"handle was called with {handled}, expected once with {body!r}.",
            'Call handle(message["Body"]) once.',
        )
    if seen:
        raise Wrong(
            "shared",
            f"handle took {seconds:.1f} s; after {seen[0]:.1f} s somebody else received the message.",
            "Who extends once has gained once: do it again and again, until handle is done.",
        )
    if _left(sqs, queue):
        raise Wrong(
            "not_deleted",
            "handle has returned, and the message is still in the queue.",
            "What is done is deleted, after the work.",
        )


def _failing(answer: Keep, server: local.Server, body: str, seconds: float) -> None:
    sqs, queue, message = _received(server, "failing", body)

    def handle(_order: str) -> None:
        time.sleep(seconds)
        raise _Failed(body)

    said = ask(answer, sqs, queue, message, handle, may_raise=(_Failed,))
    if not isinstance(said, _Failed):
        raise Wrong(
            "swallowed",
            "handle raised an exception, and your function did not.",
            "Your caller is to know that it failed: let the exception out.",
        )
    if not (back := _comes(sqs, queue, within=0.7, hide=1)):
        where = "gone" if not _left(sqs, queue) else "still hidden"
        raise Wrong(
            "not_given_back",
            f"handle raised an exception, and the message is {where}: nobody can receive it.",
            "A time-out of 0 seconds shows it at once; and what has failed is not deleted.",
        )
    if back["MessageId"] != message["MessageId"]:
        raise Wrong(
            "copied",
            f"handle raised an exception, and what can be received is {back['MessageId']}, not "
            f"{message['MessageId']}.",
            "Show the message itself. Nobody knows of a copy how often it has failed already.",
        )
    if not _comes(sqs, queue, within=1 + BUSY):
        raise Wrong(
            "not_left_alone",
            "your function had raised, and the message that somebody else received afterwards, for "
            "one second, was hidden for longer.",
            "End what extends the time-out before you return, and wait for its end.",
        )


def _dying(answer: Keep, server: local.Server, body: str) -> None:
    sqs, queue, message = _received(server, "dying", body)

    def handle(_order: str) -> None:
        time.sleep(1.0)
        die()

    found = live(answer, lambda: answer(_client(server), queue, message, handle))
    if found is not KILLED:
        raise Wrong("not_handled", "handle was not called.", "Call handle(message['Body']).")
    if not _comes(sqs, queue, within=3 + BUSY):
        where = "gone" if not _left(sqs, queue) else "hidden"
        raise Wrong(
            "held_by_the_dead",
            f"the worker died in handle; {3 + BUSY:g} s later the message was still {where}.",
            "Hide it for two seconds at a time, as the queue does, and delete it after the work.",
        )


def _client(server: local.Server) -> Any:
    import boto3

    return boto3.client("sqs", **server.options)


def _received(server: local.Server, name: str, body: str) -> tuple[Any, str, dict[str, Any]]:
    """A client, a queue, and its one message, which the client has just received."""
    sqs = _client(server)
    queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(HIDES)})
    place = {"QueueUrl": queue["QueueUrl"]}
    sqs.send_message(**place, MessageBody=body)
    [message] = sqs.receive_message(**place)["Messages"]
    return sqs, queue["QueueUrl"], message


@contextmanager
def _watching(server: local.Server, queue: str) -> Iterator[list[float]]:
    """Somebody else tries to receive from the queue; the list says after how many seconds it did."""
    sqs, seen, over, begun = _client(server), [], threading.Event(), time.monotonic()

    def watch() -> None:
        while not over.wait(0.1):
            if sqs.receive_message(QueueUrl=queue).get("Messages"):
                seen.append(time.monotonic() - begun)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _comes(sqs: Any, queue: str, within: float, hide: int = HIDES) -> dict[str, Any] | None:
    """The message that can be received within so many seconds, if one can."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        place = {"QueueUrl": queue, "VisibilityTimeout": hide}
        for message in sqs.receive_message(**place).get("Messages", []):
            return message
        time.sleep(0.05)
    return None


def _left(sqs: Any, queue: str) -> int:
    """How many messages are in a queue, hidden or not."""
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return sum(int(found["ApproximateNumberOfMessages" + rest]) for rest in ("", "NotVisible"))


# -- 3.6: send the good ones back ----------------------------------------------------------------


class _Client:
    """A client of SQS that notes each receipt, and dies after so many calls that change something.

    A receive of many messages brings fewer, as it often does in the cloud: they lie on many machines. One
    that doesn't wait asks only some of these: every third brings nothing."""

    def __init__(self, sqs: Any, receipts: Path, dies_after: int = 0) -> None:
        self._sqs = sqs
        self._receipts = receipts
        self._left = dies_after
        self._at_once = 0  # receives that didn't wait

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sqs, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if options.get("MaxNumberOfMessages", 1) > FEWER:
                options["MaxNumberOfMessages"] = FEWER
            if name == "receive_message" and not options.get("WaitTimeSeconds"):
                self._at_once += 1
                if self._at_once % 3 == 0:
                    return {}
            said = found(*arguments, **options)
            if name == "receive_message":
                with self._receipts.open("a") as file:
                    file.writelines(f"{m['ReceiptHandle']}\n" for m in said.get("Messages", []))
            if name.removesuffix("_batch") in EFFECTS:
                self._left -= 1
                if self._left == 0:
                    die()
            return said

        return call


@grader("3.6")
def sent_back(answer: SendBack, data: Random) -> str:
    """All is well; then the function is killed after a send, and after a delete."""
    need("sqs")
    with local.Server() as server, tempfile.TemporaryDirectory() as folder:
        receipts = Path(folder) / "receipts"
        for number, deaths in enumerate(([], [1, 2], [data.randint(3, 6), data.randint(4, 7)])):
            _send_back(answer, server, receipts, data, f"orders-{number}", deaths)
    return "the good ones are back, the others were left, and no death cost a message."


def _send_back(
    answer: SendBack,
    server: local.Server,
    receipts: Path,
    data: Random,
    name: str,
    deaths: list[int],
) -> None:
    sqs = _client(server)
    dead, queue = (
        sqs.create_queue(QueueName=one, Attributes={"VisibilityTimeout": str(DEAD_HIDES)})
        for one in (f"{name}-dead", name)
    )
    place = {"QueueUrl": dead["QueueUrl"]}
    good, bad = (data.randint(least, least + 6) for least in (16, 15))
    *others, last = [f"{word} {data.randint(1000, 9999)}-{n}"
                     for word, many in (("bad", bad), ("fit", good)) for n in range(many)]  # fmt: skip
    data.shuffle(others)
    bodies = [*others, last]  # a good one, which three receives of ten do not reach
    ids = {body: sqs.send_message(**place, MessageBody=body)["MessageId"] for body in bodies}

    def run(dies_after: int) -> None:
        client = _Client(_client(server), receipts, dies_after)
        answer(client, place["QueueUrl"], queue["QueueUrl"], _is_good)

    killed = 0
    for dies_after in [*deaths, 0]:
        receipts.write_text("")
        killed += live(answer, partial(run, dies_after), seconds=25) is KILLED
        if dies_after:
            for receipt in receipts.read_text().split():
                _show(sqs, place["QueueUrl"], receipt)
    _expect_sent([body for body, _ in _take(sqs, queue["QueueUrl"])], bodies, killed)
    _expect_left(_take(sqs, place["QueueUrl"]), ids, _left(sqs, place["QueueUrl"]))


def _is_good(body: str) -> bool:
    return body.startswith("fit")


def _show(sqs: Any, queue: str, receipt: str) -> None:
    """Show a message again, unless it is deleted: as if its time were over."""
    try:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    except sqs.exceptions.ReceiptHandleIsInvalid:
        return


def _take(sqs: Any, queue: str) -> list[tuple[str, str]]:
    """What can be received from a queue now: bodies, and the ids of the messages."""
    found = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [(message["Body"], message["MessageId"]) for message in batch]
    return found


def _expect_sent(found: list[str], bodies: list[str], killed: int) -> None:
    good = [body for body in bodies if _is_good(body)]
    where = f"{len(bodies)} dead letters, {len(good)} of them good, {killed} deaths"
    if wrong := sorted(set(found) - set(good)):
        raise Wrong(
            "sent_what_is_bad", f"{where}: {wrong[0]!r} was sent back.", "Send what is_good says."
        )
    if lost := sorted(set(good) - set(found)):
        raise Wrong(
            "lost" if killed else "not_sent",
            f"{where}: {len(lost)} good ones were not sent back, {lost[0]!r} for instance.",
            "A receive returns ten at most, and often fewer, though there are more, or none if it doesn't "
            "wait; and what is deleted before it is sent, a death loses.",
        )
    often = sorted(body for body, times in Counter(found).items() if times > 1)
    if len(found) - len(good) > killed:
        raise Wrong(
            "sent_often",
            f"{where}: {len(found) - len(good)} were sent too often, {often[0]!r} for instance.",
            "Delete each right after you have sent it, before you send the next one.",
        )


def _expect_left(found: list[tuple[str, str]], ids: dict[str, str], there: int) -> None:
    bad = [body for body in ids if not _is_good(body)]
    bodies = {body for body, _ in found}
    if there < len(bad):
        raise Wrong(
            "bad_are_gone",
            f"{len(bad)} bad ones should be left, and {there} are.",
            "Delete only what you have sent back.",
        )
    if good := sorted(bodies - set(bad)):
        raise Wrong(
            "good_are_left", f"{good[0]!r} was sent back, and is still there.", "Delete it then."
        )
    if missing := sorted(set(bad) - bodies):
        raise Wrong(
            "bad_are_hidden",
            f"{len(missing)} bad ones are hidden from others, {missing[0]!r} for instance.",
            "Give them back when you are through: a time-out of 0 seconds shows them at once.",
        )
    if there > len(bad):
        raise Wrong("good_are_left", "More is left than was bad.", "Delete what you sent back.")
    if copies := [body for body, number in found if number != ids[body]]:
        raise Wrong(
            "bad_are_copies",
            f"{len(copies)} bad ones are gone, and copies of them are left, {copies[0]!r} for "
            "instance, with another MessageId.",
            "Let the bad ones stay as they are, and show them again by a time-out of 0 seconds.",
        )
