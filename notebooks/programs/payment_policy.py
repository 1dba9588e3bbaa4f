"""A payment service with a policy for events that it can't handle: go-on, stop, or set-aside.

It prints "paid ORDER", "passed-over ERROR" or "set-aside ERROR" for each event, and commits its
offset after each.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/payment_policy.py TOPIC GROUP DEAD_LETTERS set-aside
"""

import argparse
import json
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer

from helpers import up

calls = Counter()


def charge(value):
    """Charge an order. The bank doesn't answer the first two times that order 3 is tried."""
    data = json.loads(value)
    order, cents = data["order"], data["cents"]
    calls[order] += 1
    if order == 3 and calls[order] < 3:
        raise ConnectionError("the bank does not answer")
    print("paid", order, f"{cents} cents", flush=True)


def go_on(record, set_aside):
    """Log the error, and take the next one."""
    try:
        charge(record.value)
    except Exception as error:
        print("passed-over", type(error).__name__, flush=True)


def stop(record, set_aside):
    """Let the error end the program."""
    charge(record.value)


def retry_then_set_aside(record, set_aside):
    """Try again what may pass; set aside what won't, or didn't."""
    problem = None
    for _attempt in range(3):
        try:
            return charge(record.value)
        except ConnectionError as error:  # this may pass
            problem = error
        except Exception as error:  # this won't
            problem = error
            break
    set_aside(record, problem)
    print("set-aside", type(problem).__name__, flush=True)
    return None


POLICIES = {"go-on": go_on, "stop": stop, "set-aside": retry_then_set_aside}


def main():
    """Handle events until somebody ends us, or an error does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("topic", "group", "dead_letters"):
        parser.add_argument(name)
    parser.add_argument("policy", choices=POLICIES)
    args = parser.parse_args()

    kafka = up("kafka", quiet=True).kafka
    producer = KafkaProducer(**kafka, acks="all")

    def set_aside(record, error):
        """As it came, with the error's name; the broker has it when this returns."""
        headers = [*record.headers, ("error", type(error).__name__.encode())]
        as_it_came = {"key": record.key, "headers": headers}
        producer.send(args.dead_letters, record.value, **as_it_came).get(timeout=20)

    options = {"group_id": args.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with KafkaConsumer(args.topic, **options, **kafka, consumer_timeout_ms=200) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while True:
            for record in consumer:
                POLICIES[args.policy](record, set_aside)
                consumer.commit()


if __name__ == "__main__":
    main()
