"""Books the orders of the topic: into a shadow at step 2, and from step 3 on into the ledger too.

By hand: python new_consumer.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 \
--kafka 127.0.0.1:9092 --name shop --folder FOLDER
"""

from contextlib import closing

import ledger
import messages


def work(args, role, goes_on):
    """Book each record; what can't be booked goes to the topic NAME.parked, with the reason."""
    producer = messages.producer(args)
    with closing(ledger.connect(args.folder)) as database, closing(producer):

        def handle(message):
            try:
                for table in ("shadow", "ledger") if role == "book" else ("shadow",):
                    ledger.book(database, table, message, "new_consumer")
            except ledger.BadMessageError as error:
                messages.to_kafka(producer, f"{args.name}.parked", message, reason=str(error))

        messages.read(args, "consumer", handle, goes_on)


def main():
    """Book until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("new_consumer", args, work)


if __name__ == "__main__":
    main()
