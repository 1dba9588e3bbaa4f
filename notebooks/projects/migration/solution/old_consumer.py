"""Books the orders of the queue, as it always did; from step 3 on most are booked when it comes.

By hand: python old_consumer.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import ledger
import messages
from state import State


def work(args, _role, goes_on):
    """Book each message; what can't be booked goes to the queue NAME.parked, with the reason."""
    with closing(ledger.connect(args.folder)) as database:

        def handle(channel, properties, body):
            try:
                message = messages.from_rabbitmq(properties, body)
                ledger.book(database, "ledger", message, "old_consumer")
            except ledger.BadMessageError as error:
                messages.park(channel, args.name, body, str(error))

        queue = f"{args.name}.orders"
        messages.consume(args, State(args.folder), "old_consumer", queue, handle, goes_on)


def main():
    """Book until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("old_consumer", args, work)


if __name__ == "__main__":
    main()
