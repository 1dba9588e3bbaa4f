"""Tells Prometheus how far a Kafka's topics and consumer groups are: a page of numbers over HTTP.

It asks Kafka anew for each look at the page. The numbers bear the names that the widely used
kafka_exporter gives them, so that alert rules written for that one fit. It prints "ready ADDRESS".

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/kafka_exporter.py BOOTSTRAP_SERVERS
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError


def numbers(admin, consumer):
    """Each number: its name, its labels, and its value."""
    partitions = []
    for topic in admin.describe_topics():
        for row in topic["partitions"]:
            at = TopicPartition(topic["name"], row["partition_index"])
            partitions.append(at)
            yield "topic_partition_in_sync_replica", labels(at), len(row["isr_nodes"])
            yield "topic_partition_replicas", labels(at), len(row["replica_nodes"])
    oldest, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    for at in partitions:
        yield "topic_partition_oldest_offset", labels(at), oldest[at]
        yield "topic_partition_current_offset", labels(at), ends[at]
    groups = [group["group_id"] for group in admin.list_groups()]
    for group, offsets in admin.list_group_offsets(groups).items() if groups else []:
        for at, committed in offsets.items():
            yield "consumergroup_current_offset", labels(at, group), committed.offset
            yield "consumergroup_lag", labels(at, group), ends[at] - committed.offset


def labels(at, group=None):
    """What a number is about, as Prometheus writes it."""
    escaped = (group or "").replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    of_group = f'consumergroup="{escaped}",' if group else ""
    return f'{{{of_group}topic="{at.topic}",partition="{at.partition}"}}'


class Page(BaseHTTPRequestHandler):
    """Answers each request with all numbers, a line for each."""

    def do_GET(self):
        """Called for each request."""
        try:
            found = list(numbers(self.server.admin, self.server.consumer))
        except KafkaError:  # a node has died, and the client would ask it again and again
            self.server.admin.close()
            self.server.admin = KafkaAdminClient(**self.server.kafka)
            raise
        text = "".join(f"kafka_{name}{about} {value}\n" for name, about, value in found)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Say nothing of each request."""


def main():
    """Serve until we are ended."""
    kafka = {"bootstrap_servers": sys.argv[1], "reconnect_backoff_max_ms": 200}
    server = HTTPServer(("127.0.0.1", 0), Page)
    server.kafka = kafka
    server.admin, server.consumer = KafkaAdminClient(**kafka), KafkaConsumer(**kafka)
    print("ready", f"http://127.0.0.1:{server.server_port}/metrics", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
