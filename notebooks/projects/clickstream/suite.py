"""Acceptance suite of the clickstream: processors, website, dashboard and the broker are broken, and what
is in the database has to equal a computation over the whole topic, to the last click.

The topic NAME.clicks has four partitions. A click is a record with the visitor as its key, and as its
value ``{"id": …, "visitor": …, "page": "/…", "time": MILLISECONDS}``: when it was made. The record's
timestamp says when it arrived. Each record is exactly one of these, looked at in this order:

- **refused**: no JSON, or neither key nor value; a field missing or of another type; a text that is
  empty, longer than 200 signs or not printable; a page without its slash; a key that is not the visitor;
  a time below zero, or more than a minute after the arrival;
- **late**: more than ten minutes older than the newest click before it in its partition, those that are
  refused not counted;
- **repeated**: a click with its id was counted before;
- **counted**.

Programs of a system:

- ``processor.py --brokers HOST:PORT… --name NAME --database FILE``, of which two run, in the group
  NAME.processor. Their database (SQLite, which both write) has the tables ``sessions (visitor, began,
  ended, clicks)``: more than half an hour without a click ends a session; ``page_views (began, page,
  views)``: a window is ten minutes, from the full hour on; and ``tally (kind, number)``, with a row for
  each of the four kinds. Times are those of the clicks, in milliseconds. What is refused or late goes
  to NAME.refused or NAME.late as it came, with the headers ``partition`` and ``offset`` of where it was,
  and ``reason``. An id is forgotten when its click, coming again, would be late.
- ``dashboard.py --database FILE`` prints a line whenever something has changed. It begins with ``counted
  N``.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from operator import gt, lt
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import psutil
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from helpers import Program, clients, fresh, wait_until
from helpers.books import Books
from helpers.commits import Service
from helpers.nodes import Kafka

PARTITIONS = 4
SECOND, MINUTE = 1_000, 60_000
GAP, WINDOW, LATENESS, AHEAD = 30 * MINUTE, 10 * MINUTE, 10 * MINUTE, MINUTE
SECOND_DAY = 1_741_046_400_000  # between two of the website's: Tuesday, 4 March 2025
SECONDS = 15.0  # for a deed
PATIENCE = 30.0  # for the broker
QUIET = 8.0  # seconds without any progress: then nothing more will come
MOMENT = 1.0  # seconds in which a processor has read what there is, on an idle machine
LOOKS = 2_000  # of some milliseconds, for a state that passes
FIELDS = {"id": str, "visitor": str, "page": str, "time": int}


def trial(trial):
    """One trial, from an empty topic to the promises."""
    system = _System(trial)
    if system.begin():
        system.kill_with_clicks_in_hand()
        system.kill_at_rest()
        system.send_what_is_no_click()
        system.break_it_while_it_keeps_up()
    system.promise_an_end()
    batch = _Batch(system.records("clicks"))
    system.promise_results(batch)
    system.promise_parking(batch)
    trial.promise_to_run()


class _Clicks:
    """Visitors of the second day, and what is sent of their clicks."""

    def __init__(self, data):
        self._data, self._now, self._drawn = data, SECOND_DAY, 0

    def some(self, number):
        """So many new clicks in the order of arrival, none of them late: each with its arrival."""
        return [self._one(self._data.choice([0, 0, 9 * MINUTE])) for _ in range(number)]

    def for_each_partition(self, age=0):
        """Enough new clicks that each partition gets some, all so old: milliseconds."""
        return [self._one(0, age, f"visitor-{number}") for number in range(60)]

    def pass_by(self, time):
        """So much time passes in which nobody clicks: milliseconds."""
        self._now += time

    def joined(self):
        """Three visitors click, and again after more than half an hour; a click between comes last."""
        visitors = [f"wanderer-{number}" for number in range(3)]
        before = [self._one(0, 0, visitor) for visitor in visitors]
        self.pass_by(35 * MINUTE)
        after = [self._one(0, 0, visitor) for visitor in visitors]
        return [*before, *after, *(self._one(0, 8 * MINUTE, visitor) for visitor in visitors)]

    def bad_ones(self):
        """Records that are no clicks, as arrival, key and value."""
        said = [b"\xff\xfe\x00", None, b"", b"null", b"[]", b'"click"', b"[" * 100_000, b"NaN"]
        wrong = [{"time": None}, {"time": "12:30"}, {"time": -1}, {"time": 1e12}, {"time": True}]
        wrong += [{"time": 10**30}, {"id": 7}, {"id": ""}, {"id": "x" * 201}, {"page": "shoes"}]
        wrong += [{"page": "/\ud800"}, {"page": "/\x00"}, {"page": ["/"]}, {"visitor": None}]
        wrong += [{"time": self._now + days * 86_400_000} for days in (1, 400)]
        rows = [(b"visitor-1", value) for value in said]
        for changed in wrong:
            rows.append(self._spoilt(**changed))
        for field in FIELDS:
            key, value = self._spoilt()
            short = {name: what for name, what in json.loads(value).items() if name != field}
            rows.append((key, json.dumps(short).encode()))
        rows += [(key, self._spoilt()[1]) for key in (b"somebody else", None)]
        return [(self._now, key, value) for key, value in rows]

    def _spoilt(self, **changed):
        """A click with these fields changed, as key and value."""
        click = self._click()
        return click["visitor"].encode(), json.dumps({**click, **changed}).encode()

    def _one(self, most, age=0, visitor=""):
        self._now += self._data.choice([0, 1, 2, 30]) * SECOND
        click = self._click()
        click["visitor"] = visitor or click["visitor"]
        click["time"] -= age + self._data.randint(0, most)
        return self._now, click["visitor"].encode(), json.dumps(click).encode()

    def _click(self):
        self._drawn += 1
        return {
            "id": f"id-{self._drawn}-{self._data.randrange(10**9)}",
            "visitor": f"visitor-{self._data.randrange(60)}",
            "page": self._data.choice(["/", "/search", "/größe/九", f"/{self._data.randrange(9)}"]),
            "time": self._now,
        }


class _Batch:
    """What the whole topic says, computed at once and from the beginning."""

    def __init__(self, records):
        """``records`` are all of the topic."""
        self.late, self.refused, self.tally = set(), set(), Counter()
        self.forgotten, clicks = set(), []
        for number in range(PARTITIONS):
            mine = [one for one in records if one.partition == number]
            clicks += self._judge(sorted(mine, key=lambda record: record.offset))
        self.views = Counter((click["time"] // WINDOW * WINDOW, click["page"]) for click in clicks)
        self.sessions = set(_sessions(clicks))

    def _judge(self, records):
        """The clicks of a partition that count."""
        counted, newest = {}, 0
        for record in records:
            row, click = (record.partition, record.offset, record.value), _click(record)
            if click is None:
                self.refused.add(("refused", *row))
                continue
            if click["time"] < newest - LATENESS:
                self.late.add(("late", *row))
            elif click["id"] in counted:
                self.tally["repeated"] += 1
            else:
                counted[click["id"]] = click
            newest = max(newest, click["time"])
        self.tally["counted"] += len(counted)
        self.tally["late"], self.tally["refused"] = len(self.late), len(self.refused)
        long_past = newest - LATENESS - WINDOW
        self.forgotten |= {one["id"] for one in counted.values() if one["time"] < long_past}
        return counted.values()


class _System:
    """The programs, their broker, and what is done to them."""

    def __init__(self, trial):
        self._trial, self._name = trial, fresh("clicks")
        self._node = trial.stack.enter_context(Kafka({}, {}))
        self._brokers = SimpleNamespace(kafka=self._node.options())
        self._make_topics()
        self._books = Books(trial.space / "clicks.db")
        self._books.file.touch()
        self._books.rows("PRAGMA journal_mode = WAL")  # whoever looks into it hinders nobody
        self._clicks, self._seed = _Clicks(trial.data), trial.data.randrange(10**6)
        self._moment = MOMENT
        producer = KafkaProducer(**self._brokers.kafka, acks="all")
        self._producer = trial.stack.enter_context(closing(producer))
        self._told = ["--brokers", self._brokers.kafka["bootstrap_servers"]]
        self._told += ["--name", self._name]
        told = *self._told, "--database", self._books.file
        self._processors = [trial.start("processor.py", *told) for _ in range(2)]
        self._dashboard = trial.start("dashboard.py", "--database", self._books.file)

    def _make_topics(self):
        forever = {"retention_ms": "-1"}  # the clicks are of days that are long over
        clients.make_topic(self._brokers, f"{self._name}.clicks", PARTITIONS, **forever)
        for topic in ("late", "refused"):
            clients.make_topic(self._brokers, f"{self._name}.{topic}")

    # -- what can be seen --------------------------------------------------------------------

    def records(self, topic):
        """All that is in a topic."""
        return clients.read_topic(self._brokers, f"{self._name}.{topic}")

    def _done(self):
        """Of how many records the database tells."""
        return sum(number for _, number in self._books.rows("SELECT kind, number FROM tally"))

    def _has_more_than(self, number):
        return self._done() > number

    def _sent(self):
        """How many records there are. A broker that stood still leads nothing for a moment."""
        what = "the broker to lead all partitions"
        return wait_until(lambda: [self._end()], what, PATIENCE, tolerate=(KafkaError,))[0]

    def _end(self):
        with KafkaAdminClient(**self._brokers.kafka) as admin:
            asked = {
                TopicPartition(f"{self._name}.clicks", n): OffsetSpec.LATEST
                for n in range(PARTITIONS)
            }
            return sum(one.offset for one in admin.list_partition_offsets(asked).values())

    def _is_committed(self):
        """Does the group say that all is done?"""
        offsets = clients.committed(self._brokers, f"{self._name}.processor").values()
        return sum(max(offset, 0) for offset in offsets) >= self._sent()

    def _members(self):
        """How many members the group has, each of them with its share."""
        group = f"{self._name}.processor"
        with KafkaAdminClient(**self._brokers.kafka) as admin:
            found = admin.describe_groups([group])[group]
        return len(found["members"]) if found["group_state"] == "Stable" else 0

    def _wait(self, what, check, seconds=SECONDS):
        return self._trial.wait_until(check, what, seconds, tolerate=(KafkaError, sqlite3.Error))

    def _catch_up(self):
        """All that was sent is done, one way or another."""
        sent = self._sent()
        self._wait("all clicks to be done", lambda: self._done() >= sent)

    def _share(self):
        """Two processors share the work."""
        self._wait("two processors in the group", lambda: self._members() == 2)

    # -- what is done to them ----------------------------------------------------------------

    def _send(self, rows):
        """Send records, as arrival, key and value; all are safe when this returns."""
        topic = f"{self._name}.clicks"
        sent = [
            self._producer.send(topic, key=key, value=value, timestamp_ms=arrival)
            for arrival, key, value in rows
        ]
        for one in sent:
            one.get(timeout=20)
        return rows

    def _let_them_read(self):
        """Time to read what was sent, while nothing can be saved; or to say too early that it is done."""
        self._trial.comes(self._is_committed, self._moment, tolerate=(KafkaError,))

    def _kill_processors(self):
        for processor in self._processors:
            processor.kill()

    def _start_website(self, day, clicks, *more):
        """The website, with visitors who are the same whenever it begins."""
        site, seed = str(Path(__file__).with_name("website.py")), self._seed + day
        days = "--seed", seed, "--day", day, "--clicks", clicks
        program = Program(site, *self._told, *days, *more)
        self._trial.stack.callback(program.close)
        return program

    def begin(self):
        """The website has its first visitors, on a sunny day; does it work at all?"""
        self._share()
        self._start_website(1, 300).wait_for("sent 300", 30)
        begun = monotonic()
        if not self._wait("the first clicks", lambda: self._done() >= 300, 25):
            return False
        self._moment = MOMENT + 2 * (monotonic() - begun)
        return True

    def kill_with_clicks_in_hand(self):
        """Both have clicks in hand, and can save nothing."""
        self._share()
        with self._books.locked():
            self._send(self._clicks.some(200))
            self._let_them_read()
            self._kill_processors()
        self._trial.struck("both processors were killed with clicks in hand")
        self._catch_up()

    def kill_at_rest(self):
        """What comes first to the next ones is late, or a copy of what the dead ones have counted."""
        before = self._send(self._clicks.for_each_partition())
        self._catch_up()
        self._kill_processors()
        self._send(self._clicks.for_each_partition(age=4 * LATENESS))
        self._send(before[-30:])
        self._trial.struck("both were killed at rest; what came then was late, or had come before")
        self._catch_up()

    def send_what_is_no_click(self):
        """Bad records in all partitions, and good ones among them."""
        bad = self._clicks.bad_ones()
        rows = self._clicks.some(40)
        for row in bad:
            rows.insert(self._trial.data.randint(0, len(rows)), row)
        self._send([*rows, *self._clicks.joined(), *self._clicks.for_each_partition()])
        clients.send_nothing(self._brokers, f"{self._name}.clicks")
        self._trial.struck(f"{len(bad) + 1} records came that are no clicks")
        self._catch_up()

    def break_it_while_it_keeps_up(self):
        """All that needs a system that has come through what was before."""
        for break_it in (
            self.kill_after_the_rows,
            self.kill_in_a_transaction,
            self.let_one_sleep,
            self.kill_the_broker_and_the_website,
        ):
            done, sent = self._done(), self._sent()
            if done != sent:
                self._trial.struck(f"no more: of {sent} records it tells of {done}")
                return
            break_it()

    def kill_after_the_rows(self):
        """The broker stands still: clicks in hand can be saved, nobody can tell it so, and what is late
        can't be put aside. Each stops behind its first transaction: a second one is never begun."""
        for _ in range(3):
            self._share()
            with self._books.locked():
                before = self._done()
                late = self._clicks.for_each_partition(age=4 * LATENESS)
                self._send([*late, *self._clicks.some(200)])
                self._let_them_read()
                self._node.pause()
                for processor in self._processors:
                    processor.stop_at_commit()
            if self._trial.comes(partial(self._has_more_than, before), SECONDS):
                self._trial.comes(lambda: any(map(Service.paused, self._processors)), MOMENT)
            saved = self._done() - before
            self._kill_processors()
            self._node.kill()  # and with it what was on its way there
            self._node.start()
            if saved:
                told = "which the broker could not be told"
                self._trial.struck(f"both were killed when they had saved clicks, {told}")
                break
        self._catch_up()

    def kill_in_a_transaction(self):
        """Three times, wherever in it they are: its first statements may be harmless, or its last."""
        times = 0
        for _ in range(3):
            self._share()
            running = [one for processor in self._processors for one in processor.processes()]
            with self._books.locked():
                self._send(self._clicks.some(1000))
                sent = self._sent()
            for _ in range(LOOKS):
                if self._done() >= sent:
                    break
                if self._is_caught(running):
                    times += 1
                    break
            self._catch_up()
        if times:
            often = f"{times} times both were killed"
            self._trial.struck(f"{often}, one of them in the midst of a transaction")

    def _is_caught(self, running):
        """Freeze these processes; kill them if one has a transaction open, else let them go on."""
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        caught = self._is_in_a_transaction()
        if caught:
            self._kill_processors()
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        return caught

    def _is_in_a_transaction(self):
        """Does somebody hold the database?"""
        try:
            with self._books.locked(timeout=0):
                return False
        except sqlite3.OperationalError:
            return True

    def let_one_sleep(self):
        """One stands still with clicks in hand until the other has done them, and much more."""
        self._share()
        self._send(self._clicks.for_each_partition())  # so that both have begun with their share
        self._catch_up()
        sleeper = self._trial.data.choice(self._processors)
        with self._books.locked():
            self._send(self._clicks.some(200))
            self._let_them_read()
            sleeper.pause()
        self._catch_up()
        self._clicks.pass_by(180 * MINUTE)
        self._send(self._clicks.for_each_partition())
        self._catch_up()
        sleeper.resume()
        self._trial.struck("one slept with clicks in hand, and woke when the other had done them")
        self._share()
        self._send(self._clicks.some(100))
        self._catch_up()

    def kill_the_broker_and_the_website(self):
        """The broker dies while clicks come, and so does the website, which then begins anew."""
        website = self._start_website(3, 2000, "--per-second", 1500)
        website.wait_for("sent 700", 30)
        self._node.kill()
        website.kill()
        self._dashboard.kill()
        self._node.start()
        self._trial.struck("broker, website and dashboard were killed while clicks came")
        website.start()
        wait_until(lambda: not website.running(), "all clicks to be sent", 60)
        self._catch_up()

    def _put_aside(self, topic):
        """What is in one of the topics beside, with where it was, and the reason."""
        found = []
        for record in self.records(topic):
            said = {name: content.decode() for name, content in record.headers}
            origin = said.get("partition", ""), said.get("offset", "")
            place = map(int, origin) if all(map(str.isdigit, origin)) else (-1, record.offset)
            found.append(((topic, *place, record.value), said.get("reason")))
        return found

    # -- promises ----------------------------------------------------------------------------

    def promise_an_end(self):
        """That nothing is left to do."""
        last, sent = [-1, monotonic()], self._sent()

        def over():
            done = self._done()
            if done != last[0]:
                last[:] = done, monotonic()
            return done >= sent or monotonic() - last[1] > QUIET

        self._wait("all to be done", over, 60)
        left = sent - self._done()
        self._trial.promise(
            "drained", "All was done", [f"{left} clicks are left"] * (left > 0), STUCK
        )

    def promise_results(self, batch):
        """What is in the database, click by click."""
        say = self._trial.promise
        found = self._books.rows(
            "SELECT began, page, sum(views) FROM page_views GROUP BY began, page"
        )
        views = Counter({(began, page): number for began, page, number in found})
        say(
            "nothing_lost",
            "Each click is among its page's views",
            _unlike(views, batch.views, lt),
            LOST,
        )
        say("nothing_twice", "No click is counted twice", _unlike(views, batch.views, gt), TWICE)
        sessions = set(self._books.rows("SELECT visitor, began, ended, clicks FROM sessions"))
        wrong = [_session(row, "missing") for row in batch.sessions - sessions]
        wrong += [_session(row, "and should not be") for row in sessions - batch.sessions]
        say("sessions", "Sessions are as a batch computation has them", wrong, SESSIONS)
        tally = Counter(dict(self._books.rows("SELECT kind, number FROM tally")))
        kinds = sorted(batch.tally | tally)
        differ = [
            f"{kind}: {tally[kind]}, not {batch.tally[kind]}"
            for kind in kinds
            if tally[kind] != batch.tally[kind]
        ]
        say("accounted_for", "Each record is accounted for once, as what it is", differ, ACCOUNTED)
        kept = self._books.everything()
        still = [name for name in batch.forgotten if f"'{name}'" in kept]
        say("forgets", "Ids of clicks that are long past are forgotten", still, FORGETS)
        self._promise_dashboard()

    def _promise_dashboard(self):
        """It has to come to what is in the database, and never to go back."""
        self._wait("the dashboard to show it", lambda: self._shown()[-1:] == self._counted(), 5)
        seen, counted = self._shown(), self._counted()
        back = [f"{a} and then {b}" for a, b in pairwise(seen) if b < a]
        if seen[-1:] != counted:
            back.append(f"it ends at {seen[-1:]}, not {counted}")
        text = "The dashboard shows what is in the database, and never goes back"
        self._trial.promise("dashboard", text, back, DASHBOARD)

    def _counted(self):
        return [n for (n,) in self._books.rows("SELECT number FROM tally WHERE kind = 'counted'")]

    def _shown(self):
        lines = [line.split() for line in self._dashboard.lines()]
        return [int(line[1]) for line in lines if line[:1] == ["counted"]]

    def promise_parking(self, batch):
        """What was put aside."""
        aside = [*self._put_aside("late"), *self._put_aside("refused")]
        late = batch.late & {row for row, _ in aside}
        text = "What comes too late is parked"
        self._trial.promise("late_is_kept", text, batch.late - late, LATE)
        self._trial.promise_parking("What is no click", batch.refused | late, aside, PARKED)


