"""Acceptance suite of the notifications: alerts have to reach people by e-mail, SMS and chat, whatever
becomes of the services, the broker and the providers.

Programs of a system, each told ``--broker URL`` and ``--name`` (what its queues begin with):

- ``dispatch.py`` takes alerts from the queue NAME.alerts: ``{"id": "disk-7", "severity": "urgent",
  "text": "…", "to": {"email": "anna@example.org", "sms": "+49170"}}``. The severity is urgent or
  routine, the channels are email, sms and chat. It has no other fields; an id is of letters, digits and
  ``. _ -``. What is no alert, or has another channel, goes to NAME.parked as it came, and the header
  ``reason`` says why. One process.
- ``notify.py --channel C --provider HOST:PORT --interval SECONDS --slots FILE`` sends the notifications
  of one channel. Two processes each, with two notifications in hand at most. At least the interval lies
  between two notifications of a channel; the file is there for all of its processes. A provider is
  given two seconds. What fails for a passing reason is tried four times at most, over two seconds at
  least. What can't be delivered goes to NAME.C.parked, the alert as its body, and the header ``reason``
  says why. Its queues are called NAME.C, or begin with that and a dot.
- ``replay.py --channel C`` puts back what is parked of the channel, and ends. It may be killed like the
  others, and is run again.

A provider is an SMTP server, or an HTTP server that takes POST of ``{"to": ADDRESS, "text": TEXT}``. It
knows what it had before by the mail's Message-ID, or the header Idempotency-Key; chat doesn't. What it
says beside its code may be in any language.
"""

import json
from collections import Counter, defaultdict
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pika

from helpers import Program, fresh, rabbitmq_cluster

CHANNELS = "email", "sms", "chat"
REMEMBERING = "email", "sms"
INTERVAL = 0.075  # seconds between two of a channel: fourteen in a second
LIMIT, WINDOW = 17, 1.0  # a provider takes so many within so many seconds: three may be late
WORKERS = 2  # of a channel
HELD = 2  # notifications that a worker may have in hand
TRIES, SPAN = 4, 2.0  # of one that fails for a passing reason; seconds, at least
FLOOD, FAILING, BACKLOG, URGENT = 20, 5, 10, 4  # alerts
SECONDS = 15.0  # for a deed
MOMENT = 3.0  # seconds
FRAME = 200_000  # characters: in a header they are more than RabbitMQ takes
MARK = b"no JSON"  # is parked
COLUMNS = "name", "messages"
HIGH = "set_vm_memory_high_watermark"


def trial(trial):
    """One trial, from an empty broker to the promises."""
    cluster = rabbitmq_cluster(1)
    trial.stack.callback(cluster.down)
    system = System(trial, cluster)
    system.kill_the_dispatcher()
    system.kill_workers_at_work()
    system.let_providers_take_for_ever()
    system.let_one_hang_before_a_backlog()
    system.let_a_provider_refuse()
    system.kill_the_broker()
    system.promise_an_end()
    system.promise_notifications()
    system.promise_parking()
    trial.promise_to_run()


class People:
    """Who is to be told what, and what is none of it."""

    def __init__(self, data):
        self._data, self._drawn = data, 0
        self.wanted = {channel: set() for channel in CHANNELS}
        self.nobody = {channel: set() for channel in CHANNELS}
        self.bad = []

    def alert(self, severity="routine", channels=CHANNELS):
        """One more, each time for other addresses, by which it is known afterwards."""
        self._drawn += 1
        to = {channel: self._address(channel) for channel in channels}
        for channel, address in to.items():
            self.wanted[channel].add(address)
        return self._packed(severity, to)

    def alert_for_nobody(self, channel):
        """An alert that a provider will never take."""
        self._drawn += 1
        address = f"nobody-{self._drawn}"
        self.nobody[channel].add(address)
        return self._packed("routine", {channel: address})

    def mixed(self):
        """Alerts for some channels and severities, and two of them once more."""
        alerts = []
        for _ in range(10):
            some = self._data.sample(CHANNELS, self._data.randint(1, 3))
            alerts.append(self.alert(self._data.choice(["urgent", "routine"]), some))
        return [*alerts, *self._data.sample(alerts, 2)]

    def bad_ones(self):
        """What is no alert, or makes no sense, or does harm."""
        good = {"id": "bad", "severity": "urgent", "text": "Help", "to": {"sms": "+49"}}
        wrong = [{"to": {"pager": "7"}}, {"to": {"sms": "+49", "fax": "8"}}, {"to": {}}, {"to": []}]
        wrong += [{"to": {"email": "eve@example.org\r\nBcc: all@example.org"}}, {"to": {"sms": 49}}]
        wrong += [
            {"severity": "huge"},
            {"severity": []},
            {"severity": "x" * FRAME},
            {"text": ""},
            {"text": None},
        ]
        wrong += [{"text": "\ud800"}, {"id": None}, {"id": "a\r\nb"}, {"hurry": True}]
        said = [json.dumps({**good, **more}).encode() for more in wrong]
        short = {name: good[name] for name in ("id", "severity", "to")}
        self.bad = [MARK, b"[]", b"", b"\xff\xfe", b"[" * 50_000, json.dumps(short).encode()]
        self.bad += said
        return self.bad

    def _packed(self, severity, to):
        alert = {"id": f"alert-{self._drawn}", "severity": severity, "to": to}
        return json.dumps({**alert, "text": f"Störung {self._drawn} 🔥"}).encode()

    def _address(self, channel):
        return f"{channel}-{self._drawn}@example.org"


