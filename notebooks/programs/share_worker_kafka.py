"""A worker of a Kafka share group: it takes records, and says one word about what it took.

It prints "took ORDER COUNT" for each record, COUNT being how often it was delivered so far, and then
"accepted", "released" or "rejected", or the name of the error with which the broker refused the word.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/share_worker_kafka.py TOPIC GROUP
"""

import argparse
import signal

from confluent_kafka import AcknowledgeType, ShareConsumer

from helpers import up

SAID = {"ACCEPT": "accepted", "RELEASE": "released", "REJECT": "rejected"}


def settle(consumer, messages, word):
    """Say the word about each message, and wait for what the broker thinks of it."""
    for message in messages:
        consumer.acknowledge(message, getattr(AcknowledgeType, word))
    answers = (consumer.commit_sync(timeout=10) or {}).values()
    errors = sorted({answer.args[0].name() for answer in answers if answer})
    print(*(errors or [SAID[word]]), flush=True)


def main():
    """Take and settle until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--say", choices=SAID, default="ACCEPT", help="the word about each record")
    parser.add_argument(
        "--pause", action="store_true", help="be busy with what is in hand until SIGCONT"
    )
    args = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])  # it is waited for, by name
    consumer = ShareConsumer(
        {
            "bootstrap.servers": up("kafka", quiet=True).kafka["bootstrap_servers"],
            "group.id": args.group,
            "share.acknowledgement.mode": "explicit",
        }
    )
    consumer.subscribe([args.topic])
    while True:
        messages = list(consumer.poll(timeout=0.2))
        for message in messages:
            print("took", int(message.value()), message.delivery_count(), flush=True)
        if messages and args.pause:
            print("busy", flush=True)
            signal.sigwait([signal.SIGCONT])  # until somebody says "go on", or kills us
        if messages:
            settle(consumer, messages, args.say)


if __name__ == "__main__":
    main()
