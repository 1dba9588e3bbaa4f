"""The operator's program: where the migration is, one step on, one step back.

A step is taken as a whole or not at all. Whoever is killed in the middle of one leaves the goal behind:
the same command again finishes the step, the opposite one gives it up. Before a step there is a check;
if it fails, or somebody doesn't do his part in time, the system stays at its step, and works on.

By hand: python migrate.py forward --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

import fcntl
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path

import ledger
import messages
import pika
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import TopicAlreadyExistsError
from state import LAST, NAMES, State

PARTITIONS = 3
PATIENCE = 20  # seconds for which we wait for somebody's part
CHECKS = {  # before a step; nothing has changed yet
    (1, 2): "look_whether_the_old_is_booked",
    (2, 3): "compare_with_the_shadow",
    (4, 5): "look_whether_all_is_carried_back",
}
MOVES = {
    (0, 1): "open_bridge",
    (1, 0): "close_bridge",
    (1, 2): "begin_shadow",
    (3, 4): "hand_over_to_kafka",
    (4, 3): "hand_over_to_rabbitmq",
    (4, 5): "close_queues",
    (5, 4): "open_queues",
}
UNDO = {(0, 1): "close_bridge", (1, 0): "open_bridge", (4, 5): "open_queues"}


class NotYetError(Exception):
    """A step can't be taken now; the message says why, and what to look at."""