class Providers:
    """The outside world."""

    def __init__(self, trial):
        self._moods = {channel: trial.space / f"{channel}.mood" for channel in CHANNELS}
        self.feel("well")
        self._programs = {channel: self._start(trial, channel) for channel in CHANNELS}

    def address(self, channel):
        """Where a provider listens."""
        return f"127.0.0.1:{self._programs[channel].lines()[0].split()[1]}"

    def feel(self, mood, channels=CHANNELS):
        """From now on they are like that."""
        for channel in channels:
            draft = self._moods[channel].with_suffix(".draft")
            draft.write_text(mood)
            draft.replace(self._moods[channel])

    def said(self, what, channel):
        """What became of notifications: addresses, in their order."""
        return [address for _, address in self._programs[channel].said(what)]

    def times(self, what, channel):
        """When that happened, of each address: seconds."""
        times = defaultdict(list)
        for moment, address in self._programs[channel].said(what):
            times[address].append(moment)
        return times

    def count(self, what):
        """How often, by channel."""
        return {channel: len(self.said(what, channel)) for channel in CHANNELS}

    def _start(self, trial, channel):
        file, told = Path(__file__).with_name("provider.py"), ["--mood", self._moods[channel]]
        told += ["--limit", LIMIT, "--window", WINDOW]
        program = Program(str(file), channel, *told)
        trial.stack.callback(program.close)
        program.wait_for("listening")
        return program


class Queues:
    """The queues of the run, as the broker sees them."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.name = fresh("alerts")
        node = cluster.rabbitmq(1)
        self.address = f"amqp://guest:guest@{node.host}:{node.port}"

    def put(self, bodies, queue="alerts"):
        """Alerts for the dispatcher, or others; all are safe when this returns."""
        persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        with self._connected() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in bodies:
                channel.basic_publish("", f"{self.name}.{queue}", body, persistent, mandatory=True)

    def ready(self, queue):
        """How many wait in a queue: the name without that of the run."""
        with self._connected() as connection:
            found = connection.channel().queue_declare(f"{self.name}.{queue}", passive=True)
        return found.method.message_count

    def close(self):
        """From now on the broker gives and does not take, as if its memory was full: who publishes waits."""
        self._ctl(HIGH, "0")

    def open(self):
        """It takes again, also what came meanwhile."""
        self._ctl(HIGH, "absolute", "256MB")

    def has_blocked(self):
        """Does somebody wait who has published?"""
        return "blocked" in self._ctl("list_connections", "state")

    def left(self):
        """What waits or is in somebody's hands, and not parked, by queue. This takes a second."""
        rows = [line.split("\t") for line in self._ctl("list_queues", *COLUMNS)]
        mine = [row for row in rows if row[0].startswith(f"{self.name}.")]
        return {name: int(number) for name, number in mine if not name.endswith(".parked")}

    def parked(self, queue):
        """What is parked there, as bodies, and the reason of each."""
        with self._connected() as connection, suppress(pika.exceptions.ChannelClosedByBroker):
            channel, found = connection.channel(), []
            for _ in range(channel.queue_declare(queue, passive=True).method.message_count):
                _, properties, body = channel.basic_get(queue, auto_ack=True)
                found.append((body, (properties.headers or {}).get("reason")))
            return found
        return []

    def _connected(self):
        return closing(pika.BlockingConnection(self._cluster.rabbitmq(1)))

    def _ctl(self, *command):
        return self._cluster.ctl(1, *command, "--silent").splitlines()


