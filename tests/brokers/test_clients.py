"""What the course mends in a client library, on a live broker."""

from kafka import KafkaAdminClient, KafkaProducer

from helpers.names import fresh


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
