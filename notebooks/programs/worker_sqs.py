"""A worker at an SQS queue: it receives orders, handles each, and then deletes it.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.
"""

import argparse
import contextlib
import os
import signal
import threading

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from helpers.extras import sqs as local
from helpers.programs import Signalled, asked_to_end, pause, say

bank = Signalled(signal.SIGCONT)  # what a slow order waits for: `Program.resume` sends it


def work(args, sqs):
    """Receive a batch of orders, and handle one after the other."""
    batch = sqs.receive_message(
        QueueUrl=args.queue, MaxNumberOfMessages=args.at_once, WaitTimeSeconds=1
    ).get("Messages", [])
    if args.delete_first:
        delete(args, sqs, batch)
    done = []
    for message in batch:
        with hiding(args, sqs, message):
            handle(args, int(message["Body"]))
        done.append(message)
        if len(done) == args.delete_every:
            delete(args, sqs, done)
            done = []
    delete(args, sqs, done)
    if not batch:
        print("nothing")


def delete(args, sqs, messages):
    """Tell the queue that these are done."""
    entries = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
    if entries:
        answer = sqs.delete_message_batch(QueueUrl=args.queue, Entries=entries)
        for failed in answer.get("Failed", []):  # it comes again
            print("not deleted", failed["Code"])


def handle(args, order):
    """The work itself: here it prints the order's number."""
    if order == args.dies_of:
        os.kill(os.getpid(), signal.SIGKILL)
    if order == args.slow:
        say("waits", order)
        bank.wait()
    if order == args.pause_at:
        pause()
    say("handled", order)
    if order == args.pause_after:
        pause()


@contextlib.contextmanager
def hiding(args, sqs, message):
    """As long as an order is being handled, hide it from others again and again."""
    over = threading.Event()

    def keep_hiding():
        while not over.wait(args.extend / 5):
            with contextlib.suppress(ClientError, BotoCoreError):  # the next try comes soon enough
                sqs.change_message_visibility(
                    QueueUrl=args.queue,
                    ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=args.extend,  # seconds from now
                )

    helper = threading.Thread(target=keep_hiding)
    if args.extend:
        helper.start()
    try:
        yield
    finally:
        over.set()
        if args.extend:
            helper.join()


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", help="its address")
    parser.add_argument("queue", help="its address")
    parser.add_argument("--at-once", type=int, default=10, help="orders in a batch at most")
    parser.add_argument("--delete-first", action="store_true", help="before the work")
    parser.add_argument("--delete-every", type=int, default=1, help="every third order: 3")
    parser.add_argument("--extend", type=int, default=0, help="hide for so many seconds more")
    parser.add_argument("--slow", type=int, help="an order that waits for the bank")
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    parser.add_argument("--pause-after", type=int, help="stand still between effect and delete")
    parser.add_argument("--dies-of", type=int, help="an order that kills who handles it")
    args = parser.parse_args()

    leaving = asked_to_end()
    sqs = boto3.client("sqs", **local.options(args.server))
    while not leaving.is_set():
        work(args, sqs)


if __name__ == "__main__":
    main()
