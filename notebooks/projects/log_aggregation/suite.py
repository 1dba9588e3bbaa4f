"""Acceptance suite of the log aggregation: its shippers, its indexer and the broker are broken, logs are
begun anew and emptied, and each line that a service has logged has to be found, once.

The shop (``shop.py``) is given, and logs into LOGS/SERVICE/SERVICE.log. Programs of a system:

- ``shipper.py --brokers HOST:PORT… --name NAME --log FILE --positions FILE`` ships the lines of a log and
  of its older files, FILE.1, FILE.2 …, to the topic NAME.logs, with the service as the key. One for each
  log; two logs may begin with the same line. Tokens, ``tok_`` and letters and digits, never leave the
  machine. When it is killed, or the broker does not answer, 100 lines are sent again at most. When a log
  is emptied while it is read, lines that it has not read are lost: then it names the log in its error
  output.
- ``indexer.py --brokers HOST:PORT… --name NAME --database FILE`` puts them into SQLite, in their order:
  ``lines (service, time, level, message)``. What is no JSON object with these three texts, or is of 65,536
  bytes or more, goes to ``parked (service, line, reason)``; of what is too long the beginning. What the
  topic has deleted before it was read is noted in ``gaps (partition, first, next)``: the offsets from first
  to next - 1. Another may take the place of one that hangs.
- ``search.py WORDS --database FILE [--service S] [--level L]`` prints the lines which have all the words in
  their message or error: a JSON object each, in order.
"""

import json
import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from helpers import Program, fresh, wait_until
from helpers.books import Books
from helpers.brokers.ports import free as free_ports
from helpers.nodes import HOST, Kafka

SERVICES = "front", "stock", "payment"
PARTITIONS = 3
QUIET = 8.0, 30.0  # seconds without any progress: then nothing more will come
MOMENT = 1.5  # seconds in which somebody shows that he goes on too early
START = 60.0  # seconds
SENT_AGAIN = 100  # lines, when a shipper is killed, or does not hear of the broker
BROKER_GONE = 2  # times
NOISE, NOISY = 1600, 7_500  # lines, and bytes of each
DOOMED = 150  # lines, more than a shipper has in hand, that are emptied away before it is through
ROOM = 16e6  # bytes that a shipper may need more while there is no broker
TOKEN = re.compile(rb"tok_[A-Za-z0-9]{8,}")  # the greater part of one
CUSTOMERS = "Zoë Krüger", "李小龙", "Олена Шевченко", "محمد الفاسي", "O'Brien", "Åsa 🌻"
OUTAGE = "2026-03-02T09:05:00", "2026-03-02T09:09:00"  # of the provider, as in the orders' times
ODD = 'asked for "mug*" NOT (AND OR tea): -1 ^'
HALF = b'{"time": "2026-03-02T09:00:00", "level": "INFO", "message": "%s'
NO_ENTRIES = [
    *(b"Traceback (most recent call last): %s", b"  File shop.py, %s", b"%s \xff\xfe", b'["%s"]'),
    *(HALF, HALF + b' \\ud800"}', b'"%s"', b"%s \x00\x00", b"[" * 60_000 + b"%s"),
    b'{"level": "INFO", "message": "%s"}',
    b'{"time": 9, "level": "INFO", "message": "%s"}',
    b'{"time": "9", "level": null, "message": "%s"}',
    b'{"%s": 1, "message": null}',
]
SEARCHES = (
    ("timeout provider", "payment", "ERROR"),
    ("DECLINED card", None, None),
    ("mug", "stock", "WARNING"),
    ('"mug*" NOT (and', None, None),
)


def trial(trial):
    """One trial, from an empty broker to the promises."""
    system = _System(trial)
    if system.begin():
        system.kill_a_shipper_before_the_answer()
        system.kill_the_broker()
        system.begin_logs_anew()
        system.empty_logs()
        system.empty_a_log_that_is_read()
        system.send_what_is_bad()
        system.kill_the_indexer_at_work()
        system.kill_the_indexer_between_two_transactions()
        system.let_the_indexer_hang_too_long()
        system.let_the_indexer_be_away_too_long()
    system.promise_an_end()
    system.promise_lines()
    system.promise_parking()
    system.promise_search()
    trial.promise_to_run()


