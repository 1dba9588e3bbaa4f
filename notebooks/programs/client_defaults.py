"""What five clients of Kafka do where nobody has set anything, asked of the clients themselves."""

import ctypes
import re
import tempfile
from pathlib import Path

import confluent_kafka
import pandas
from kafka import KafkaConsumer, KafkaProducer

from helpers.brokers import kafka, process
from helpers.extras import go_clients

SETTINGS = ["acks", "idempotent", "waits (ms)", "assignors", "commits every (s)"]


def java():
    """Java's client has a program in it that prints its documentation, with the defaults."""
    found = {}
    for part in ("producer.ProducerConfig", "consumer.ConsumerConfig"):
        with tempfile.TemporaryDirectory() as folder:
            run = kafka.beside(Path(folder) / "class-path.args", "tool", "-Xlog:disable")
            page = process.output("Java", [*run, f"org.apache.kafka.clients.{part}"])
        found |= re.findall(r'<a id="([^"]+)">.*?Default:</th><td>(.*?)</td>', page, re.DOTALL)
    return [
        {"all": -1}[found["acks"]],
        found["enable.idempotence"] == "true",
        int(found["linger.ms"]),
        ", ".join(re.findall(r"(\w+)Assignor", found["partition.assignment.strategy"])),
        int(re.match(r"\d+", found["auto.commit.interval.ms"])[0]) / 1000,
    ]


def kafka_python():
    """kafka-python has its defaults in a dictionary."""
    sends, reads = KafkaProducer.DEFAULT_CONFIG, KafkaConsumer.DEFAULT_CONFIG
    return [
        {"all": -1}.get(sends["acks"], sends["acks"]),
        sends["enable_idempotence"],
        sends["linger_ms"],
        ", ".join(one.name for one in reads["partition_assignment_strategy"]),
        reads["auto_commit_interval_ms"] / 1000,
    ]


def librdkafka():
    """The C library can print an empty configuration; Python reaches it where the wheel has put it."""
    wheel = Path(confluent_kafka.__file__).parent
    folders = (wheel.with_name("confluent_kafka.libs"), wheel / ".dylibs")
    file = next(file for folder in folders for file in folder.glob("librdkafka*"))
    library, count, found = ctypes.CDLL(str(file)), ctypes.c_size_t(), {}
    for kind in ("rd_kafka_conf", "rd_kafka_topic_conf"):
        make, dump = getattr(library, f"{kind}_new"), getattr(library, f"{kind}_dump")
        make.restype, dump.restype = ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p)
        words = dump(ctypes.c_void_p(make()), ctypes.byref(count))
        texts = [(words[number] or b"").decode() for number in range(count.value)]
        found = {**dict(zip(texts[::2], texts[1::2], strict=True)), **found}
    return [
        int(found["request.required.acks"]),
        found["enable.idempotence"] == "true",
        int(found["queue.buffering.max.ms"]),
        found["partition.assignment.strategy"],
        int(found["auto.commit.interval.ms"]) / 1000,
    ]


def go():
    """The two in Go, by the course's program."""
    printed = process.output("clients", go_clients.command("defaults"))
    found = {}
    for line in printed.splitlines():
        client, setting, value = line.split("\t")
        found.setdefault(client, {})[setting] = value
    return {client: [said.get(name, "–") for name in SETTINGS] for client, said in found.items()}


def table():
    """A row for each client."""
    rows = {"Java": java(), "kafka-python": kafka_python(), "librdkafka": librdkafka(), **go()}
    texts = {client: [plain(value) for value in row] for client, row in rows.items()}
    return pandas.DataFrame.from_dict(texts, orient="index", columns=SETTINGS)


def plain(value):
    """As a person would write it: yes, no, a number without a fraction of zero, small letters."""
    text = {"True": "yes", "False": "no", "true": "yes", "false": "no"}.get(str(value), str(value))
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", text.removesuffix(".0"))
    return re.sub(r",\s*", ", ", text.lower())
