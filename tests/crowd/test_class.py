"""A class: twenty learners at once on one Kafka and one RabbitMQ, and none in the way of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pika
import pytest
from kafka import KafkaAdminClient

from helpers import brokers, settings

LEARNERS = 20
NOTEBOOK = "notebooks/00_start_here.ipynb"
RUN = ["--nbval-lax", "--nbval-current-env"]  # its cells assert what they measure


def start(live: brokers.Brokers, learner: int, said: Path) -> subprocess.Popen:
    """One learner, who runs a notebook."""
    rabbitmq = live.rabbitmq
    environment = {
        **os.environ,
        "BREAKING_BROKERS_BACKEND": "external",
        "BREAKING_BROKERS_LEARNER": f"learner-{learner}",
        "KAFKA_BOOTSTRAP_SERVERS": live.kafka["bootstrap_servers"],
        "AMQP_URL": f"amqp://guest:guest@{rabbitmq.host}:{rabbitmq.port}/%2F",
    }
    with said.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", *RUN, NOTEBOOK],
            cwd=settings.CHECKOUT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def test_twenty_learners_at_once_measure_what_one_measures(live, tmp_path):
    said = [tmp_path / f"{number}" for number in range(LEARNERS)]
    learners = [start(live, number, file) for number, file in enumerate(said)]
    ended = [learner.wait(600) for learner in learners]
    wrong = [file.read_text() for status, file in zip(ended, said, strict=True) if status]
    assert not wrong, (
        f"{len(wrong)} of {LEARNERS} measured something else; the first:\n{wrong[0][-3000:]}"
    )
    with KafkaAdminClient(**live.kafka) as admin:
        assert not [topic for topic in admin.list_topics() if "learner-" in topic]


@pytest.mark.parametrize("number", range(2))
def test_a_learner_does_not_delete_what_is_anothers(live, number, monkeypatch):
    from helpers import clean_up, clients, fresh

    monkeypatch.setenv("BREAKING_BROKERS_LEARNER", f"learner-{number}")
    with pika.BlockingConnection(live.rabbitmq) as connection:
        channel = connection.channel()
        foreign = channel.queue_declare(f"learner-{number}x-orders", durable=True).method.queue
        mine = clients.declare_queue(channel, fresh("orders"))
        clean_up(live)
        assert channel.queue_declare(foreign, passive=True).method.queue == foreign
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
            channel.queue_declare(mine, passive=True)
