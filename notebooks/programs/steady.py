"""For a notebook that runs the steady producer and the steady publisher: what they have said, and what
has arrived.

    steady = module("steady.py")
"""

import time

import pika
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from helpers import Program, clients, wait_until

LARGE = 100_000  # bytes; an order has a few


def start(name, *arguments):
    """Start one, and wait until twenty orders are acknowledged."""
    program = Program(name, *arguments)
    program.wait_for("acknowledge 20 ", timeout=60)
    return program


def said(program, what):
    """Of which orders a program said this, and when, in seconds."""
    return {int(order): moment for moment, order in program.said(what)}


def waits(program, begin):
    """The longest wait of the orders of each fifth of a second, and when that was since a begin."""
    answered, sent = said(program, "acknowledge"), said(program, "attempt")
    longest = {}
    for order in sent.keys() & answered.keys():
        fifth = round((sent[order] - begin) * 5) / 5
        longest[fifth] = max(longest.get(fifth, 0), answered[order] - sent[order])
    return sorted(longest.items())


def goes_on(program, control):
    """Are new orders acknowledged, in the time in which fifty new ones of the control are?"""
    now = time.monotonic()

    def new(one):
        answered, sent = said(one, "acknowledge"), said(one, "attempt")
        return sum(sent[order] > now for order in answered)

    wait_until(lambda: new(control) >= 50, "the control's orders", timeout=90)
    return new(program) > 0


def stop(*programs):
    """Stop each, but not before it has had new orders acknowledged."""
    for program in programs:
        last = max(said(program, "acknowledge"))
        program.wait_for(f"acknowledge {last + 20} ", timeout=90)
        program.stop()


def lost_in_kafka(brokers, topic, program):
    """How many orders were acknowledged, and are not in the topic."""
    bodies = (record.value for record in clients.read_topic(brokers, topic))
    there = {int(body) for body in bodies if len(body) < LARGE}
    return len(said(program, "acknowledge").keys() - there)


def lost_in_rabbitmq(parameters, queues, program):
    """How many orders were acknowledged, and are not in the queues, which are emptied."""
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        there = {int(body) for queue in queues for body in clients.take_all(channel, queue)}
    return len(said(program, "acknowledge").keys() - there)


def write_backlog(brokers, topic):
    """Forty large records: more than a replica can copy in one go."""
    with KafkaProducer(**brokers.kafka) as producer:
        for _ in range(40):
            producer.send(topic, bytes(LARGE))


def hand_out(brokers, node, bytes_a_second):
    """So much may a node send to replicas that are not in sync, of topics that are throttled."""
    limit = {"leader.replication.throttled.rate": str(bytes_a_second)}
    with KafkaAdminClient(**brokers.kafka) as admin:
        resource = ConfigResource(ConfigResourceType.BROKER, str(node), limit)
        admin.alter_configs([resource], incremental=True, raise_on_unknown=False)
