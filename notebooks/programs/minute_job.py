"""A job that reads a Kafka topic: it starts, handles what is there, commits, and ends."""

from kafka import KafkaConsumer, TopicPartition

from helpers import fresh


class Job:
    """One of the jobs of a notebook: a consumer group, and what it has handled."""

    def __init__(self, kafka, topic):
        """``kafka`` is a cluster of the course's own."""
        self.kafka = kafka
        self.fails = False  # a job that fails handles nothing
        self.partition = TopicPartition(topic, 0)
        self.group = fresh("job")
        self.handled = set()

    def run(self, most=100, to_end=False):
        """Handle so many orders. Where did the log begin, where was the group, and the end?"""
        options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        at = self.partition
        with KafkaConsumer(group_id=self.group, **options, **self.kafka.kafka) as consumer:
            consumer.assign([at])
            oldest = consumer.beginning_offsets([at])[at]
            end = consumer.end_offsets([at])[at]
            committed = consumer.committed(at) or 0
            if to_end:
                consumer.seek_to_end()
            while most > 0 and consumer.position(at) < end:
                records = consumer.poll(200, max_records=most).get(at, [])
                most -= len(records)
                if not self.fails:
                    self.handled.update(record.offset for record in records)
            consumer.commit()  # all that was read, whatever became of it
        return oldest, committed, end
