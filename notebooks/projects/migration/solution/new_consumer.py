"""Books the orders of the topic: into a shadow at step 2, and from step 3 on into the ledger too.

By hand: python new_consumer.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import ledger
import messages


def work(args, role, goes_on):
    """Book each record; what can't be booked goes to the topic NAME.parked, with the reason.

    The ledger takes over whatever the shadow has and it has not: at the cut that is what the old
    consumer had not come to yet.
    """
    producer = messages.producer(args)
    with closing(ledger.connect(args.folder)) as database, closing(producer):

        def handle(message):
            try:
                ledger.book(database, "shadow", message, "new_consumer")
            except ledger.BadMessageError as error:
                messages.to_kafka(producer, f"{args.name}.parked", message, reason=str(error))

        def take_over():
            if role == "book":
                ledger.copy(database, "shadow", "ledger")

        messages.read(args, "consumer", handle, goes_on, take_over)


def main():
    """Book until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("new_consumer", args, work)


if __name__ == "__main__":
    main()
