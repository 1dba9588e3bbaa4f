"""Acceptance suite of the sign-up: its services, a broker node and the mail are broken, and everybody who
has registered has to be known everywhere, be greeted once, and be forgotten when he wants.

Programs of a system, each told ``--brokers HOST:PORT…``, ``--name`` (what its topics and groups begin
with) and ``--database FILE`` (SQLite). A group is called NAME.SERVICE, a service as its file.

- ``registration.py`` takes requests from the topic NAME.requests and publishes events to NAME.people,
  in the envelope of CloudEvents 1.0. What it refuses goes to NAME.rejected as it came, and the header
  ``reason`` says why. One process. A request is ``{"request": ID, "do": "register", "email": …, "name":
  …, "address": …, "country": "DE", "day": "2026-03-01", "news": true}``; or ``"do": "change"`` with the
  address and one or more of name, address, country and news; or ``"do": "delete"``. It has no other
  fields. A text is one line and not blank, an e-mail address has an @ between two parts and is kept in
  small letters, a country is two capital letters, a day is a real one.
- ``mailer.py`` is also told ``--smtp HOST:PORT``: one mail to everybody who registers. Where the mail
  server says that no mail can be sent, the event is put aside as what is none.
- ``profiles.py``: table ``profiles (user, email, name, address, country)``.
- ``analytics.py``: table ``registrations (day, country, number)``; whoever goes has come all the same.
- ``crm.py``: table ``contacts (user, email, name, changes)``, with the number of a person's changes.
- ``newsletter.py``: table ``readers (user, email, name)`` of those who want it. It is started last.

Each but the registration puts what is no event, or of a schema that it does not know (``dataschema``),
into NAME.dead_letters, with the headers ``reason`` and ``service``. An event is of one of three types,
``person.registered`` and so on, and its texts are such as a request has. What is bad may be as large as
Kafka takes it, and may have neither a key nor a value.
"""

import json
import sqlite3
import uuid
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError

from helpers import Program, clients, fresh, kafka_cluster
from helpers.books import Books
from helpers.commits import Service

SUBSCRIBERS = "mailer", "profiles", "analytics", "crm"
LATE = "newsletter"
SECONDS = 15.0  # for a deed
QUIET = 12.0  # seconds without any progress: then nothing more will come
MOMENT = 1.5  # seconds in which a service shows that it says too early that it is ready
COMING = 5  # people, one by one
LONG = "x" * 600_000  # twice that is more than a record holds
PARTITIONS = 3
NAMES = [
    *(
        "Zoë Krüger",
        "李小龙",
        "Олена Шевченко",
        "محمد الفاسي",
        "יעל כהן",
        "Σοφία Παππά",
        "อรทัย ใจดี",
    ),
    *(
        "ნინო ბერიძე",
        "சித்ரா",
        "김민준",
        "さくら",
        "Ngô Thị Mai",
        "O'Brien",
        "علی\u200cرضا",
        "Åsa 🌻",
    ),
]


def trial(trial):
    """One trial, from an empty cluster to the promises."""
    cluster = kafka_cluster()
    trial.stack.callback(cluster.down)
    system = _System(trial, cluster)
    if system.begin():
        system.kill_the_registration_at_work()
        system.kill_everybody_at_work()
        system.let_the_mailer_hang()
        system.send_what_came_before()
        system.kill_everybody_at_a_commit()
        system.kill_a_node()
        system.kill_the_registration_before_anything_is_safe()
        system.kill_the_registration_between_two_steps()
    system.start_the_newsletter()
    system.promise_an_end()
    system.promise_mails()
    system.promise_views()
    system.promise_parking()
    trial.promise_to_run()