class Operator:
    """Knows how each step is taken."""

    def __init__(self, args):
        self._args, self._state = args, State(args.folder)
        self._orders, self._bridge = f"{args.name}.orders", f"{args.name}.bridge"

    def move(self, way):
        """Go one step on (1) or back (-1), or finish or give up the one that is under way.

        Raises:
            NotYetError: it can't be taken now; the system is at the step where it was.
        """
        step, goal = self._state.read()
        if goal == step:
            if not 0 <= step + way <= LAST:
                raise NotYetError("There is no such step.")
            self._do(CHECKS, step, step + way)
            self._state.begin(goal := step + way)
        if goal - step == way:
            try:
                self._do(MOVES, step, goal)
            except NotYetError:
                self._give_up(step, goal)
                raise
            self._state.arrive(goal)
        else:
            self._give_up(step, goal)

    def status(self):
        """The step, and where we are bound, as a sentence."""
        step, goal = self._state.read()
        return f"step {step}: {NAMES[step]}" + (f"; on the way to {goal}" if goal != step else "")

    def _do(self, table, step, goal):
        getattr(self, table.get((step, goal), "nothing"))()

    def _give_up(self, step, goal):
        self._do(UNDO, step, goal)
        self._state.arrive(step)

    # -- checks and moves ------------------------------------------------------------------------

    def nothing(self):
        """The services ask for the step: no more is needed."""

    def open_bridge(self):
        """From now on the bridge's queue gets what the old one gets."""
        with closing(KafkaAdminClient(bootstrap_servers=self._args.kafka)) as admin:
            for topic, partitions in ((self._orders, PARTITIONS), (f"{self._args.name}.parked", 1)):
                self._create(admin, topic, partitions)
        self._bind(self._bridge)

    def close_bridge(self):
        """Nothing more comes to the bridge's queue; what is in it goes to Kafka first."""
        self._remove({self._bridge: "bridge_to_kafka"})

    def look_whether_the_old_is_booked(self):
        """What was in the old queue before the bridge is in no topic: it has to be in the ledger."""
        self._wait_for_marker({self._orders: "old_consumer"})

    def begin_shadow(self):
        """The shadow begins as a copy of the ledger: what comes from Kafka is after that, or known."""
        with closing(ledger.connect(self._args.folder)) as database:
            ledger.copy(database, "ledger", "shadow")

    def compare_with_the_shadow(self):
        """What the ledger has now must be in the shadow, order by order, when that has come so far."""
        with closing(ledger.connect(self._args.folder)) as database:
            booked = ledger.entries(database, "ledger")
            self._wait_for_marker({self._bridge: "bridge_to_kafka"})
            self._wait_for_group("consumer")
            shadow = ledger.entries(database, "shadow")
        for order, entries in booked.items():
            if [entry for entry in shadow.get(order, []) if entry in entries] != entries:
                raise NotYetError(f"the shadow differs from the ledger: see order {order}")

    def hand_over_to_kafka(self):
        """While the relay holds, all that it gave to RabbitMQ goes to Kafka."""
        self._wait_for_role("relay", "hold")
        self._wait_for_marker({self._bridge: "bridge_to_kafka"})

    def hand_over_to_rabbitmq(self):
        """While the relay holds, all that it gave to Kafka goes to RabbitMQ."""
        self._wait_for_role("relay", "hold")
        self._wait_for_group("bridge")

    def look_whether_all_is_carried_back(self):
        """Who still reads RabbitMQ gets what there is up to now."""
        self._wait_for_group("bridge")

    def close_queues(self):
        """Nothing more comes to the queues; what is in them is dealt with; then they go."""
        self._wait_for_role("bridge_to_rabbitmq", "rest")
        self._remove({self._orders: "old_consumer", self._bridge: "bridge_to_kafka"})

    def open_queues(self):
        """Both get what comes to the exchange, and the bridge goes on where it was."""
        self._bind(self._orders)
        self._bind(self._bridge)

    # -- how -------------------------------------------------------------------------------------

    def _create(self, admin, topic, partitions):
        try:
            shape = {"num_partitions": partitions, "replication_factor": 1}
            admin.create_topics({topic: shape}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return

    def _bind(self, queue):
        channel = messages.rabbitmq(self._args)
        with closing(channel.connection):
            messages.declare(channel, self._args.name, queue)

    def _remove(self, queues):
        """Unbind queues, wait until each one's reader has come to its end, and delete them."""
        channel = messages.rabbitmq(self._args)
        with closing(channel.connection):
            for queue in queues:
                messages.declare(
                    channel, self._args.name, queue
                )  # an earlier life may have been here
                channel.queue_unbind(queue, self._args.name)
            self._wait_for_marker(queues)
            for queue in queues:
                self._wait(lambda q=queue: not _ready(channel, q), f"{queue} to be empty")
                channel.queue_delete(queue)

    def _wait_for_marker(self, readers):
        """Put a marker into each queue, and wait until its reader has come so far."""
        markers = {queue: str(uuid.uuid4()) for queue in readers}
        channel = messages.rabbitmq(self._args)
        with closing(channel.connection):
            for queue, marker in markers.items():
                properties = pika.BasicProperties(
                    type=messages.MARKER, message_id=marker, delivery_mode=2
                )
                channel.basic_publish("", queue, b"", properties, mandatory=True)
        for queue, service in readers.items():
            passed = lambda s=service, q=queue: self._state.has_passed(s, markers[q])  # noqa: E731
            self._wait(passed, f"{service} to handle what is in {queue}")

    def _wait_for_role(self, service, role):
        self._wait(lambda: self._state.role(service) == role, f"{service} to {role}")

    def _wait_for_group(self, group):
        """Wait until a group has dealt with all that is in the topic now."""
        with closing(
            KafkaConsumer(
                bootstrap_servers=self._args.kafka,
                group_id=f"{self._args.name}.{group}",
                enable_auto_commit=False,
            )
        ) as consumer:
            ends = consumer.end_offsets(
                [TopicPartition(self._orders, number) for number in range(PARTITIONS)]
            )
            reached = lambda: all(  # noqa: E731
                (consumer.committed(partition) or 0) >= end for partition, end in ends.items()
            )
            self._wait(reached, f"the group {group} to handle what is in {self._orders}")

    def _wait(self, reached, what):
        deadline = time.monotonic() + PATIENCE
        if not reached():
            print(f"waiting for {what}", flush=True)
        while not reached():
            if time.monotonic() > deadline:
                raise NotYetError(f"waited {PATIENCE} s in vain for {what}: does it run?")
            time.sleep(0.05)


def _ready(channel, queue):
    """How many messages wait in a queue."""
    return channel.queue_declare(queue, passive=True).method.message_count


def main():
    """Say where we are, or take a step."""
    parser = messages.arguments(__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["status", "forward", "back"])
    args = parser.parse_args()
    operator = Operator(args)
    if args.command != "status":
        with (Path(args.folder) / "migration.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one operator at a time; freed when it dies
            try:
                operator.move(1 if args.command == "forward" else -1)
            except (NotYetError, *messages.AWAY) as error:
                sys.exit(f"{operator.status()}. Not moved: {error}")
    print(operator.status())


if __name__ == "__main__":
    main()
