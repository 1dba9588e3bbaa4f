"""The command-line tools that Kafka and RabbitMQ bring along, by the names that they have there."""

from collections.abc import Sequence

CommandLine = tuple[list[str], dict[str, str]]  # and the whole environment that it is run in

# What follows `kafka-` in the name of the script → the class that the script runs.
_CLASSES = {
    "broker-api-versions": "BrokerApiVersionsCommand",
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "consumer.ConsoleConsumer",
    "console-producer": "ConsoleProducer",
    "console-share-consumer": "consumer.ConsoleShareConsumer",
    "consumer-groups": "consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": "ConsumerPerformance",
    "delete-records": "DeleteRecordsCommand",
    "features": "FeatureCommand",
    "get-offsets": "GetOffsetShell",
    "groups": "GroupsCommand",
    "leader-election": "LeaderElectionCommand",
    "log-dirs": "LogDirsCommand",
    "metadata-quorum": "MetadataQuorumCommand",
    "producer-perf-test": "ProducerPerformance",
    "reassign-partitions": "reassign.ReassignPartitionsCommand",
    "share-groups": "consumer.group.ShareGroupCommand",
    "topics": "TopicCommand",
    "transactions": "TransactionsCommand",
}
KAFKA = tuple(_CLASSES)
RABBITMQ = ("rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-queues", "rabbitmq-streams")


def main_class(tool: str) -> str:
    """The class of one of Kafka's tools."""
    name = _CLASSES[tool]
    return name if name.startswith("kafka.") else f"org.apache.kafka.tools.{name}"


def names_a_broker(arguments: Sequence[str]) -> bool:
    """Do the arguments of one of Kafka's tools say which broker it is to talk to?"""
    return any(word.startswith("--bootstrap-") for word in arguments)


def directed(address: str, arguments: Sequence[str]) -> list[str]:
    """The arguments of one of Kafka's tools, with the broker's address unless they name one."""
    return [*([] if names_a_broker(arguments) else ["--bootstrap-server", address]), *arguments]
