"""The graders of the lab on queues in the cloud tell right answers from wrong ones."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("sqs")


def keep_with(
    every=0.4, to=2, first=None, delete="after", back=True, out=True, end=True, on_failure=False,
    copy=False,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def keep_and_handle(sqs, queue, message, handle):
        place = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
        over = threading.Event()

        def keep():
            while not over.wait(every):
                with suppress(sqs.exceptions.ClientError):
                    sqs.change_message_visibility(**place, VisibilityTimeout=to)

        if first is not None:
            sqs.change_message_visibility(**place, VisibilityTimeout=first)
        if delete == "before":
            sqs.delete_message(**place)
        helper = threading.Thread(target=keep, daemon=True)
        if every:
            helper.start()
        try:
            handle(message["Body"])
        except Exception:
            if end and every:
                over.set()
                helper.join()
            if back and delete != "before":
                sqs.change_message_visibility(**place, VisibilityTimeout=0)
            if copy:
                sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            if on_failure or copy:
                sqs.delete_message(**place)
            if out:
                raise
            return
        if end and every:
            over.set()
            helper.join()
        if delete == "after":
            sqs.delete_message(**place)

    return keep_and_handle


def keep_in_a_pool(sqs, queue, message, handle):
    """Right too: the work is done in another thread, and this one extends."""
    place = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(handle, message["Body"])
        while True:
            with suppress(TimeoutError):
                error = work.exception(timeout=0.5)
                break
            sqs.change_message_visibility(**place, VisibilityTimeout=2)
    if error:
        sqs.change_message_visibility(**place, VisibilityTimeout=0)
        raise error
    sqs.delete_message(**place)


@contextmanager
def timers(sqs, place):
    timer = None
    lock, over = threading.Lock(), False

    def extend():
        nonlocal timer
        with lock:
            if over:
                return
            sqs.change_message_visibility(**place, VisibilityTimeout=2)
            timer = threading.Timer(0.6, extend)
            timer.start()

    extend()
    try:
        yield
    finally:
        with lock:
            over = True
            timer.cancel()


def keep_by_timers(sqs, queue, message, handle):
    """Right too: a timer that starts the next one."""
    place = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
    try:
        with timers(sqs, place):
            handle(message["Body"])
    except BaseException:
        sqs.change_message_visibility(**place, VisibilityTimeout=0)
        raise
    sqs.delete_message(**place)


def handle_twice(sqs, queue, message, handle):
    handle(message["Body"])
    keep_with()(sqs, queue, message, handle)


def handle_never(sqs, queue, message, handle):
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def send_back_with(
    receives=99, show=True, first="send", what=None, delete=True, batches=False, at_the_end=False,
    wait=1,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def send_back(sqs, dead, queue, is_good):
        stay, sent = [], []
        receive = {"QueueUrl": dead, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait}
        for _ in range(receives):
            if not (found := sqs.receive_message(**receive).get("Messages")):
                break
            good = [m for m in found if (what or is_good)(m["Body"])]
            stay += [m for m in found if m not in good]
            if batches and good:
                entries = [{"Id": str(n), "MessageBody": m["Body"]} for n, m in enumerate(good)]
                sqs.send_message_batch(QueueUrl=queue, Entries=entries)
            for message in good:
                place = {"QueueUrl": dead, "ReceiptHandle": message["ReceiptHandle"]}
                if first == "delete":
                    sqs.delete_message(**place)
                if not batches:
                    sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
                if first == "send" and delete and not at_the_end:
                    sqs.delete_message(**place)
                sent.append(place)
        if at_the_end:
            for place in sent:
                sqs.delete_message(**place)
        for message in stay:
            place = {"QueueUrl": dead, "ReceiptHandle": message["ReceiptHandle"]}
            if show == "copied":
                sqs.send_message(QueueUrl=dead, MessageBody=message["Body"])
            if show in ("deleted", "copied"):
                sqs.delete_message(**place)
            elif show:
                sqs.change_message_visibility(**place, VisibilityTimeout=0)

    return send_back


def send_back_one_by_one(sqs, dead, queue, is_good):
    """Right too: one message at a time."""
    stay = []
    while found := sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages"):
        [message] = found
        if is_good(message["Body"]):
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        else:
            stay.append(message["ReceiptHandle"])
    for n, receipt in enumerate(stay):
        entry = {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
        sqs.change_message_visibility_batch(QueueUrl=dead, Entries=[entry])


def send_back_all_seen_first(sqs, dead, queue, is_good):
    """Right too: it takes all, and then decides."""
    receive, found = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 60, "WaitTimeSeconds": 1}, []
    while batch := sqs.receive_message(QueueUrl=dead, **receive).get("Messages", []):
        found.extend(batch)
    for message in found:
        place = {"QueueUrl": dead, "ReceiptHandle": message["ReceiptHandle"]}
        if not is_good(message["Body"]):
            sqs.change_message_visibility(**place, VisibilityTimeout=0)
            continue
        entry = {"Id": "1", "MessageBody": message["Body"]}
        sqs.send_message_batch(QueueUrl=queue, Entries=[entry])
        entries = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
        sqs.delete_message_batch(QueueUrl=dead, Entries=entries)


def send_back_until_few_come(sqs, dead, queue, is_good):
    """Takes a receive of fewer than ten for the last one."""
    stay, found = [], range(10)
    while len(found) == 10:
        many = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        found = sqs.receive_message(QueueUrl=dead, **many).get("Messages", [])
        for message in found:
            place = {"QueueUrl": dead, "ReceiptHandle": message["ReceiptHandle"]}
            if is_good(message["Body"]):
                sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
                sqs.delete_message(**place)
            else:
                stay.append(place)
    for place in stay:
        sqs.change_message_visibility(**place, VisibilityTimeout=0)


def send_back_in_circles(sqs, dead, queue, is_good):
    """It shows the bad ones at once, and receives them again for ever."""
    while found := sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages"):
        [message] = found
        place = {"QueueUrl": dead, "ReceiptHandle": message["ReceiptHandle"]}
        if is_good(message["Body"]):
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(**place)
        else:
            sqs.change_message_visibility(**place, VisibilityTimeout=0)


ANSWERS = {
    "3.5": Answers(
        right={"reference": keep_with(), "in a pool": keep_in_a_pool, "timers": keep_by_timers},
        wrong={
            "no extension": ("shared", keep_with(every=0)),
            "extended once": ("shared", keep_with(every=0, first=3)),
            "extended once, by five seconds": ("shared", keep_with(every=0, first=5)),
            "extended too late": ("shared", keep_with(every=2.5)),
            "deleted first": ("not_given_back", keep_with(delete="before")),
            "never deleted": ("not_deleted", keep_with(delete="never")),
            "hidden for an hour": ("held_by_the_dead", keep_with(every=0, first=3600)),
            "extended by an hour": ("held_by_the_dead", keep_with(to=3600)),
            "not given back": ("not_given_back", keep_with(back=False)),
            "deleted on failure": ("not_given_back", keep_with(on_failure=True)),
            "given back as a copy": ("copied", keep_with(back=False, copy=True)),
            "swallowed": ("swallowed", keep_with(out=False)),
            "never ends to extend": ("not_left_alone", keep_with(end=False, every=1.0)),
            "handled twice": ("not_handled_once", handle_twice),
            "not handled": ("not_handled_once", handle_never),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
    "3.6": Answers(
        right={
            "reference": send_back_with(),
            "one by one": send_back_one_by_one,
            "all seen first": send_back_all_seen_first,
        },
        wrong={
            "ten of them": ("not_sent", send_back_with(receives=1)),
            "thirty of them": ("not_sent", send_back_with(receives=3)),
            "does not wait": ("not_sent", send_back_with(wait=0)),
            "until few come": ("not_sent", send_back_until_few_come),
            "deleted first": ("lost", send_back_with(first="delete")),
            "in batches": ("sent_often", send_back_with(batches=True)),
            "deleted at the end": ("sent_often", send_back_with(at_the_end=True)),
            "not deleted": ("good_are_left", send_back_with(delete=False)),
            "all of them": ("sent_what_is_bad", send_back_with(what=bool)),
            "left hidden": ("bad_are_hidden", send_back_with(show=False)),
            "bad ones deleted": ("bad_are_gone", send_back_with(show="deleted")),
            "bad ones copied": ("bad_are_copies", send_back_with(show="copied")),
            "in circles": ("no_deadline", send_back_in_circles),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
