"""The operator's program: where the migration is, one step on, one step back.

By hand: python migrate.py forward --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

import sys
from contextlib import closing

import messages
from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError
from state import LAST, NAMES, State

PARTITIONS = 3


def move(args, state, way):
    """Go one step on (1) or back (-1)."""
    step = state.step()
    to = step + way
    if not 0 <= to <= LAST:
        sys.exit(f"{status(state)}. Not moved: There is no such step.")
    orders, bridge = f"{args.name}.orders", f"{args.name}.bridge"
    if (step, to) == (0, 1):
        create_topic(args, orders, PARTITIONS)
        create_topic(args, f"{args.name}.parked", 1)
        bind(args, bridge)
    elif (step, to) == (1, 0):
        delete(args, bridge)
    elif (step, to) == (4, 5):
        delete(args, orders, bridge)
    elif (step, to) == (5, 4):
        bind(args, orders, bridge)
    state.arrive(to)


def create_topic(args, topic, partitions):
    """Create a topic, unless there is one."""
    with closing(KafkaAdminClient(bootstrap_servers=args.kafka)) as admin:
        try:
            shape = {"num_partitions": partitions, "replication_factor": 1}
            admin.create_topics({topic: shape}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return


def bind(args, *queues):
    """From now on these queues get what is published to the exchange."""
    channel = messages.rabbitmq(args)
    with closing(channel.connection):
        for queue in queues:
            messages.declare(channel, args.name, queue)


def delete(args, *queues):
    """Delete queues."""
    channel = messages.rabbitmq(args)
    with closing(channel.connection):
        for queue in queues:
            channel.queue_delete(queue)


def status(state):
    """The step, as a sentence."""
    return f"step {state.step()}: {NAMES[state.step()]}"


def main():
    """Say where we are, or take a step."""
    parser = messages.arguments(__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["status", "forward", "back"])
    args = parser.parse_args()
    state = State(args.folder)
    if args.command != "status":
        move(args, state, 1 if args.command == "forward" else -1)
    print(status(state))


if __name__ == "__main__":
    main()
