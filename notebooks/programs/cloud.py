"""Queues in the cloud: what a program asks SQS for, and the crash that is repeated on three brokers."""

from functools import partial

from helpers import Ledger, Program, clients, wait_until

WAITING, HIDDEN = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


def new_queue(sqs, name, seconds, **more):
    """A queue that hides a message for so many seconds from when it is received."""
    attributes = {"VisibilityTimeout": str(seconds), **more}
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def arn(sqs, queue):
    """What Amazon's other services call it."""
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]


def send(sqs, queue, orders, ledger):
    """Send orders, each accepted before the next."""
    for order in orders:
        ledger.attempt(order)
        sqs.send_message(QueueUrl=queue, MessageBody=str(order))
        ledger.acknowledge(order)  # no error: SQS has it


def left(sqs, queue):
    """How many messages wait in a queue, and how many are hidden."""
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[WAITING, HIDDEN])["Attributes"]
    return int(found[WAITING]), int(found[HIDDEN])


def wait_until_empty(sqs, queue):
    """Until nothing waits in a queue, and nothing is in anybody's hands."""
    wait_until(lambda: left(sqs, queue) == (0, 0), "an empty queue", timeout=60)


def take(sqs, queue):
    """Receive and delete, until nothing is handed out: the numbers of the orders, as they came."""
    numbers = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            numbers.append(int(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return numbers


def start_again_and_again(worker, sqs, queue):
    """Start a worker whenever it has died, until its queue is empty."""
    empty = lambda: left(sqs, queue) == (0, 0)  # noqa: E731
    while not empty():
        wait_until(lambda: empty() or not worker.running(), "the worker to die, or to be done")
        wait_until(lambda: left(sqs, queue)[1] == 0, "what it had in hand to be seen again")
        worker.start()  # does nothing if it runs
    worker.stop()


def wait_in_vain(worker, times):
    """Wait until a worker has been handed nothing so many times."""
    in_vain = lambda: worker.lines().count("nothing") >= times  # noqa: E731
    wait_until(in_vain, f"{worker.name} to ask in vain", timeout=60)


def crash(title, send_all, program, options, wait=None):
    """Worker 1 is killed in the middle of order 6 of 12; then worker 2 takes over.

    Args:
        send_all: takes the orders, and the ledger in which to note them.
        program: the worker's file and its arguments.
        options: more arguments, for worker 1.
        wait: waits until all is over; else until each order was handled.
    """
    ledger = Ledger(title)
    send_all(range(1, 13), ledger)
    first = Program(*program, *options, "--pause-at", 6)
    first.wait_for("paused")
    first.kill()
    workers = {"worker-1 (killed)": first, "worker-2": Program(*program)}
    if wait is None:
        clients.wait_for_handled(workers, 12)
    else:
        wait()
    workers["worker-2"].stop()
    ledger.read_from(workers)
    ledger.finish("nothing more can come, and no worker runs")
    return ledger


def crash_on_sqs(title, sqs, server, options):
    """The same at a new queue of SQS, which hides a message for three seconds."""
    queue = new_queue(sqs, title.replace(", ", "-").replace(" ", "-"), 3)
    program = ["worker_sqs.py", server.url, queue]
    wait = partial(wait_until_empty, sqs, queue)
    return crash(title, partial(send, sqs, queue), program, options, wait)
