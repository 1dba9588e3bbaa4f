"""The course's helpers: plumbing only. What a chapter teaches is written out in its cells."""

from .brokers import down, kafka_cluster, rabbitmq_cluster, status, up

__all__ = ["down", "kafka_cluster", "rabbitmq_cluster", "status", "up"]
