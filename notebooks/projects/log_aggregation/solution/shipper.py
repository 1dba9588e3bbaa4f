"""Ships the lines of a service's log to Kafka. It runs beside the service, and reads its files only.

It takes a few lines, waits until the brokers have them, and notes how far it is: then the next few.
While there is no broker, it waits, and the file keeps what comes. A line that was sent and not noted is
sent again by the next life, with the same place.

A file is known by its first line, not by its name: that changes when the log is begun anew, and a name
may then stand for another file. Nor by its inode: that stays when a log is emptied in place. What was
emptied away before it was read is lost; a shipper that was reading it says so.

By hand: python shipper.py --brokers 127.0.0.1:9092 --name try --log logs/payment/payment.log --positions FILE
"""

import hashlib
import json
import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import lines
from kafka import KafkaProducer

from helpers.programs import asked_to_end

BATCH = 100  # lines that are on their way at a time: all that is in memory
LOOK = 0.1  # seconds until we look for new lines
YEAR = 365 * 24 * 3600 * 1000  # milliseconds


def open_files(log, stack):
    """The files of a log, opened, the oldest first. They stay what they are when names change."""
    while True:
        with suppress(FileNotFoundError):  # a name has just changed
            opened = [(path, stack.enter_context(path.open("rb"))) for path in paths(log)]
            if len(opened) == len(paths(log)) and all(is_at(*one) for one in opened):
                return [file for _, file in opened]


def paths(log):
    """FILE.2, FILE.1, FILE."""
    old = [path for path in log.parent.glob(f"{log.name}.*") if path.suffix[1:].isdecimal()]
    old.sort(key=lambda path: -int(path.suffix[1:]))
    return [*old, log] if log.exists() else old


def is_at(path, file):
    """Does the name still stand for the file that was opened?"""
    return os.path.samestat(path.stat(), os.fstat(file.fileno()))


def identity(file):
    """What a file is known by: its first line, which nobody changes. None while it has none."""
    start = os.pread(file.fileno(), lines.LONGEST, 0)  # as it is now, not as it was buffered
    if b"\n" not in start and len(start) < lines.LONGEST:
        return None
    return hashlib.sha256(start.partition(b"\n")[0]).hexdigest()[:16]


class Positions:
    """How far each file has been shipped, in a file of our own that is never half written."""

    def __init__(self, path):
        self._path = path
        self._known = json.loads(path.read_text()) if path.exists() else {}

    def of(self, file):
        """The offset of the first byte that is not shipped."""
        return self._known.get(file, 0)

    def save(self, file, offset):
        """Note it: it holds when this returns."""
        self._known[file] = offset
        draft = self._path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(self._known, file)
            file.flush()
            os.fsync(file.fileno())  # or it may be empty when the power comes back
        draft.replace(self._path)

    def forget_all_but(self, files):
        """Of files that are gone nothing is kept in mind."""
        self._known = {file: self._known[file] for file in files if file in self._known}


def take(file, name, position):
    """The next few lines, each with its place; without one that is still being written."""
    file.seek(position)
    taken = []
    while len(taken) < BATCH:
        offset = file.tell()
        content = last = file.readline(lines.LONGEST)
        while len(last) == lines.LONGEST and not last.endswith(b"\n"):
            last = file.readline(lines.LONGEST)  # too long: the rest is passed by
        if not last.endswith(b"\n"):
            file.seek(offset)
            break
        taken.append((f"{name}:{offset}", content))
    return taken


def send(args, producer, taken):
    """Send a few lines, and return when the brokers have them, however long it takes."""
    topic, key = f"{args.name}.logs", args.log.stem.encode()
    sent = [producer.send(topic, lines.pack(*line), key=key) for line in taken]
    for one in sent:
        one.get()


def ship(args, producer, positions, files):
    """Ship what is new, a few lines at a time, each few when those before are safe."""
    for name, file in files.items():
        while (taken := take(file, name, positions.of(name))) and identity(file) == name:
            send(args, producer, taken)
            positions.save(name, file.tell())
        if identity(file) != name:  # what was taken last may be of another log
            said = f"{args.log} was emptied while it was read: some of its lines may be lost"
            print(said, file=sys.stderr, flush=True)


def main():
    """Ship until we are asked to end."""
    parser = lines.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--log", type=Path, required=True, help="the file; its stem is the service")
    parser.add_argument("--positions", type=Path, required=True, help="a file of our own")
    args = parser.parse_args()
    asked = asked_to_end()
    positions = Positions(args.positions)
    producer = KafkaProducer(
        bootstrap_servers=args.brokers,
        acks="all",
        delivery_timeout_ms=YEAR,  # whoever gives up a line lets the next overtake it
        reconnect_backoff_max_ms=200,
    )
    while not asked.wait(LOOK):
        with ExitStack() as stack:
            opened = open_files(args.log, stack)
            files = {name: file for file in opened if (name := identity(file))}
            positions.forget_all_but(files)
            ship(args, producer, positions, files)


if __name__ == "__main__":
    main()