class _People:
    """Who asks for what, and what is true afterwards."""

    def __init__(self, data):
        self._data = data
        self.alive, self.registered, self.gone = {}, [], []
        self.refused, self.out_of_reach = [], []
        self._granted, self._staying, self._drawn = [], set(), 0

    def requests(self, number):
        """So many more, as key and value; each changes what is true."""
        kinds = [self._register, self._change, self._delete, self._press_twice]
        weights = [60, 26, 8, 6]
        return [self._data.choices(kinds, weights)[0]() for _ in range(number)]

    def person(self):
        """Somebody who is not registered."""
        self._drawn += 1
        return {
            "email": f"{self._data.choice(['Anna', 'b.o', 'li'])}.{self._drawn}@example.org",
            "name": self._data.choice(NAMES),
            "address": self._address(),
            "country": self._data.choice(["DE", "FR", "JP", "UA"]),
            "day": f"2026-03-0{self._data.randint(1, 4)}",
            "news": self._data.random() < 0.5,
        }

    def register(self, person):
        """His request."""
        key = person["email"].casefold()
        self.alive[key] = {**person, "email": key, "changes": 0, "addresses": [person["address"]]}
        self.registered.append((key, person["day"], person["country"]))
        return self._request("register", person)

    def register_for_good(self, person=None):
        """His request. Nobody asks for anything else about him: if it is lost, that shows."""
        person = person or self.person()
        self._staying.add(person["email"].casefold())
        self.register(person)
        return self._granted.pop()

    def without_a_mailbox(self):
        """Requests of people to whom no mail can be sent: one who has no mailbox, and one whose address
        is of letters that the mail server doesn't know."""
        people = [self.person(), self.person()]
        for person, word in zip(people, ["no.mailbox", "zoë"], strict=True):
            person["email"] = f"{word}.{person['email'].casefold()}"
            self.out_of_reach.append(person["email"])
        return [self.register_for_good(person) for person in people]

    def bad(self, content):
        """A request that is to be refused."""
        value = content if content is None or isinstance(content, bytes) else _packed(content)
        self.refused.append(value)
        return b"bad", value

    def bad_ones(self):
        """All kinds of requests that make no sense, or do harm."""
        said = [b"\xff\xfe\x00", None, b"", b"[]", b'"register"', b"[" * 100_000]
        wrong = [
            {"name": "Eve\r\nBcc: all@example.org"},
            {"name": " "},
            {"name": 7},
            {"name": LONG},
            {"day": "2026-02-30"},
        ]
        wrong += [{"country": "Germany"}, {"news": "yes"}, {"email": "nobody"}, {"role": "admin"}]
        wrong += [
            {"do": "fly"},
            {"do": []},
            {"request": "\ud800"},
            {"request": None},
            {"email": None},
        ]
        for more in wrong:
            said.append({"request": self._id(), "do": "register", **self.person(), **more})
        short = {"request": self._id(), "do": "register", **self.person()}
        del short["country"]
        known = self._somebody()
        nobody = {"do": "delete", "email": "nobody@example.org"}
        said += [short, {"request": self._id(), **nobody}]
        said.append({"request": self._id(), "do": "change", "email": known, "day": "2026-03-01"})
        said.append({"request": self._id(), "do": "change", "email": known})
        return [self.bad(one) for one in said]

    def _register(self):
        again = sorted({email for email, _ in self.gone} - self.alive.keys())
        person = self.person()
        if again and self._data.random() < 0.1:
            person["email"] = self._data.choice(again)
        return self.register(person)

    def _change(self):
        if not (email := self._somebody()):
            return self._register()
        new = self.person()
        some = self._data.sample(["name", "address", "country", "news"], self._data.randint(1, 3))
        change = {name: new[name] for name in some}
        state = self.alive[email]
        state.update(change, changes=state["changes"] + 1)
        state["addresses"].append(state["address"])
        return self._request("change", {"email": email, **change})

    def _delete(self):
        if not (email := self._somebody()):
            return self._register()
        self.gone.append((email, self.alive.pop(email)["addresses"]))
        return self._request("delete", {"email": email})

    def _press_twice(self):
        """The same form once more, after the first was granted."""
        if not (email := self._somebody()):
            return self._register()
        form = {**self.person(), "email": email}
        key, value = self._request("register", form)
        self._granted.pop()
        self.refused.append(value)
        return key, value

    def _somebody(self):
        """The address of somebody who may change his mind; None, if there is nobody."""
        known = sorted(self.alive.keys() - self._staying)
        return self._data.choice(known) if known else None

    def repeated(self, number):
        """So many requests that were granted, once more: nobody had heard the answer."""
        return self._data.sample(self._granted, number)

    def _request(self, verb, said):
        value = _packed({"request": self._id(), "do": verb, **said})
        self._granted.append((said["email"].casefold().encode(), value))
        return self._granted[-1]

    def _id(self):
        return f"request-{self._data.randrange(10**12)}"

    def _address(self):
        return f"Straße {self._data.randrange(10**9)}"


