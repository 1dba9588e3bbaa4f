"""A producer in Python, with its client's own defaults, that sends 100 orders when it is let go on.

It sends order 0 and stops itself. Let go on, it sends 1 to 100, prints "acknowledged ORDER TIME" for each
that is stored as far as the client knows, and "done" when there is an answer to all.

By hand, in the course's folder; `kill -CONT` lets it go on:
    .venv/bin/python notebooks/programs/frozen_broker_producer.py librdkafka SERVERS TOPIC
"""

import argparse
import signal

import confluent_kafka
import kafka

from helpers.programs import Signalled, pause, say

NUMBERS = [str(number).encode() for number in range(1, 101)]


def stop():
    """Stop all threads of this process until it is let go on (SIGCONT)."""
    resumed = Signalled(signal.SIGCONT)
    pause()
    resumed.wait()  # this thread may get on for a moment before all are stopped


def kafka_python(servers, topic):
    """Each `send` gives a promise, which is fulfilled or broken."""
    producer = kafka.KafkaProducer(bootstrap_servers=servers)
    producer.send(topic, b"0").get(timeout=20)
    stop()
    promises = [(number, producer.send(topic, number)) for number in NUMBERS]
    for number, promise in promises:
        promise.get(timeout=100)
        say("acknowledged", number.decode())


def librdkafka(servers, topic):
    """For each order it calls a function, with an error or with none."""
    producer = confluent_kafka.Producer({"bootstrap.servers": servers})
    producer.produce(topic, b"0")
    producer.flush(20)

    def answered(error, record):
        if error is None:
            say("acknowledged", record.value().decode())

    stop()
    for number in NUMBERS:
        producer.produce(topic, number, on_delivery=answered)
    if producer.flush(100):
        raise TimeoutError("no answer to some")


CLIENTS = {"kafka-python": kafka_python, "librdkafka": librdkafka}


def main():
    """Send, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("servers")
    parser.add_argument("topic")
    args = parser.parse_args()
    CLIENTS[args.client](args.servers, args.topic)
    print("done", flush=True)


if __name__ == "__main__":
    main()