class System:
    """The services, and what is done to them."""

    def __init__(self, trial, cluster):
        self._trial, self._cluster, self._data = trial, cluster, trial.data
        self._people, self._providers = People(trial.data), Providers(trial)
        self._queues = Queues(cluster)
        self._lost, self._urgent, self._parked = set(), set(), []
        told = "--broker", self._queues.address, "--name", self._queues.name
        self._told = told
        self._dispatcher = trial.start("dispatch.py", *told)
        self._workers = {
            channel: [self._start_worker(channel) for _ in range(WORKERS)] for channel in CHANNELS
        }

    # -- what is done ------------------------------------------------------------------------

    def kill_the_dispatcher(self):
        """With alerts in its hands, and what is none."""
        self._wait("the queue for alerts", lambda: self._queues.ready("alerts") == 0)
        self._queues.put([self._people.alert()])
        self._wait_for_all("the first notifications")
        nobody = [self._people.alert_for_nobody(channel) for channel in CHANNELS]
        bodies = [*self._people.mixed(), *nobody, *self._people.bad_ones()]
        bodies += [self._people.alert() for _ in range(FLOOD)]
        self._data.shuffle(bodies)
        self._dispatcher.pause()
        self._queues.put(bodies)
        at_work = lambda: self._queues.ready("alerts") < len(bodies)  # noqa: E731
        if self._trial.comes(at_work, MOMENT, tolerate=(pika.exceptions.AMQPError,)):
            self._trial.struck("the dispatcher was killed with alerts in its hands")
        self._dispatcher.kill()
        self._wait_for_all("those of his next life")

    def kill_workers_at_work(self):
        """Twice: before their providers have taken what they send, and when they have, unanswered."""
        for mood, word in (("holding", "held"), ("silent", "accepted")):
            self._providers.feel(mood)
            before = self._providers.count(word)
            self._queues.put([self._people.alert() for _ in range(FAILING)])
            met = lambda w=word, b=before: self._all_have(w, b, WORKERS)  # noqa: E731
            if self._wait(f"two of each channel to be {word}", met):
                self._trial.struck(f"all workers were killed when their providers had {word}")
            self._kill_workers()
        self._providers.feel("well")
        self._wait_for_all("those notifications")

    def let_providers_take_for_ever(self):
        """All workers have met one that never answers, and live on; those that come next are well."""
        self._providers.feel("holding")
        before = self._providers.count("held")
        self._queues.put([self._people.alert() for _ in range(FAILING)])
        met = lambda: self._all_have("held", before, WORKERS)  # noqa: E731
        if self._wait("two of each channel to be held", met):
            self._trial.struck("all providers took notifications, and never answered")
        self._providers.feel("well")
        earlier = set(self._lost)
        self._wait_for_all("those notifications")
        waited, text = self._lost - earlier, "A provider that never answers is given up"
        self._trial.promise("gives_up", text, waited, FOR_EVER)
        if waited:
            self._kill_workers()  # what comes next is about something else

    def let_one_hang_before_a_backlog(self):
        """One of two stands still in the midst of its work; then urgent alerts come."""
        self._pause_workers()
        self._providers.feel("holding")
        held = self._providers.count("held")
        self._put_and_dispatch(BACKLOG, "routine")
        for first, _ in self._workers.values():
            first.resume()
        one = lambda: self._all_have("held", held, 1)  # noqa: E731
        if self._wait("one of each channel to be held", one):
            self._trial.struck("one worker of each channel stood still, and urgent alerts came")
        for first, _ in self._workers.values():
            first.pause()
        self._put_and_dispatch(URGENT, "urgent")
        self._providers.feel("well")
        before = self._providers.count("accepted")
        for _, second in self._workers.values():
            second.resume()
        few = lambda: all(len(some) <= HELD for some in self._missing().values())  # noqa: E731
        self._wait("the other worker to do the rest", lambda: few() and self._are_urgent_done())
        self._look_at_the_backlog(before)
        self._resume_workers()
        self._wait_for_all("what it had in hand")

    def let_a_provider_refuse(self):
        """Until all is parked; then it is well, and what was parked is replayed. The first replay is
        killed when it has put one back, and has not heard that the broker has it."""
        broken = self._data.choice(REMEMBERING)
        parked = f"{broken}.parked"
        self._take_what_is_parked()
        self._providers.feel("refusing", [broken])
        self._queues.put([self._people.alert() for _ in range(FAILING)])
        self._wait("the other channels", lambda: not self._missing_elsewhere(broken))
        late = self._missing_elsewhere(broken)
        self._trial.promise("independent", "One broken channel holds up no other", late, OTHERS)
        all_parked = lambda: self._queues.ready(parked) >= FAILING  # noqa: E731
        if self._wait("what fails to be parked", all_parked):
            self._trial.struck(f"{broken} refused everything, until all was parked")
        self._look_at_the_tries(self._providers.times("refused", broken))
        self._providers.feel("well")
        with self._replaying(broken):
            if self._wait("the replay to put something back", self._queues.has_blocked):
                self._trial.struck("a replay was killed when it had put back, unconfirmed")
        self._queues.open()
        self._wait("what it had in hand to be parked again", all_parked)
        self._replay(broken)
        self._wait_for_all("what was replayed")

    def kill_the_broker(self):
        """With alerts that wait, notifications that wait, and some that wait to be tried again."""
        broken = self._data.choice(CHANNELS)
        self._providers.feel("refusing", [broken])
        before = self._providers.count("refused")[broken]
        self._queues.put([self._people.alert() for _ in range(3)])
        refused = lambda: self._providers.count("refused")[broken] >= before + 3  # noqa: E731
        self._wait("some to be refused", refused)
        self._pause_workers(first=broken)  # before its four tries are over, on a busy machine too
        self._put_and_dispatch(FAILING, "routine")
        self._dispatcher.pause()
        self._queues.put([self._people.alert("urgent") for _ in range(2)])
        parked = self._people.alert(channels=[broken])
        self._queues.put([parked], f"{broken}.parked")
        with self._replaying(broken):
            if self._wait(
                "a replay to take it", lambda: not self._queues.ready(f"{broken}.parked")
            ):
                self._trial.struck("a replay was killed with an alert in its hands")
        self._cluster.kill(1)
        self._providers.feel("well")
        self._resume_workers()
        self._dispatcher.resume()
        self._cluster.restart(1)
        self._trial.struck("the broker was killed with a backlog, and started on its data")
        self._replay(broken)
        self._wait_for_all("the last notifications", 30)

    @contextmanager
    def _replaying(self, channel):
        """A replay that can put nothing back, as the broker takes no messages; then it is killed."""
        self._queues.close()
        replay = self._trial.run("replay.py", *self._told, "--channel", channel)
        yield
        replay.kill()

    def _replay(self, channel):
        replay = self._trial.run("replay.py", *self._told, "--channel", channel)
        self._wait("the replay to end", lambda: not replay.running())

    # -- promises ----------------------------------------------------------------------------

    def promise_an_end(self):
        """That nothing is left to do."""
        left = {}

        def over():
            left.update(self._queues.left())
            return not any(left.values())

        self._wait("all to be done", over)
        name = f"{self._queues.name}."
        rows = [
            f"{number} in {queue.removeprefix(name)}" for queue, number in left.items() if number
        ]
        text = "All is done half a minute after the broker is back"
        self._trial.promise("drained", text, rows, STUCK)

    def promise_notifications(self):
        """What has reached people."""
        say, providers = self._trial.promise, self._providers
        self._lost = set()
        missing = [address for some in self._missing().values() for address in some]
        say("reached", "Each alert reaches each of its channels", missing, LOST)
        often = [
            f"{address} {number} times"
            for channel in REMEMBERING
            for address, number in Counter(providers.said("accepted", channel)).items()
            if number > 1 and address in self._people.wanted[channel]
        ]
        say("once", "Nobody gets an e-mail or SMS twice", often, TWICE)
        fast = [f"{c}: {n} refused" for c, n in providers.count("too_fast").items() if n]
        say("rate_kept", "No channel is faster than its provider allows", fast, RATE)
        tried = [providers.times("unknown", channel) for channel in CHANNELS]
        often = [to for times in tried for to, each in times.items() if len(each) >= TRIES]
        say("hopeless_once", "What a provider will never take is not tried again", often, HOPELESS)

    def promise_parking(self):
        """What was put aside."""
        self._take_what_is_parked()
        rows = self._parked + self._queues.parked(f"{self._queues.name}.parked")
        wanted = set(self._people.bad).union(*self._people.nobody.values())
        self._trial.promise_parking("What can't be done", wanted, rows, POISON)

    def _take_what_is_parked(self):
        """Of the channels: nobody replays it any more."""
        for channel in CHANNELS:
            parked = self._queues.parked(f"{self._queues.name}.{channel}.parked")
            self._parked += [(_address(body, channel), reason) for body, reason in parked]

    def _look_at_the_backlog(self, before):
        """What the other worker did, while one stood still."""
        held, late = [], []
        for channel in CHANNELS:
            missing = self._missing()[channel]
            held += missing if len(missing) > HELD else []
            done = self._providers.said("accepted", channel)[before[channel] :]
            places = [place for place, address in enumerate(done) if address in self._urgent]
            last = max(places, default=0)
            first = [address for address in done[:last] if address not in self._urgent]
            late += first if len(first) > HELD else []
        text = f"One that hangs has {HELD} notifications at most"
        self._trial.promise("shared", text, held, HOARD)
        text = f"Urgent ones overtake all but {HELD}"
        self._trial.promise("urgent_first", text, late, LATE)

    def _look_at_the_tries(self, times):
        rows = []
        for address, tried in times.items():
            if len(tried) > TRIES:
                rows.append(f"{address} was tried {len(tried)} times")
            elif len(tried) == TRIES and tried[-1] - tried[0] < SPAN:
                rows.append(f"{address} was tried {TRIES} times at once")
        text = f"What fails is tried {TRIES} times, over {SPAN:.0f} seconds"
        self._trial.promise("backs_off", text, rows, AGAIN)

    # -- states ------------------------------------------------------------------------------

    def _missing(self):
        """Who has not been told, by channel; without those for whom we have waited in vain."""
        told = {channel: self._providers.said("accepted", channel) for channel in CHANNELS}
        wanted = self._people.wanted
        return {channel: wanted[channel] - self._lost - set(told[channel]) for channel in CHANNELS}

    def _missing_elsewhere(self, broken):
        return [to for c, some in self._missing().items() if c != broken for to in some]

    def _are_urgent_done(self):
        return not any(self._urgent & some for some in self._missing().values())

    def _all_have(self, word, before, number):
        now = self._providers.count(word)
        return all(now[channel] >= before[channel] + number for channel in CHANNELS)

    def _put_and_dispatch(self, number, severity):
        """Alerts, and what is none: when that is parked, those before it are dispatched."""
        before = self._queues.ready("parked")
        alerts = [self._people.alert(severity) for _ in range(number)]
        if severity == "urgent":
            self._urgent = {to for body in alerts for to in json.loads(body)["to"].values()}
        self._queues.put([*alerts, MARK])
        done = lambda: self._queues.ready("parked") > before  # noqa: E731
        self._wait("alerts to be dispatched", done)

    def _wait(self, what, check, seconds=SECONDS):
        return self._trial.wait_until(check, what, seconds, (pika.exceptions.AMQPError,))

    def _wait_for_all(self, what, seconds=SECONDS):
        """Until nobody is missing; those who are nevertheless, nobody waits for again."""
        if not self._wait(what, lambda: not any(self._missing().values()), seconds):
            self._lost |= set().union(*self._missing().values())

    def _start_worker(self, channel):
        told = "--channel", channel, "--provider", self._providers.address(channel)
        slots = "--interval", INTERVAL, "--slots", self._trial.space / f"{channel}.slots"
        return self._trial.start("notify.py", *self._told, *told, *slots)

    def _all_workers(self):
        return [worker for some in self._workers.values() for worker in some]

    def _kill_workers(self):
        for worker in self._all_workers():
            worker.kill()

    def _pause_workers(self, first=CHANNELS[0]):
        for channel in sorted(CHANNELS, key=lambda channel: channel != first):
            for worker in self._workers[channel]:
                worker.pause()

    def _resume_workers(self):
        for worker in self._all_workers():
            worker.resume()


def _address(body, channel):
    """The address in a parked alert; the message itself, if it has none."""
    try:
        return json.loads(body)["to"][channel]
    except (ValueError, TypeError, KeyError):
        return body


STUCK = "look at the last line that the service said, and at what waits for an answer."
LOST = (
    "how many copies does the exchange make; when is each acknowledged; and what was killed then?"
)
TWICE = (
    "what was sent may have arrived, whatever became of the answer. What tells that it is the same?"
)
RATE = "how many workers has the channel, and what does one know of the other?"
HOPELESS = "what is the difference between 404 and 503, between 550 and 451?"
POISON = "what becomes of a message that ends its service, and of an address that nobody has?"
OTHERS = "what waits behind a notification that can't be delivered now?"
HOARD = "how much does a worker take before the first is acknowledged?"
LATE = "in which order are messages taken, and when has a worker more in its hands than it needs?"
FOR_EVER = "how long does a worker wait for an answer, over SMTP and over HTTP?"
AGAIN = "where does a notification wait after it failed, how long, and who counts?"
