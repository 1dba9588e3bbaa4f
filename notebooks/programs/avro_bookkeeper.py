"""The shop's bookkeeper: it reads Avro events with a schema of its own, and notes the amounts.

It prints one line for each event of the topic: "read ORDER AMOUNT", or the error and the offset.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/avro_bookkeeper.py REGISTRY TOPIC
"""

import io
import json
import sys

from fastavro import schemaless_reader
from fastavro.read import SchemaResolutionError
from kafka import KafkaConsumer, TopicPartition

from helpers import clients, up

MARKER = b"\xc3\x01"  # of Avro's single-object encoding; 8 bytes of fingerprint follow
WANTED = {
    "type": "record",
    "name": "OrderPlaced",
    "fields": [{"name": "order", "type": "int"}, {"name": "amount", "type": "int"}],
}


class CorruptEventError(ValueError):
    """These bytes are not what they say they are."""


class UnknownSchemaError(LookupError):
    """The event names a schema that the registry hasn't got, or not yet."""


def schemas_in(brokers, registry):
    """The schemas of a registry's topic, by fingerprint."""
    return {r.key: json.loads(r.value) for r in clients.read_topic(brokers, registry)}


def decode(body, schemas):
    """What the bookkeeper wants of an event that was written with one of these schemas."""
    marker, fingerprint, values = body[:2], body[2:10], io.BytesIO(body[10:])
    if marker != MARKER:
        raise CorruptEventError
    if fingerprint not in schemas:
        raise UnknownSchemaError
    try:
        event = schemaless_reader(values, schemas[fingerprint], WANTED)
    except (EOFError, IndexError, UnicodeDecodeError) as error:
        raise CorruptEventError from error
    if values.read():  # bytes are left over
        raise CorruptEventError
    return event


def main():
    """Read the topic from its beginning, until SIGTERM."""
    registry, topic = sys.argv[1:]
    brokers = up("kafka", quiet=True)
    schemas = schemas_in(brokers, registry)
    with KafkaConsumer(**brokers.kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        for record in consumer:
            if record.value[:2] == MARKER and record.value[2:10] not in schemas:
                schemas = schemas_in(brokers, registry)  # it may be a new one
            try:
                event = decode(record.value, schemas)
                print("read", event["order"], event["amount"], flush=True)
            except (CorruptEventError, UnknownSchemaError, SchemaResolutionError) as error:
                print(type(error).__name__, record.offset, flush=True)


if __name__ == "__main__":
    main()
