"""Ships the lines of a service's log to Kafka. Works as long as nothing goes wrong.

By hand: python shipper.py --brokers 127.0.0.1:9092 --name try --log logs/payment/payment.log --positions FILE
"""

import argparse
import json
import re
from pathlib import Path

from kafka import KafkaProducer

from helpers.programs import asked_to_end

LOOK = 0.1  # seconds until we look for new lines
TOKEN = re.compile(r"tok_[A-Za-z0-9]+")  # whoever has it can charge the card


def ship(args, producer):
    """Ship what is new since the position that we have noted."""
    position = int(args.positions.read_text()) if args.positions.exists() else 0
    if position > args.log.stat().st_size:  # the log has been begun anew
        position = 0
    with args.log.open("rb") as log:
        log.seek(position)
        for line in log.readlines():
            content = json.loads(line)
            content["message"] = TOKEN.sub("tok_***", content["message"])
            value = json.dumps({"service": args.log.stem, **content})
            producer.send(f"{args.name}.logs", value.encode(), key=args.log.stem.encode())
        args.positions.write_text(str(log.tell()))


def main():
    """Ship until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument("--name", required=True, help="what the topic of this run begins with")
    parser.add_argument("--log", type=Path, required=True, help="the file; its stem is the service")
    parser.add_argument("--positions", type=Path, required=True, help="a file of our own")
    args = parser.parse_args()
    asked = asked_to_end()
    producer = KafkaProducer(bootstrap_servers=args.brokers)
    while not asked.wait(LOOK):
        if args.log.exists():
            ship(args, producer)
    producer.close()


if __name__ == "__main__":
    main()