class _Shop:
    """The services, the orders, and what has been logged."""

    def __init__(self, trial):
        self._data, self._logs = trial.data, trial.space / "logs"
        self._ordered, self._past = 0, {service: [] for service in SERVICES}
        ports = dict(zip(SERVICES, free_ports(3), strict=True))
        self._front = ports["front"]
        more = {"front": ["--ask", ports["stock"], ports["payment"]]}
        more |= {"payment": ["--outage", *OUTAGE], "stock": []}
        for service in SERVICES:
            self.log(service).parent.mkdir(parents=True)
            self.write(service, _line("the machine is up"))  # logs may begin alike
        file = str(Path(__file__).with_name("shop.py"))
        self._programs = {
            name: Program(file, name, "--port", ports[name], "--log", self.log(name), *more[name])
            for name in SERVICES
        }
        for program in self._programs.values():
            trial.stack.callback(program.close)
        for program in self._programs.values():
            program.wait_for("listening", START)

    def log(self, service):
        """Where it logs."""
        return self._logs / service / f"{service}.log"

    def order(self, number):
        """So many orders come; it is all in the logs when this returns."""
        orders = json.dumps([self._order() for _ in range(number)]).encode()
        with urlopen(f"http://{HOST}:{self._front}", orders, timeout=60) as answer:
            answer.read()

    def restart(self, service):
        """One is killed, and started again when orders have come in vain."""
        program = self._programs[service]
        program.kill()
        self.order(3)
        lives = len(program.lines())
        program.start()
        wait_until(lambda: len(program.lines()) > lives, f"{service} to listen", START)

    def write(self, service, content):
        """Something else gets into the log, as from a library."""
        with self.log(service).open("ab") as file:
            file.write(content)

    def files(self, service):
        """Its log, the oldest file first."""
        log = self.log(service)
        old = sorted(log.parent.glob("*.log.*"), key=lambda path: -int(path.suffix[1:]))
        return [*old, log]

    def empty(self, service):
        """Empty its log in place, and delete the older files."""
        self._past[service] = [line for line in self.lines(service) if b"doomed" not in line]
        *old, log = self.files(service)
        for file in old:
            file.unlink()
        with log.open("wb"):
            pass

    def lines(self, service):
        """All that it has ever logged."""
        content = b"".join(file.read_bytes() for file in self.files(service))
        return [*self._past[service], *content.split(b"\n")[:-1]]

    def count(self):
        """How many lines have ever been logged."""
        return sum(len(self.lines(service)) for service in SERVICES)

    def token(self):
        """Whoever has it can charge the card."""
        signs = "abcdefghjkmnpqrstuvwxyzABCDEFGH23456789"
        return "tok_" + "".join(self._data.choices(signs, k=20))

    def _order(self):
        self._ordered += 1
        minute, second = divmod(self._ordered * 6, 60)
        return {
            "order": self._ordered,
            "time": f"2026-03-02T{9 + minute // 60:02}:{minute % 60:02}:{second:02}",
            "goods": self._data.choice(["mug", "teapot", "kettle"]),
            "number": self._data.randint(1, 3),
            "price": self._data.choice([12, 80, 240, 700]),
            "customer": self._data.choice(CUSTOMERS),
            "card": self.token(),
        }