class _System:
    """The services, their brokers, and what is done to them."""

    def __init__(self, trial, cluster):
        self._trial, self._cluster, self._data = trial, cluster, trial.data
        self._name = fresh("sign-up")
        self._people = _People(trial.data)
        self._sent, self._unreadable, self._in_hand = 0, [], slice(0)
        self._make_topics()
        options = {**cluster.kafka, "acks": "all"}
        self._producer = trial.stack.enter_context(closing(KafkaProducer(**options)))
        self._admin = KafkaAdminClient(**cluster.kafka)
        trial.stack.callback(lambda: self._admin.close())
        self._guest = self._people.person()  # at whose mail the mailer is to hang
        self._mails = self._start_mail_server()
        services = ["registration", *SUBSCRIBERS]
        self._books = {one: Books(trial.space / f"{one}.db") for one in (*services, LATE)}
        self._services = {service: self._start(service) for service in services}

    def _make_topics(self):
        safe = {"replicas": 3, "min_insync_replicas": "2"}
        alone = {"nodes": [1, 2, 3], "min_insync_replicas": "2"}
        clients.make_topic(self._cluster, f"{self._name}.people", PARTITIONS, **safe)
        for topic in ("requests", "rejected", "dead_letters"):
            clients.make_topic(self._cluster, f"{self._name}.{topic}", **alone)

    # -- services ----------------------------------------------------------------------------

    def _start(self, service):
        nodes = self._cluster.kafka["bootstrap_servers"]
        told = ["--brokers", nodes, "--name", self._name, "--database", self._books[service].file]
        if service == "mailer":
            told += ["--smtp", self._smtp]
        return self._trial.start(f"{service}.py", *told)

    def _start_mail_server(self):
        server = Program(
            str(Path(__file__).with_name("mail_server.py")), "--pause-at", self._guest["email"]
        )
        self._trial.stack.callback(server.close)
        self._smtp = f"127.0.0.1:{server.wait_for('listening').split()[1]}"
        return server

    def _wait(self, what, check, seconds=SECONDS):
        return self._trial.wait_until(check, what, seconds, tolerate=(KafkaError, sqlite3.Error))

    def _give_a_moment(self, is_ready):
        """Wait whether somebody says that he is ready, who can't be."""
        self._trial.comes(is_ready, MOMENT, tolerate=(KafkaError,))

    # -- the brokers -------------------------------------------------------------------------

    def _send(self, topic, rows):
        """Send records, as key and value; all are safe when this returns."""
        sent = [self._producer.send(f"{self._name}.{topic}", key=k, value=v) for k, v in rows]
        self._producer.flush(timeout=20)
        for one in sent:
            one.get(timeout=20)

    def _ask(self, number, *more):
        """Send so many requests, and these somewhere between them."""
        rows = self._people.requests(number)
        for row in more:
            rows.insert(self._data.randint(0, len(rows)), row)
        self._send_requests(rows)

    def _send_requests(self, rows):
        self._send("requests", rows)
        self._sent += len(rows)

    def _done(self, service):
        """How many records the service's group says to have done."""
        group = f"{self._name}.{service}"
        offsets = self._asked(KafkaAdminClient.list_group_offsets, [group])[group]
        return sum(max(one.offset, 0) for one in offsets.values())

    def _published(self):
        """How many records the registration has published."""
        return self._end("people", PARTITIONS) + self._end("rejected", 1)

    def _end(self, topic, partitions):
        asked = {
            TopicPartition(f"{self._name}.{topic}", n): OffsetSpec.LATEST for n in range(partitions)
        }
        ends = self._asked(KafkaAdminClient.list_partition_offsets, asked)
        return sum(one.offset for one in ends.values())

    def _asked(self, question, *more):
        """What the brokers answer. A client that gets no answer remembers too long whom it asked."""
        try:
            return question(self._admin, *more)
        except KafkaError:
            self._admin.close()
            self._admin = KafkaAdminClient(**self._cluster.kafka)
            raise

    def _is_idle(self, *services):
        """Has the registration, and have these, done all that there is?"""
        if self._done("registration") < self._sent:
            return False
        end = self._end("people", PARTITIONS)
        return all(self._done(service) >= end for service in services)

    def _wait_for_the_requests(self):
        self._wait("the requests to be done", lambda: self._is_idle())

    def _come_to_rest(self):
        """Wait until all are idle, and not only say so: whoever registers last is known."""
        self._wait_for_the_requests()
        last, value = self._people.register_for_good()
        self._send_requests([(last, value)])
        profiles, contacts = "SELECT email FROM profiles", "SELECT email FROM contacts"

        def is_known():
            known = self._books["profiles"].rows(profiles), self._books["crm"].rows(contacts)
            return self._is_idle(*SUBSCRIBERS) and all((last.decode(),) in rows for rows in known)

        self._wait("who registers last to be known", is_known)

    # -- deeds -------------------------------------------------------------------------------

    def begin(self):
        """The first people come, on a sunny day; does it work at all?"""
        self._ask(8)
        return self._wait("the first people", lambda: self._is_idle(*SUBSCRIBERS), 25)

    def kill_the_registration_at_work(self):
        """It has requests in hand, and can save nothing."""
        self._come_to_rest()
        done = self._done("registration")
        with self._locked("registration"):
            self._send_requests([self._people.register_for_good()])
            self._ask(12, *self._people.bad_ones(), *self._people.without_a_mailbox())
            clients.send_nothing(self._cluster, f"{self._name}.requests")
            self._sent += 1
            self._give_a_moment(lambda: self._done("registration") > done)
            self._services["registration"].kill()
        self._trial.struck("the registration was killed with requests in hand")

    def kill_everybody_at_work(self):
        """All have events in hand, and can neither save nor send anything."""
        self._come_to_rest()
        self._mails.pause()
        before = self._end("people", PARTITIONS)
        with self._locked("profiles", "analytics", "crm"):
            self._send_requests([self._people.register_for_good()])
            self._wait("the first event", lambda: self._is_idle())
            self._ask(30, *self._people.repeated(5))
            self._wait("the events", lambda: self._is_idle())
            self._in_hand = slice(before, self._end("people", PARTITIONS))
            self._give_a_moment(lambda: self._is_idle(*SUBSCRIBERS))
            for service in SUBSCRIBERS:
                self._services[service].kill()
        self._mails.resume()
        self._trial.struck("all other services were killed with events in hand")

    def let_the_mailer_hang(self):
        """It stands still in the midst of a mail, is replaced, and comes back. Fewer mails come in between
        than the mail server remembers."""
        self._come_to_rest()
        self._ask(15, self._people.register_for_good(self._guest))
        if not self._wait("the guest's mail", lambda: PAUSED in self._mails.lines()):
            return
        self._services["mailer"].pause()
        self._start("mailer")
        self._mails.resume()
        self._wait("the replacement to do the rest", lambda: self._is_idle("mailer"))
        self._services["mailer"].resume()
        self._trial.struck(
            "a mailer stood still in the midst of a mail, and came back when it had a replacement"
        )

    def send_what_came_before(self):
        """Early events come again, those of deleted people too; and others that are none. Not those that
        a service had in hand when it was killed: what it has lost is not given back."""
        early = sorted(self._records("people"), key=lambda record: record.timestamp)
        del early[self._in_hand]
        gone = [email.encode() for email, _ in self._people.gone]
        twice = [one for one in early if any(email in (one.value or b"") for email in gone)]
        twice += self._data.sample(early, min(25, len(early)))
        self._send("people", [(one.key, one.value) for one in twice])
        bad = [b"\xff\xfe\x00", None, b"null", b'{"type": "person.registered"}', b"[" * 100_000]
        self._unreadable = [*bad, *self._as_nobody_writes_them(early)]
        self._send("people", [(b"nobody", value) for value in self._unreadable])
        clients.send_nothing(self._cluster, f"{self._name}.people")
        self._trial.struck(
            f"{len(twice)} events came again, and {len(self._unreadable)} that are none of ours"
        )

    def _as_nobody_writes_them(self, records):
        """An event as the next version of the registration may write it, and some that are wrong."""
        for record in records:
            with suppress(ValueError, TypeError, KeyError):
                event = json.loads(record.value)
                data = {**event["data"], "email": "next@example.org"}
                wrong = [
                    {"dataschema": "person/2"},
                    {"dataschema": LONG},
                    {"type": "person.merged"},
                ]
                names = "\ud800", "Ann\nLee"
                wrong += [{"type": "person.changed", "data": {"name": name}} for name in names]
                return [_packed({**event, "data": data, **_new_ids(), **more}) for more in wrong]
        return []

    def kill_everybody_at_a_commit(self):
        """People come until all stand still there: what has been told by then, and what is noted?"""
        self._come_to_rest()
        self._kill_at_a_commit("after", *SUBSCRIBERS)
        for when in ("before", "after"):
            self._wait_for_the_requests()
            self._kill_at_a_commit(when, "registration")

    def _kill_at_a_commit(self, when, *names):
        services = [self._services[name] for name in names]
        for service in services:
            service.stop_at_commit(when)
        for _ in range(COMING):
            self._send_requests([self._people.register_for_good()])
            if self._trial.comes(lambda: all(map(Service.paused, services)), MOMENT):
                self._trial.struck(f"{', '.join(names)}: killed right {when} a commit")
                break
        for service in services:
            service.kill()

    def kill_a_node(self):
        """It leads events, and the registration has some to publish."""
        self._wait_for_the_requests()
        node = self._node_to_kill()
        registration = self._services["registration"]
        registration.pause()
        self._ask(25)
        self._cluster.kill(node)
        registration.resume()
        self._trial.struck(f"node {node} was killed when it led events")
        topic = f"{self._name}.people"
        in_sync = lambda n: self._cluster.in_sync(topic, n)  # noqa: E731
        self._wait("others to lead", lambda: all(node not in in_sync(n) for n in range(PARTITIONS)))

    def kill_the_registration_before_anything_is_safe(self):
        """It can decide what it likes, and publish nothing."""
        self._wait_for_the_requests()
        with self._refused_by_brokers("people"):
            self._ask(25)
            self._give_a_moment(lambda: self._is_idle())
            self._services["registration"].kill()
        self._trial.struck("the registration was killed when the brokers took no events")

    def kill_the_registration_between_two_steps(self):
        """It comes as far as a refusal, which it can't publish; it has published what was before."""
        self._wait_for_the_requests()
        registration, at_rest = self._services["registration"], self._published() - self._sent

        def struck():
            registration.pause()
            if steps := self._published() - self._done("registration") - at_rest:
                registration.kill()
                what = "published and not committed" if steps > 0 else "committed and not published"
                self._trial.struck(f"the registration was killed when something was {what}")
            registration.resume()
            return steps

        with self._refused_by_brokers("rejected"):
            registration.pause()  # so that it gets them in one piece
            some = [self._people.register_for_good() for _ in range(5)]
            self._send_requests([*some, self._people.bad(b"[]"), *self._people.requests(25)])
            registration.resume()
            self._wait("the registration between two steps", struck)
            registration.resume()

    @contextmanager
    def _refused_by_brokers(self, topic):
        """They take nothing for a topic meanwhile: a node is down, and it wants as many replicas as nodes."""
        self._want_replicas(topic, 3)
        yield
        self._want_replicas(topic, 2)

    def _want_replicas(self, topic, number):
        configs = {"min.insync.replicas": str(number)}
        change = ConfigResource(ConfigResourceType.TOPIC, f"{self._name}.{topic}", configs)
        self._wait(
            "the topic's setting", lambda: self._asked(KafkaAdminClient.alter_configs, [change])
        )

    def _node_to_kill(self):
        """One that leads events; if it may be, not the one that keeps the registration's offsets."""
        topic = f"{self._name}.people"
        leaders = {self._cluster.leader_of(topic, n) for n in range(PARTITIONS)} - {1}
        place = _hash(f"{self._name}.registration") % 2
        keeper = self._cluster.leader_of("__consumer_offsets", place)
        return self._data.choice(sorted(leaders - {keeper} or leaders))

    def start_the_newsletter(self):
        """The late subscriber; it is killed while it reads what came before."""
        newsletter = self._services[LATE] = self._start(LATE)
        if self._wait("its first reader", lambda: self._books[LATE].rows("SELECT * FROM readers")):
            newsletter.kill()
            self._trial.struck(
                "the newsletter came late, and was killed when it had its first readers"
            )

    @contextmanager
    def _locked(self, *services):
        """Nobody can write into the databases of these meanwhile."""
        with ExitStack() as stack:
            for service in services:
                stack.enter_context(self._books[service].locked())
            yield

    # -- promises ----------------------------------------------------------------------------

    def promise_an_end(self):
        """That nothing is left to do."""
        last = [None, monotonic()]

        def over():
            left = self._left()
            if left != last[0]:
                last[:] = left, monotonic()
            return not any(left.values()) or monotonic() - last[1] > QUIET

        self._wait("all to be done", over, 60)
        left = [
            f"{service} has {number} to do" for service, number in self._left().items() if number
        ]
        self._trial.promise("drained", "All was done, with a node down", left, STUCK)

    def _left(self):
        """How many records each service has still to do."""
        end = self._end("people", PARTITIONS)
        left = {service: end - self._done(service) for service in (*SUBSCRIBERS, LATE)}
        return {"registration": self._sent - self._done("registration"), **left}

    def promise_mails(self):
        """What has come to people's mailboxes."""
        lines = [line.split() for line in self._mails.lines()]
        mails = Counter(line[1].casefold() for line in lines if line[:1] == ["mail"])
        wanted = Counter(email for email, _, _ in self._people.registered)
        wrong = [
            f"{email}: {n}, not {wanted[email]}" for email, n in mails.items() if n > wanted[email]
        ]
        for email in self._people.out_of_reach:
            del wanted[email]
        none = [email for email, n in wanted.items() if mails[email] < n]
        self._trial.promise("greeted", "Each who registers gets a mail", none, LOST)
        self._trial.promise("greeted_once", "Nobody gets it twice", wrong, TWICE)

    def promise_views(self):
        """What the services know."""
        alive, say = self._people.alive, self._trial.promise
        profiles = self._books["profiles"].rows(
            "SELECT email, name, address, country FROM profiles"
        )
        contacts = self._books["crm"].rows("SELECT email, name, changes FROM contacts")
        readers = self._books[LATE].rows("SELECT email, name FROM readers")
        known = {email for email, *_ in profiles}, {email for email, *_ in contacts}
        say(
            "nothing_lost",
            "All who are registered are known",
            alive.keys() - set.intersection(*known),
            LOST,
        )
        listed = Counter(email for email, *_ in profiles)
        ghosts = [email for email, n in listed.items() if n > 1 or email not in alive]
        say("no_ghosts", "Nobody is known twice, or without having registered", ghosts, GHOSTS)
        old = _differing(profiles, _wanted(alive, "name", "address", "country"))
        say("last_change_wins", "A profile is as the person said last", old, ORDER)
        counted = self._books["analytics"].rows("SELECT day, country, number FROM registrations")
        wanted = Counter((day, country) for _, day, country in self._people.registered)
        wrong = {(d, c): n for d, c, n in counted}.items() ^ wanted.items()
        often = _differing(contacts, _wanted(alive, "name", "changes"))
        say("counted_once", "Registrations and changes are counted once", [*wrong, *often], COUNTS)
        late = {**_wanted(alive, "name")}
        late = {email: row for email, row in late.items() if alive[email]["news"]}
        missing = [*_differing(readers, late), *(late.keys() - {email for email, _ in readers})]
        say("late_is_complete", "The newsletter knows all that was before it", missing, LATE_HINT)
        say("forgotten", "Of who is deleted nothing is left", self._remembered(), FORGOTTEN)

    def _remembered(self):
        """Where the words of somebody who is gone still stand."""
        found = set()
        for service in self._services:
            everything = self._books[service].everything().casefold()
            for email, addresses in self._people.gone:
                words = [*addresses, *([] if email in self._people.alive else [email])]
                found |= {f"{word} in {service}" for word in words if word.casefold() in everything}
        return found

    def promise_parking(self):
        """What was put aside."""
        say = self._trial.promise
        refused, dead = self._put_aside("rejected"), self._put_aside("dead_letters")
        wanted, found = set(self._people.refused), {value for (value, _), _ in refused}
        say("bad_is_refused", "What can't be granted is refused", wanted - found, REFUSED)
        say("good_is_granted", "Nothing else is refused", found - wanted, GRANTED)
        bad = {(value, one) for value in self._unreadable for one in (*SUBSCRIBERS, LATE)}
        bad |= {(value, "mailer") for value in self._of_those_out_of_reach()}
        bad |= {row for row, _ in refused}
        self._trial.promise_parking("What is no event", bad, [*refused, *dead], PARKED)

    def _of_those_out_of_reach(self):
        """The events of people to whom no mail can be sent."""
        found = []
        for record in self._records("people"):
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                if json.loads(record.value)["data"].get("email") in self._people.out_of_reach:
                    found.append(record.value)
        return found

    def _put_aside(self, topic):
        """What is in a topic with the service that has put it there, and the reason."""
        said = [(one.value, dict(one.headers)) for one in self._records(topic)]
        return [((v, head.get("service", b"").decode()), head.get("reason")) for v, head in said]

    def _records(self, topic):
        """All that is in a topic."""
        return clients.read_topic(self._cluster, f"{self._name}.{topic}")


