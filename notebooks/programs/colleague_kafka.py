"""The colleague of `colleague.py`, on Kafka: her account, her right, and how they are taken away.

Account and topic have the same name. `reader()` connects, and returns a function that reads what has
come, within two seconds; it raises what she is refused by. The notebook calls it, in its own process.
"""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    NewTopic,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)


class OnKafka:
    """`admin` and `login` are options of clients: the administrator's, and hers but for her name."""

    def __init__(self, name, admin, login):
        account = {"sasl_plain_username": name, "sasl_plain_password": "hers"}
        self.name, self.options = name, login | account
        self.admin, self.shop = KafkaAdminClient(**admin), KafkaProducer(**admin)
        self.admin.create_topics([NewTopic(name, 1, 1)], wait_for_metadata=True)
        self.set_password("hers")
        who, allow, topic = f"User:{name}", ACLPermissionType.ALLOW, ResourceType.TOPIC
        acl = ACL(who, "*", ACLOperation.READ, allow, ResourcePattern(topic, name))
        self.admin.create_acls([acl])

    def set_password(self, password):
        scram = ScramMechanism.SCRAM_SHA_256
        account = UserScramCredentialUpsertion(self.name, scram, password, iterations=4096)
        self.admin.alter_user_scram_credentials([account])

    def take(self, what):
        """Take the right to read, the password or the account away from her."""
        if what == "right":
            topic = ResourceType.TOPIC, self.name, ACLResourcePatternType.LITERAL
            hers = ResourcePatternFilter(*topic)
            anything = ACLOperation.ANY, ACLPermissionType.ANY
            self.admin.delete_acls([ACLFilter(f"User:{self.name}", "*", *anything, hers)])
        if what == "password":
            self.set_password("another")
        if what == "account":
            account = UserScramCredentialDeletion(self.name, ScramMechanism.SCRAM_SHA_256)
            self.admin.alter_user_scram_credentials([account])

    def publish(self, order):
        self.shop.send(self.name, order).get(timeout=20)

    def reader(self):
        partition = TopicPartition(self.name, 0)
        consumer = KafkaConsumer(**self.options, auto_offset_reset="earliest")
        consumer.assign([partition])
        consumer.end_offsets([partition])  # a poll may say nothing where this is refused

        def read():
            return [r.value for records in consumer.poll(2000).values() for r in records]

        return read