class _Topic:
    """The broker, and what the shippers have put into its topic."""

    def __init__(self, trial):
        self.node = Kafka({}, {})
        trial.stack.callback(self.node.close)
        self.name = fresh("logs")
        self._partitions = [TopicPartition(f"{self.name}.logs", n) for n in range(PARTITIONS)]
        self._read = dict.fromkeys(self._partitions, 0)
        self.sent, self.leaked, self.early = Counter(), set(), []
        shape = {"num_partitions": PARTITIONS, "replication_factor": 1}
        with KafkaAdminClient(**self.node.options()) as admin:
            admin.create_topics({f"{self.name}.logs": shape}, wait_for_metadata=True)

    def address(self):
        """As a service is told it."""
        return self.node.options()["bootstrap_servers"]

    def ends(self):
        """Where each partition ends."""
        with KafkaConsumer(enable_auto_commit=False, **self.node.options()) as consumer:
            return consumer.end_offsets(self._partitions)

    def length(self):
        """How many records it has ever had."""
        return sum(self.ends().values())

    def put(self, rows):
        """Put records into it, as key and value."""
        with KafkaProducer(acks="all", **self.node.options()) as producer:
            for key, value in rows:
                producer.send(f"{self.name}.logs", key=key, value=value)

    def look(self):
        """Look at what is new in it: how many lines of whom, and with tokens or without."""
        with KafkaConsumer(enable_auto_commit=False, **self.node.options()) as consumer:
            consumer.assign(self._partitions)
            ends = consumer.end_offsets(self._partitions)
            for partition, offset in self._read.items():
                consumer.seek(partition, offset)
            while any(consumer.position(one) < ends[one] for one in self._partitions):
                for records in consumer.poll(timeout_ms=200).values():
                    for record in records:
                        self._look_at(record)
        self._read = ends

    def _look_at(self, record):
        self.sent[record.key] += 1
        self.leaked |= set(TOKEN.findall((record.key or b"") + (record.value or b"")))
        if len(self.early) < 60:
            self.early.append((record.key, record.value))

    def delete(self, until):
        """Delete what is before these offsets, as retention does. What is deleted was looked at."""
        self.look()
        with KafkaAdminClient(**self.node.options()) as admin:
            admin.delete_records(until)