def _click(record):
    """The click in a record, or None if it is none."""
    try:
        said = json.loads(record.value)
        click = {name: said[name] for name in FIELDS}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = [content for name, content in click.items() if name != "time"]
    right = (
        all(type(content) is FIELDS[name] for name, content in click.items())
        and all(0 < len(text) <= 200 and text.isprintable() for text in texts)
        and click["page"][0] == "/"
        and record.key == click["visitor"].encode()
        and 0 <= click["time"] <= record.timestamp + AHEAD
    )
    return click if right else None


def _sessions(clicks):
    """Each visitor's clicks, cut where he was away: visitor, first, last, and how many."""
    times = defaultdict(list)
    for click in clicks:
        times[click["visitor"]].append(click["time"])
    for visitor, all_times in times.items():
        all_times.sort()
        cuts = [n for n in range(1, len(all_times)) if all_times[n] - all_times[n - 1] > GAP]
        for first, end in pairwise([0, *cuts, len(all_times)]):
            yield visitor, all_times[first], all_times[end - 1], end - first


def _unlike(views, wanted, wrong):
    """The pages and windows whose views compare like that with what they should be."""
    return [
        f"{_clock(began)} {page}: {views[began, page]}, not {wanted[began, page]}"
        for began, page in views | wanted
        if wrong(views[began, page], wanted[began, page])
    ]


def _session(row, what):
    visitor, began, ended, clicks = row
    return f"{visitor} {_clock(began)}-{_clock(ended)}, {clicks} clicks, {what}"


def _clock(time):
    """A time of the simulation, to be read: milliseconds since 1970."""
    return f"{datetime.fromtimestamp(time / 1000, UTC):%d %H:%M:%S}"


STUCK = "look at the last line that a processor said, and at what it does with a record that it can't read."
LOST = "what was noted as done when a processor was killed, and what was saved? Which time is a click's?"
TWICE = "rows and position: can one of them be there without the other? What tells that a click came before?"
SESSIONS = (
    "clicks come out of order. What if one falls between two sessions? What did a killed one know?"
)
ACCOUNTED = "compare the newest click of the partition, and the ids seen: in the topic, and in the database."
FORGETS = "how old can a click be that is still counted? Who needs to know the ids of older ones?"
DASHBOARD = "what does it read, and when?"
LATE = "nobody counts it; somebody may want it. What if the processor dies right after its transaction?"
PARKED = "what becomes of a record that can't be read, and of one that nobody should believe?"