def _new_ids():
    """Of an event that has not been there, about somebody who has not, either."""
    return {"id": str(uuid.uuid4()), "subject": str(uuid.uuid4())}


def _packed(content):
    """As it stands in a record."""
    return json.dumps(content).encode()


def _hash(text):
    """As Java has it: it tells which partition keeps a group's offsets."""
    number = 0
    for sign in text:
        number = (31 * number + ord(sign)) % 2**32
    return number % 2**31


def _wanted(alive, *columns):
    """Rows by their e-mail address, as they should be."""
    return {email: tuple(state[name] for name in columns) for email, state in alive.items()}


def _differing(rows, wanted):
    """Those who are known, and of whom something else is known than should be."""
    return [
        f"{row[0]}: {row[1:]}, not {wanted[row[0]]}"
        for row in rows
        if row[1:] != wanted.get(row[0], row[1:])
    ]


PAUSED = "paused"
STUCK = "look at the last line that the service said, and at what it does with a record that it can't read."
LOST = "what was committed when a service was killed, and what had it done? When do the brokers have it?"
TWICE = (
    "an event may come again, at once or much later. What tells that it, or the mail, is the same?"
)
GHOSTS = "a request may be read twice. Which number has the person then? And what if the schema is another?"
ORDER = "order holds within a partition. Which events are in one? What does an old one do that comes again?"
COUNTS = (
    "a counter can't tell what it has counted before; and what is in memory ends with the process."
)
LATE_HINT = "where does a group begin that has committed nothing yet?"
FORGOTTEN = "who has to hear that somebody is deleted; and what if an older event comes once more?"
REFUSED = (
    "what is read has to be looked at before it is believed; and each refusal has to be heard."
)
GRANTED = "a request that is read again was granted before. And names are written in all scripts."
PARKED = "what becomes of a record that a service can't read, or whose schema it doesn't know?"