class _System:
    """The shop, the programs on trial, and what is done to them."""

    def __init__(self, trial):
        self._trial, self._data = trial, trial.data
        self._began, (_, self._quiet), self._moment = monotonic(), QUIET, MOMENT
        self._topic, self._shop = _Topic(trial), _Shop(trial)
        self._told = "--brokers", self._topic.address(), "--name", self._topic.name
        self._books = Books(trial.space / "index.db")
        self._shippers = {service: self._start_shipper(service) for service in SERVICES}
        self._kills = Counter()  # of shippers
        self._indexer = self._start_indexer()
        self._more = 0  # bytes that a shipper needed while there was no broker
        self._repeated, self._strangers = Counter(), 0  # records that we have put into the topic
        self._bad = 0
        self._away = []  # of each time that records were deleted unread: lines, offsets
        self._given_up = 0  # lines for which we have waited in vain
        self._errors = 0  # that a shipper had printed before its log was emptied

    # -- the programs ------------------------------------------------------------------------

    def _start_shipper(self, service):
        positions = self._trial.space / f"{service}.positions"
        files = "--log", self._shop.log(service), "--positions", positions
        return self._trial.start("shipper.py", *self._told, *files)

    def _start_indexer(self):
        return self._trial.start("indexer.py", *self._told, "--database", self._books.file)

    def _kill(self, service):
        """Kill a shipper; it is started again."""
        self._shippers[service].kill()
        self._kills[service] += 1

    @contextmanager
    def _without(self, service):
        """Its shipper is dead meanwhile."""
        self._trial.retire(self._shippers[service])
        self._kill(service)
        yield
        self._shippers[service] = self._start_shipper(service)

    # -- states ------------------------------------------------------------------------------

    def _found(self):
        """How many lines are in the index, or parked; without those that may be missing."""
        tables = "lines WHERE message NOT LIKE 'doomed%'", "parked"
        counted = [self._books.rows(f"SELECT count(*) FROM {table}") for table in tables]
        return sum(rows[0][0] for rows in counted if rows)

    def _wanted(self):
        """How many should be there, or be said to be missing."""
        deleted = sum(len(offsets) for _, offsets in self._away)
        return self._shop.count() + self._strangers - deleted

    def _wait_for_all(self):
        """Wait until all lines are there, or no more come; how many are missing?"""
        wanted, found = self._wanted() - self._given_up, self._found()
        came = True
        while came and found < wanted:
            last = found
            more = lambda: self._found() > last  # noqa: B023, E731
            came = self._trial.wait_until(more, "more lines", self._quiet)
            found = self._found()
        missing = max(0, wanted - found)
        self._given_up += missing
        return missing

    def _wait_for_records(self, length):
        """Wait until so many records are in the topic."""
        self._trial.wait_until(
            lambda: self._topic.length() >= length,
            "the lines to be shipped",
            self._quiet,
            (KafkaError,),
        )

    def _give_a_moment(self, is_early, moments=1):
        """Wait whether somebody goes on, who shouldn't."""
        self._trial.comes(is_early, moments * self._moment, tolerate=(KafkaError,))

    # -- deeds -------------------------------------------------------------------------------

    def begin(self):
        """A sunny day: does it work at all? It shows how quick the machine is just now."""
        self._shop.order(20)
        works = not self._wait_for_all()
        took = monotonic() - self._began
        self._quiet = min(max(QUIET[0], 2 * took), QUIET[1])
        self._moment = max(MOMENT, took / 4)
        return works

    def kill_a_shipper_before_the_answer(self):
        """The broker stands still with lines before it, and has not said that it has them."""
        before, lines = self._topic.length(), self._shop.count()
        self._topic.node.pause()
        self._shop.order(20)
        self._give_a_moment(lambda: False)
        self._kill("stock")
        self._topic.node.resume()
        self._wait_for_all()
        if self._topic.length() - before > self._shop.count() - lines:
            self._trial.struck("a shipper was killed when lines were sent, and not answered")

    def kill_the_broker(self):
        """There is no broker, and much to be shipped; then the shipper is killed, and once more in the
        midst of it."""
        shipper, length = self._shippers["payment"], self._topic.length()
        before = shipper.memory()
        shipper.pause()
        self._topic.node.kill()
        self._shop.order(20)
        self._shop.write("payment", b"".join(map(_noise, range(NOISE))))
        shipper.resume()

        def takes_it_all():
            self._more = max(self._more, shipper.memory() - before)
            return self._more > ROOM

        self._give_a_moment(takes_it_all, 2)
        self._kill("payment")
        self._topic.node.start()
        self._trial.struck("the broker was killed, with 12 MB to be shipped, and the shipper then")
        self._wait_for_records(length + NOISE // 2)
        self._kill("payment")
        if self._topic.length() < length + NOISE:
            self._trial.struck("the shipper was killed again when half of that was shipped")
        self._wait_for_all()

    def begin_logs_anew(self):
        """A log is begun anew, twice, while its shipper is dead."""
        with self._without("payment"):
            files = len(self._shop.files("payment"))
            while len(self._shop.files("payment")) < files + 2:
                self._shop.order(20)
        self._trial.struck("a log was begun anew twice while its shipper was dead")
        self._wait_for_all()

    def empty_logs(self):
        """One is emptied in place while its shipper is dead, and grows past what it was."""
        self._shop.empty("stock")
        with self._without("front"):
            size = self._shop.log("front").stat().st_size
            self._shop.empty("front")
            while self._shop.files("front")[0].stat().st_size <= size:
                self._shop.order(10)
        self._trial.struck("logs were emptied in place")
        self._wait_for_all()

    def empty_a_log_that_is_read(self):
        """Its shipper has some lines in hand, which the broker does not take; the others nobody has. It is
        emptied, and grows past the place at which the shipper is."""
        self._shop.empty("payment")
        self._topic.node.pause()
        self._shop.write("payment", b"".join(_line(f"doomed {n:03d}") for n in range(DOOMED)))
        self._give_a_moment(lambda: False)
        self._errors = len(self._shippers["payment"].errors())
        self._shop.empty("payment")
        self._shop.write("payment", b"".join(_line(f"begun anew {n}") for n in range(2 * DOOMED)))
        self._topic.node.resume()
        self._wait_for_all()
        if self._doomed():
            self._trial.struck("a log was emptied while it was read")

    def send_what_is_bad(self):
        """What is no line of a log, or not yet; what is no record of a shipper's; records again."""
        half, long = (
            _line(f"half of this was written late {self._data.random()}"),
            self._long_line(),
        )
        before = self._topic.length()
        self._shop.write("front", half[:40])
        self._shop.write("stock", long[:70_000])
        self._give_a_moment(lambda: self._topic.length() > before + 1)
        self._shop.write("front", half[40:])
        self._shop.write("stock", long[70_000:])
        for content in self._bad_lines():
            self._shop.write(self._data.choice(SERVICES), content + b"\n")
        self._shop.write("stock", _line("all is well") * 2 + _line(ODD))
        self._topic.look()
        again = self._data.sample(self._topic.early, 40)
        self._repeated.update(key for key, _ in again)
        strangers = [*map(self._mark, (b"\xff\xfe %s", b'["%s"]', b'{"line": "%s"}')), None]
        strangers.append(self._mark(b'["%s",' + b"[" * 100_000))
        self._strangers = len(strangers)
        self._topic.put([*again, *((b"nobody", value) for value in strangers)])
        self._trial.struck(f"{self._bad} lines and records came that nobody can read")
        self._wait_for_all()

    def _long_line(self):
        """A line of a megabyte; a token stands where it may be cut."""
        return self._mark(
            HALF + b"y" * 65_455 + self._shop.token().encode() + b"y" * 999_999 + b"\n"
        )

    def _bad_lines(self):
        """All kinds of lines that are no entries."""
        secret = b"%s token=" + self._shop.token().encode()
        lines = [self._mark(kind) for kind in (*NO_ENTRIES, secret)]
        self._data.shuffle(lines)
        return [*lines, b""]

    def _mark(self, content):
        """With a word by which it is found again."""
        self._bad += 1
        return content.replace(b"%s", b"bad-%03d" % self._bad)

    def kill_the_indexer_at_work(self):
        """It has lines in hand, and can save nothing. A service of the shop is killed as well."""
        length, lines = self._topic.length(), self._shop.count()
        with self._books.locked():
            self._shop.restart("stock")
            self._shop.order(20)
            self._wait_for_records(length + self._shop.count() - lines)
            self._give_a_moment(lambda: False)
            self._indexer.kill()
        self._trial.struck("the indexer was killed with lines in hand")
        self._wait_for_all()

    def kill_the_indexer_between_two_transactions(self):
        """It stands still behind a commit; what it would note then is not there."""
        self._indexer.stop_at_commit()
        self._shop.order(20)
        self._give_a_moment(self._indexer.paused)
        if self._indexer.paused():
            self._trial.struck("the indexer was killed right after a transaction")
        self._indexer.kill()
        self._wait_for_all()

    def let_the_indexer_hang_too_long(self):
        """It stands still until some of what it has to read is deleted; another takes its place."""
        self._indexer.pause()
        self._let_lines_be_deleted(lambda new: self._data.randint(1, max(new - 1, 1)))
        hanging, self._indexer = self._indexer, self._start_indexer()
        self._wait_for_all()
        hanging.resume()
        self._shop.order(5)
        self._wait_for_all()
        self._trial.struck("the indexer hung until lines were deleted that it had not read")
        self._trial.retire(hanging)
        hanging.kill()

    def let_the_indexer_be_away_too_long(self):
        """It is not there until all that it has to read is deleted."""
        self._trial.retire(self._indexer)
        self._indexer.kill()
        self._let_lines_be_deleted(lambda new: new)
        self._indexer = self._start_indexer()
        self._trial.wait_until(lambda: self._gaps() >= self._away[-1][1], "a gap", self._quiet)
        self._shop.order(5)
        self._trial.struck("the indexer was away until all was deleted that it had not read")

    def _let_lines_be_deleted(self, how_many):
        """Lines come while nobody reads, and so many of a partition's new records are deleted."""
        lines, before = self._all_lines(), self._topic.ends()
        self._shop.order(15)
        new = self._all_lines() - lines
        self._wait_for_records(sum(before.values()) + new.total())
        until = {
            partition: before[partition] + how_many(end - before[partition])
            for partition, end in self._topic.ends().items()
            if end > before[partition]
        }
        self._topic.delete(until)
        offsets = {(p.partition, n) for p, end in until.items() for n in range(before[p], end)}
        self._away.append((new, offsets))

    # -- promises ----------------------------------------------------------------------------

    def promise_an_end(self):
        """That nothing is left to do."""
        missing = self._wait_for_all()
        left = [f"{missing} lines were not in the index"] if missing else []
        self._trial.promise("drained", "All was indexed soon after the last fault", left, STUCK)

    def _all_lines(self):
        """All entries that were logged, as they should be found."""
        return Counter(row for service in SERVICES for row in self._logged(service))

    def _logged(self, service):
        rows = [_entry(service, line) for line in self._shop.lines(service)]
        return [row for row in rows if row]

    def _doomed(self):
        """Lines that were found, although they might be missing, and how often."""
        query = "SELECT service, time, level, message FROM lines WHERE message LIKE 'doomed%'"
        return Counter(self._books.rows(query))

    def _gaps(self):
        """The partition and offset of each record that is said to be missing."""
        rows = self._books.rows("SELECT partition, first, next FROM gaps")
        return {(partition, n) for partition, first, end in rows for n in range(first, end)}

    def promise_lines(self):
        """That each line is there, once, in order, and without secrets."""
        say, wanted = self._trial.promise, self._all_lines()
        query = "SELECT service, time, level, message FROM lines ORDER BY rowid"
        rows = self._books.rows(query)
        doomed = self._doomed()
        found = Counter(row for row in rows if row not in doomed) + (doomed - Counter(set(doomed)))
        missing, lost, gaps, unsaid = wanted - found, wanted - found, self._gaps(), []
        for lines, offsets in self._away:
            gone = missing & lines
            lost -= gone if gone.total() <= len(offsets) else Counter()
            said = len(gaps & offsets)
            if said < gone.total():
                unsaid.append(f"{gone.total()} lines are missing, and of {said} it is said")
        deleted = {offset for _, offsets in self._away for offset in offsets}
        unsaid += [f"offset {n} of partition {p} was not deleted" for p, n in gaps - deleted]
        say("nothing_lost", "Each line that was not deleted is found", map(_short, lost), LOST)
        say("once", "Each is found once, and nothing else is", map(_short, found - wanted), TWICE)
        say("gaps_said", "What was deleted unread is said to be missing", unsaid, GAPS)
        errors = self._shippers["payment"].errors()[self._errors :]
        unread = DOOMED - len(doomed) if doomed else 0  # none, if it was not reading just then
        silent = unread and not any("payment.log" in line for line in errors)
        lost = [f"{unread} lines of payment"] if silent else []
        say("loss_said", "What was emptied away unread is said to be lost", lost, EMPTIED)
        say("order", "The lines of a service are in their order", self._disordered(rows), ORDER)
        self._topic.look()
        again = [
            f"{service}: {often} times too much"
            for service, often in self._sent_again().items()
            if often > SENT_AGAIN * (self._kills[service] + BROKER_GONE)
        ]
        say("few_again", "Few lines are sent again after a kill", again, AGAIN)
        more = [f"{self._more / 1e6:.0f} MB"] if self._more > ROOM else []
        say("bounded", "Without a broker, a shipper needs 16 MB more at most", more, BUFFER)
        say("masked", "No token leaves the machine", self._leaked(), HIDDEN)

    def _sent_again(self):
        """How many records there are more than lines, of each service."""
        counted = {service: len(self._shop.lines(service)) for service in SERVICES}
        counted["payment"] += len(self._doomed())
        sent = self._topic.sent - self._repeated
        return {name: sent[name.encode()] - number for name, number in counted.items()}

    def _disordered(self, rows):
        """The lines that come after a later one."""
        wrong = []
        for service in SERVICES:
            places = {row: n for n, row in reversed([*enumerate(self._logged(service))])}
            latest = -1
            for row in dict.fromkeys(row for row in rows if row[0] == service):
                if places.get(row, latest) < latest:
                    wrong.append(_short(row))
                latest = max(latest, places.get(row, latest))
        return wrong

    def _leaked(self):
        """Where a token stands."""
        files = [*self._trial.space.glob("*.db*"), *self._trial.space.glob("*.positions*")]
        read = b"".join(file.read_bytes() for file in files if file.is_file())
        words = "\n".join(word for one in self._shippers.values() for word in one.words()).encode()
        places = {"the topic": self._topic.leaked, "the index": set(TOKEN.findall(read))}
        places["a shipper's output"] = set(TOKEN.findall(words))
        return [f"{token.decode()} in {place}" for place, some in places.items() for token in some]

    def promise_parking(self):
        """What was put aside."""
        say = self._trial.promise
        rows = self._books.rows("SELECT service, line, reason FROM parked")
        marks = Counter(mark for _, line, _ in rows for mark in BAD.findall(line or ""))
        wanted = [f"bad-{n:03d}" for n in range(1, self._bad + 1)]
        wrong = [f"{mark}: {marks[mark]} times" for mark in wanted if marks[mark] != 1]
        say("bad_is_parked", "What can't be read is put aside, once", wrong, PARKED)
        more = [
            line[:80]
            for service, line, _ in rows
            if line and not BAD.search(line) and service != "nobody"
        ]
        say("good_is_not", "Nothing else is put aside", more, "look at its reason.")
        mute = [(line or "")[:80] for _, line, reason in rows if not reason]
        say("says_why", "What is put aside says why", mute, "look at the column `reason`.")

    def promise_search(self):
        """What is found by words."""
        wrong, known = [], self._books.rows("SELECT service, time, level, message FROM lines")
        texts, searches = self._texts(), [self._search(*one) for one in SEARCHES]
        ended = lambda: not any(search.running() for search in searches)  # noqa: E731
        self._trial.wait_until(ended, "the searches to end")
        for (words, service, level), search in zip(SEARCHES, searches, strict=True):
            wanted = Counter(
                row
                for row in known
                if row[0] == (service or row[0])
                and row[2] == (level or row[2])
                and _words(words) <= _words(texts.get(row, ""))
            )
            if Counter(map(_printed, search.lines())) != wanted:
                wrong.append(f"{words!r}: {len(search.lines())} lines, not {wanted.total()}")
        self._trial.promise("search_finds", "The search finds what has the words", wrong, SEARCH)

    def _search(self, words, service, level):
        told = [words, "--database", self._books.file]
        told += ["--service", service] if service else []
        told += ["--level", level] if level else []
        return self._trial.run("search.py", *told)

    def _texts(self):
        """What is to be searched, of each line."""
        texts = {}
        for service in SERVICES:
            for line in self._shop.lines(service):
                if row := _entry(service, line):
                    texts[row] = f"{row[3]} {json.loads(line).get('error', '')}"
        return texts


def _line(message):
    """A line of a log."""
    content = {"time": "2026-03-02T09:00:00", "level": "DEBUG", "message": message}
    return json.dumps(content).encode() + b"\n"


def _noise(number):
    """A line that says much."""
    return _line(f"cart {number} " + "x" * NOISY)


def _entry(service, line):
    """A line as it should be found; None, if it is no entry of a log, which we have marked."""
    if not line or BAD.search(line.decode(errors="replace")):
        return None
    content = json.loads(TOKEN.sub(b"tok_***", line))
    return service, content["time"], content["level"], content["message"]


def _printed(line):
    """A line of the search's output, as it stands in the index."""
    try:
        content = json.loads(line)
        return tuple(content[name] for name in ("service", "time", "level", "message"))
    except (ValueError, TypeError, KeyError):
        return line


def _words(text):
    return set(re.findall(r"[^\W_]+", text.casefold()))


def _short(row):
    """A line, to be shown."""
    return f"{row[0]}: {row[3][:60]}"


BAD = re.compile(r"bad-\d\d\d")
STUCK = "look at the last line that each program has said. What does it wait for?"
LOST = (
    "what has a shipper noted when it is killed, and who had the line then? What does it know a file by, "
    "when names change and a log is emptied? When does the indexer say how far it is?"
)
TWICE = "a record may come again. What tells that it is the same line?"
GAPS = "what does a consumer do by default whose next record has been deleted, and who hears of it?"
EMPTIED = "what does a shipper read next when its file is another one now, and who hears of it?"
ORDER = "order holds within a partition. Which lines are in one?"
AGAIN = "what does a shipper know when it begins?"
BUFFER = "how many lines are on their way when nobody takes them? The file can wait."
HIDDEN = "a secret may stand anywhere, also in a line that is no JSON."
PARKED = "what becomes of a line, or a record, that can't be read; and of one that is too long?"
SEARCH = "words that people look for may be words of the query's own language, or hold its signs."
