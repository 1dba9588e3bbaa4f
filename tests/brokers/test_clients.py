"""What the course mends in a client library, and what it adds, on live brokers."""

from dataclasses import replace

import pika
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import RebalanceInProgressError

from helpers import Ledger, clients
from helpers.names import _delete, fresh
from helpers.waiting import wait_until


def test_a_producer_outlives_a_leader_that_is_not_among_the_brokers(live):
    topic = fresh("orders")
    with KafkaAdminClient(**live.kafka) as admin:
        admin.create_topics([topic], wait_for_metadata=True)
    producer = KafkaProducer(**live.kafka)
    try:
        producer.send(topic, b"1", partition=0).get(timeout=20)
        producer._metadata._partitions[topic][0].leader_id = 99  # as in the midst of a failover
        assert producer.send(topic, b"2", partition=0).get(timeout=10).offset == 1
    finally:
        producer.close(timeout=1)


def test_a_member_whose_poll_ends_while_it_joins_anew_joins_all_the_same(live):
    topic, group = fresh("orders"), fresh("email")
    clients.make_topic(live, topic)
    with KafkaConsumer(topic, group_id=group, metadata_max_age_ms=200, **live.kafka) as consumer:
        wait_until(lambda: consumer.poll(100) or consumer.assignment(), "the first share")
        member = consumer._coordinator
        with KafkaAdminClient(**live.kafka) as admin:
            admin.create_partitions({topic: 3})
        joins = lambda: consumer.poll(0) or member.rebalance_in_progress()  # noqa: E731
        wait_until(joins, "it to join anew", every=0)
        wait_until(lambda: member._join_task.is_done, "the answer to come when it does not poll")
        all_there = lambda: consumer.poll(100) or len(consumer.assignment()) == 3  # noqa: E731
        wait_until(all_there, "the new share")
        consumer.commit()


def test_a_group_that_is_joined_anew_at_the_end_has_read_each_record_once(live, monkeypatch):
    """kafka-python joins a second time if metadata come late, and commits nothing meanwhile."""
    topic, group, refused = fresh("orders"), fresh("email"), []
    clients.make_topic(live, topic)
    clients.send(live, topic, range(5))
    commit = KafkaConsumer.commit

    def commit_while_joining(consumer):
        if not refused:
            consumer._coordinator.request_rejoin()
            consumer.poll(timeout_ms=0)
        try:
            commit(consumer)
        except RebalanceInProgressError:
            refused.append(consumer)
            raise

    monkeypatch.setattr(KafkaConsumer, "commit", commit_while_joining)
    assert len(clients.read_topic(live, topic, group)) == 5
    assert len(refused) == 1
    assert clients.lag(live, topic, group) == 0


def test_a_topic_is_made_sent_to_read_by_groups_and_its_lag_counted(live):
    topic, group, ledger = fresh("orders"), fresh("email"), Ledger("orders")
    clients.make_topic(live, topic, partitions=3, cleanup_policy="delete")
    clients.send(live, topic, range(1, 13), ledger)
    ledger.finish("each is acknowledged")
    assert ledger.count().acknowledged == 12
    assert clients.lag(live, topic, group) == 12
    first = clients.read_topic(live, topic, group=group)
    assert sorted(int(record.value) for record in first) == list(range(1, 13))
    assert clients.lag(live, topic, group) == 0
    clients.send(live, topic, [13])
    assert [record.key for record in clients.read_topic(live, topic, group=group)] == [b"13"]
    assert len(clients.read_topic(live, topic)) == 13  # without a group: all, again and again


def test_a_queue_is_declared_published_to_and_emptied(live):
    queue, ledger = fresh("orders"), Ledger("orders")
    with pika.BlockingConnection(live.rabbitmq) as connection:
        channel = connection.channel()
        clients.declare_queue(channel, queue, "classic", x_max_length=100)
        clients.publish(channel, queue, range(3), ledger)
        ledger.finish("each is confirmed")
        assert ledger.count().acknowledged == 3
        assert clients.ready(channel, queue) == 3
        assert clients.take_all(channel, queue) == ["0", "1", "2"]
        assert clients.take_all(channel, queue) == []
        with pytest.raises(TimeoutError, match=queue):
            clients.wait_for_consumers(channel, queue, 1, timeout=0.1)


def test_a_stream_is_read_from_an_offset_to_its_end(live):
    with pika.BlockingConnection(live.rabbitmq) as connection:
        channel = connection.channel()
        stream = clients.declare_queue(channel, fresh("orders"), "stream")
        clients.publish(channel, stream, range(3))
        clients.wait_for_stream(live.rabbitmq, stream)
        assert clients.read_stream(channel, stream) == ["0", "1", "2"]
        assert clients.read_stream(channel, stream, 1)[:2] == ["1", "2"]
        assert clients.read_stream(channel, stream, "next") == []


def test_a_broker_that_was_not_asked_for_is_named(live):
    with pytest.raises(ValueError, match="Kafka"):
        clients.make_topic(replace(live, kafka=None), fresh("orders"))


def test_what_is_in_use_is_kept_until_the_next_clean_up_and_all_else_deleted(live):
    topic, group, held, queue, exchange = map(fresh, ("orders", "email", "held", "queue", "shop"))
    names = [topic, group, held, queue, exchange]
    clients.make_topic(live, topic)
    clients.send(live, topic, [1])
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **live.kafka}
    with (
        pika.BlockingConnection(live.rabbitmq) as connection,
        KafkaConsumer(topic, group_id=group, consumer_timeout_ms=20_000, **options) as reader,
    ):
        channel = connection.channel()
        channel.queue_declare(held, exclusive=True)
        clients.declare_queue(channel, queue)
        channel.exchange_declare(exchange, "fanout", durable=True)
        next(reader)
        assert _delete(live, names) == {topic, group, held}
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
            channel.queue_declare(queue, passive=True)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
            connection.channel().exchange_declare(exchange, passive=True)
    assert group not in _delete(live, names)
    with KafkaAdminClient(**live.kafka) as admin:
        assert group not in {found["group_id"] for found in admin.list_groups()}
    wait_until(lambda: not _delete(live, names), "the queue that was held to be gone")
