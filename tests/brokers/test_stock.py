"""The single brokers behave like stock ones: what other people's first listings do works on them."""

import re
import subprocess
import sys

import pika
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from helpers import settings
from helpers.names import clean_up, fresh
from helpers.waiting import wait_until

ROW = r"\| `([a-z.]+)` \| (\S+) \| (\S+) \|"
DEFAULT = 5  # ConfigSource.DEFAULT_CONFIG of Kafka's protocol
LINGER = """
import sys
from kafka import KafkaConsumer
with KafkaConsumer(sys.argv[2], bootstrap_servers=sys.argv[1], metadata_max_age_ms=100) as consumer:
    print("reading", flush=True)
    while True:
        consumer.poll(timeout_ms=100)
"""


def differing() -> dict[str, tuple[str, str]]:
    """Settings of Kafka by name, as the page of settings has them: here, and in stock brokers."""
    page = (settings.CHECKOUT / "notebooks" / "SETTINGS.md").read_text(encoding="utf-8")
    single = page.partition("## Kafka")[2].partition("The three nodes")[0]
    return {name: (here, stock) for name, here, stock in re.findall(ROW, single)}


def test_the_page_of_settings_names_each_of_kafkas_that_differs_and_its_default(live):
    from confluent_kafka.admin import AdminClient, ConfigResource

    admin = AdminClient({"bootstrap.servers": live.kafka["bootstrap_servers"]})
    [asked] = admin.describe_configs([ConfigResource("broker", "1")]).values()
    found = {}
    for entry in asked.result(timeout=20).values():
        stock = [s.value for s in entry.synonyms.values() if s.source == DEFAULT]
        if stock and stock[0] != entry.value:
            found[entry.name] = (entry.value, stock[0])
    per_machine = {
        "advertised.listeners",
        "listeners",
        "listener.security.protocol.map",
        "log.dirs",
        "node.id",
        "broker.id",
        "process.roles",
    }
    per_machine |= {"controller.quorum.voters", "controller.listener.names", "log.dir"}
    assert {k: v for k, v in found.items() if k not in per_machine} == differing()


def topics(live) -> set[str]:
    with KafkaAdminClient(**live.kafka) as admin:
        return set(admin.list_topics())


def test_kafka_python_to_a_topic_that_nobody_made(live):
    topic, servers = fresh("foobar"), live.kafka["bootstrap_servers"]
    producer = KafkaProducer(bootstrap_servers=servers)
    for _ in range(100):
        producer.send(topic, b"some_message_bytes")
    producer.close()
    group, first = fresh("my_favorite_group"), "earliest"
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset=first,
        consumer_timeout_ms=20_000,
    )
    read = [next(consumer).value for _ in range(100)]
    consumer.close()
    assert read == [b"some_message_bytes"] * 100
    clean_up(live)


def test_confluent_kafka_to_a_topic_that_nobody_made(live):
    from confluent_kafka import Consumer, Producer

    topic, failures = fresh("mytopic"), []
    servers = {"bootstrap.servers": live.kafka["bootstrap_servers"]}
    producer = Producer(servers)
    for data in ("a", "b", "c"):
        producer.poll(0)
        producer.produce(topic, data.encode(), callback=lambda error, _: failures.append(error))
    assert producer.flush(20) == 0
    assert failures == [None] * 3
    consumer = Consumer({**servers, "group.id": fresh("mygroup"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read = []

    def three() -> bool:
        read.extend(consumer.consume(3, timeout=1))
        return len(read) >= 3

    wait_until(three, "three messages", timeout=30)
    consumer.close()
    assert [message.value() for message in read] == [b"a", b"b", b"c"]
    clean_up(live)


def test_pikas_hello_world_with_its_transient_queue(live):
    queue = fresh("hello")
    connection = pika.BlockingConnection(live.rabbitmq)
    channel = connection.channel()
    channel.queue_declare(queue=queue)
    channel.basic_publish(exchange="", routing_key=queue, body="Hello World!")
    body = wait_until(lambda: channel.basic_get(queue, auto_ack=True)[2], "the message")
    connection.close()
    assert body == b"Hello World!"
    clean_up(live)


def test_a_work_queue_with_fair_dispatch(live):
    queue = fresh("task_queue")
    connection = pika.BlockingConnection(live.rabbitmq)
    channel = connection.channel()
    channel.queue_declare(queue=queue, durable=True)
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    for dots in (".", "..", "..."):
        channel.basic_publish("", queue, dots, persistent)
    done = []

    def callback(channel, method, properties, body):
        done.append(body)
        channel.basic_ack(delivery_tag=method.delivery_tag)
        if len(done) == 3:
            channel.stop_consuming()

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue=queue, on_message_callback=callback)
    connection.call_later(10, channel.stop_consuming)
    channel.start_consuming()
    connection.close()
    assert done == [b".", b"..", b"..."]
    clean_up(live)


def test_what_a_lingering_client_brings_back_is_deleted_the_next_time(live):
    topic, servers = fresh("orders"), live.kafka["bootstrap_servers"]
    with KafkaProducer(**live.kafka) as producer:
        producer.send(topic, b"1").get(timeout=20)
    reader = subprocess.Popen(
        [sys.executable, "-c", LINGER, servers, topic], stdout=subprocess.PIPE
    )
    try:
        assert reader.stdout.readline() == b"reading\n"
        clean_up(live)
        wait_until(lambda: topic in topics(live), "the topic to be back", timeout=30)
    finally:
        reader.kill()
        reader.communicate()
    clean_up(live)
    wait_until(lambda: topic not in topics(live), "the topic to be gone")
    clean_up(live)
    assert topic not in topics(live)
