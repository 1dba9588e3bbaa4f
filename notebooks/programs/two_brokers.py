"""A Kafka and two kfakes of a lab's own, which can be killed and asked in the same words."""

from kafka import KafkaAdminClient
from kafka.protocol.admin import client_quotas

from helpers import clients, wait_until
from helpers.extras.kfake import Kfake
from helpers.nodes import Kafka

BYTES_A_SECOND = "producer_byte_rate"


class Broker:
    """One of them, by its name; `kafka` are the options of a client of it."""

    def __init__(self, name, program):
        self.name, self.program, self.kafka = name, program, program.options()

    def kill(self):
        """SIGKILL."""
        self.program.kill()

    def start(self):
        """Start it again; it serves when this returns."""
        self.program.start()

    def topics(self):
        """The names of its topics, in a list that is never empty: the last is no topic."""
        with KafkaAdminClient(**self.kafka) as admin:
            return [*admin.list_topics(), ""]

    def all_of(self, topic):
        """All records of a topic, as far as it has such a topic."""
        return clients.read_topic(self, topic) if topic in self.topics() else []

    def set_quota(self, client_id, rate):
        """Allow a client so many bytes a second; returns what the broker then says is allowed.

        kafka-python's administrator has no method for it. The requests it knows."""
        alter, describe = (
            client_quotas.AlterClientQuotasRequest,
            client_quotas.DescribeClientQuotasRequest,
        )
        entity = alter.EntryData.EntityData(entity_type="client-id", entity_name=client_id)
        op = alter.EntryData.OpData(key=BYTES_A_SECOND, value=float(rate), remove=False)
        entry = alter.EntryData(entity=[entity], ops=[op])
        whose = describe.ComponentData(entity_type="client-id", match_type=0, match=client_id)
        with KafkaAdminClient(**self.kafka) as admin:
            manager = admin._manager
            manager.run(manager.send, alter(entries=[entry], validate_only=False))

            def allowed():
                answer = manager.run(manager.send, describe(components=[whose], strict=True))
                found = [value for one in answer.entries or () for value in one.values]
                return [int(value.value) for value in found if value.key == BYTES_A_SECOND]

            return wait_until(allowed, f"{self.name} to know the quota")[0]  # soon, not at once

    def close(self):
        """End it, and delete what it has stored."""
        self.program.close()


def start():
    """All three, which serve: a Kafka, a kfake, and a kfake that keeps its records on disk."""
    return [
        Broker("Kafka", Kafka({}, {})),
        Broker("kfake", Kfake()),
        Broker("kfake with a disk", Kfake(on_disk=True)),
    ]
