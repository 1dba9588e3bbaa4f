"""Acceptance suite of the task queue: whatever is killed, each image gets its thumbnail.

Programs of a system, each told ``--brokers URL…`` and ``--name`` (what its queues begin with):

- ``submit.py --images FOLDER`` submits a job ``{"image": FILE}`` for each file, and ends; NAME.jobs may
  be full, and refuse one;
- ``worker.py --images FOLDER --thumbnails FOLDER`` takes jobs from the queue NAME.jobs, two at a time
  at most. It makes FILE.jpg, whose longer side has 200 pixels, and publishes the job to NAME.done; a
  draft's name begins with a dot. What can't be done goes to NAME.parked, and the header ``reason`` says
  why: no job, no picture, one of more than 50 million pixels, a file outside the folder, none, or
  one by another name than its own;
- ``progress.py --database FILE`` prints ``progress N`` whenever N images are done.
"""

import json
from contextlib import closing, nullcontext, suppress
from itertools import pairwise

import pika
from PIL import Image

from helpers import clients, fresh, rabbitmq_cluster, wait_until
from helpers.books import Books

BATCHES = 24, 24, 16, 8  # new images; the second submission has those of the first once more
ALIKE = 4  # of one colour and size, as drawing them takes time
SMALL, LARGE = 600, 4500  # pixels; a large one is a fifth of a second's work
ROOM = 8  # jobs that may wait: then the broker says no
HELD = 2  # jobs that a worker may hold
WORKERS = 4
KILLS = 2  # of all workers
SIZE = 200  # pixels of a thumbnail
MOMENT = 2  # seconds in which a submitter ends that doesn't listen to the broker
COLUMNS = "name", "messages_ready", "messages_unacknowledged"
TO_DO = "jobs", "done"  # queues in which nothing may be left
STRANGERS = [
    *("no JSON", "[]", "[" * 50_000, '{"image": "none.png"}', '{"image": "../private.png"}'),
    json.dumps({"image": "x" * 1000}),
    json.dumps({"image": f"./image-{sum(BATCHES[:3])}.jpeg"}),  # is there, and not by this name
]
RETURNS = 22  # two more than after which RabbitMQ drops a message, unless it is told otherwise


def trial(trial):
    """One trial, from an empty folder to the promises."""
    cluster = rabbitmq_cluster(3)
    trial.stack.callback(cluster.down)
    pictures, queues = Pictures(trial), Queues(trial, cluster)
    system = System(trial, pictures, queues)
    system.kill_the_submitter()
    system.let_one_of_four_hang()
    system.kill_workers_at_work()
    system.kill_a_node()
    system.wait_for_the_end()
    promise_an_end(trial, queues)
    promise_thumbnails(trial, pictures)
    promise_parking(trial, pictures, queues)
    promise_progress(trial, pictures, system.progress)
    trial.promise_to_run()


class Pictures:
    """The images that are to be made small, and what has become of them."""

    def __init__(self, trial):
        self._data = trial.data
        self._colours = {}  # of each picture, by the name of its thumbnail
        self.images, self.thumbnails = trial.space / "images", trial.space / "thumbnails"
        for folder in (self.images, self.thumbnails):
            folder.mkdir()
        self.draw(BATCHES[0])
        self.bad = self._spoil()
        Image.new("1", (9, 9)).save(trial.space / "private.png")
        self._old = self._lay_old_thumbnails(trial.stack)

    def __len__(self):
        return len(self._colours)

    def draw(self, number, kind="jpeg", longest=SMALL):
        """Lay so many more pictures, and return their names."""
        names = [f"image-{place:02}.{kind}" for place in range(len(self), len(self) + number)]
        for first in range(0, number, ALIKE):
            colour = tuple(self._data.randrange(40, 216) for _ in range(3))
            size = [self._data.randrange(longest * 2 // 3, longest) for _ in range(2)]
            drawn = self.images / names[first]
            Image.new("RGB", size, colour).save(drawn)
            for name in names[first : first + ALIKE]:
                (self.images / name).write_bytes(drawn.read_bytes())
                self._colours[f"{name}.jpg"] = colour
        return names

    def clear(self):
        """Take all images away, so that none is submitted again."""
        for image in self.images.iterdir():
            image.unlink()

    def made(self):
        """The thumbnails that are there, those of the earlier run not counted; by name."""
        files = {file.name: file for file in self.thumbnails.glob("[!.]*")}
        return {n: file for n, file in files.items() if n not in self._old or not _is_black(file)}

    def missing(self):
        """The thumbnails that are not there yet."""
        return self._colours.keys() - self.made().keys()

    def unwanted(self):
        """What is there, and nobody asked for it."""
        return self.made().keys() - self._colours.keys()

    def wrong(self):
        """The thumbnails that are not what they should be."""
        made = self.made()
        return [
            name
            for name in made.keys() & self._colours.keys()
            if not _is_thumbnail(made[name], self._colours[name])
        ]

    def changed(self):
        """The old thumbnails that did not stay whole for somebody who was looking at them."""
        return [name for name, (opened, content) in self._old.items() if opened.read() != content]

    def _spoil(self):
        """Files that are no pictures, and one that would fill the memory."""
        whole = next(self.images.iterdir()).read_bytes()
        (self.images / "cut-off.png").write_bytes(whole[: len(whole) // 2])
        (self.images / "letter.png").write_text("Dear customer")
        (self.images / "empty.jpeg").touch()
        Image.new("1", (14_000, 14_000)).save(self.images / "bomb.png", compress_level=1)
        return {"cut-off.png", "letter.png", "empty.jpeg", "bomb.png"}

    def _lay_old_thumbnails(self, stack):
        """Thumbnails of an earlier run, black ones, which somebody opens before new ones are made."""
        old = {}
        for name in self._data.sample(sorted(self._colours), 6):
            file = self.thumbnails / name
            Image.new("RGB", (SIZE, SIZE)).save(file)
            old[name] = stack.enter_context(file.open("rb")), file.read_bytes()
        return old


class Queues:
    """The queues of the run, as the broker sees them."""

    def __init__(self, trial, cluster):
        self._trial, self._cluster = trial, cluster
        self.name = fresh("tasks")
        limit = json.dumps({"max-length": ROOM, "overflow": "reject-publish"})
        cluster.ctl(1, "set_policy", self.name, rf"^{self.name}\.jobs$", limit)

    def addresses(self):
        """Of all nodes, as a service is told them, whether they run or not."""
        nodes = map(self._cluster.rabbitmq, self._cluster.nodes)
        return [f"amqp://guest:guest@{node.host}:{node.port}" for node in nodes]

    def waiting(self):
        """How many jobs wait."""
        return self._queue("jobs").message_count

    def consumers(self):
        """How many consumers the jobs have."""
        return self._queue("jobs").consumer_count

    def left(self):
        """The messages that wait or are in somebody's hands, of each queue that is in reach.

        This takes a second. A client that asked for a queue whose node is dead would wait a minute.
        Before RabbitMQ 4 a new leader says for five seconds that there are none.
        """
        rows = [line.split("\t") for line in self._ctl("list_queues", *COLUMNS)]
        mine = [row for row in rows if row[0].startswith(f"{self.name}.")]
        return {name.split(".")[1]: int(ready) + int(held) for name, ready, held in mine}

    def are_empty(self):
        """Is nothing to be done, nor in anybody's hands?"""
        left = self.left()
        if any(left.get(queue) != 0 for queue in TO_DO):
            return False
        return not any(self._held()) and not any(self._queue(name).message_count for name in TO_DO)

    def are_held_by_one(self):
        """Do no jobs wait, and has at most one client any in its hands?"""
        return not self.waiting() and sum(map(bool, self._held())) <= 1

    def lift_the_limit(self):
        """From now on as many jobs may wait as there are."""
        self._cluster.ctl(1, "clear_policy", self.name)

    def kill_the_leader(self):
        """Kill the node where the jobs are, and return its number."""
        node = max(self._cluster.leader_of(f"{self.name}.jobs"), 1)
        self._cluster.kill(node)
        return node

    def fill(self, bodies):
        """Put messages among the jobs until there is no room; has the broker said so?"""
        try:
            self.put(bodies)
        except pika.exceptions.NackError:
            return True
        return False

    def clients(self):
        """How many clients are connected."""
        return len(self._ctl("list_connections", "pid"))

    def put(self, bodies):
        """Put messages among the jobs."""
        with self._connected() as connection:
            clients.publish(connection.channel(), f"{self.name}.jobs", bodies)

    def take_and_return(self, name, times):
        """So often all of a queue is in the hands of somebody who ends without an acknowledgement."""
        with suppress(pika.exceptions.AMQPError), self._connected() as connection:
            for _ in range(times):
                with connection.channel() as channel:
                    while channel.basic_get(f"{self.name}.{name}")[0]:
                        pass

    def parked(self):
        """Each job that is parked, and the reason."""
        found = {}
        number = self._queue("parked").message_count if "parked" in self.left() else 0
        with self._connected() as connection:
            channel = connection.channel()
            for _ in range(number):
                _, properties, body = channel.basic_get(f"{self.name}.parked", auto_ack=True)
                found[_job(body.decode())] = (properties.headers or {}).get("reason")
        return found

    def _queue(self, name):
        with self._connected() as connection:
            return connection.channel().queue_declare(f"{self.name}.{name}", passive=True).method

    def _held(self):
        """How many messages each client has in its hands."""
        return [int(number) for number in self._ctl("list_channels", "messages_unacknowledged")]

    def _connected(self):
        return closing(pika.BlockingConnection(self._cluster.rabbitmq(self._cluster.running()[0])))

    def _ctl(self, *command):
        return self._cluster.ctl(self._cluster.running()[0], *command, "--silent").splitlines()


class System:
    """The services, and what is done to them."""

    def __init__(self, trial, pictures, queues):
        self._trial, self._pictures, self._queues = trial, pictures, queues
        self._told = "--brokers", *queues.addresses(), "--name", queues.name
        self._books = Books(trial.space / "progress.db")
        told = *self._told, "--database", self._books.file
        self.progress = trial.start("progress.py", *told)
        self._workers = [self._new_worker()]

    def kill_the_submitter(self):
        """It is killed in the midst, and started again."""
        submitter = self._submitter()
        self._wait("the first thumbnail", self._pictures.made)
        if submitter.running():
            submitter.kill()
            self._trial.struck("the submitter was killed in the midst, and started again")
        self._finish(self._submitter())
        self._wait("the first batch to be done", self._queues.are_empty)

    def let_one_of_four_hang(self):
        """One stands still with whatever the broker gives it, while the others work."""
        self._workers += [self._new_worker() for _ in range(WORKERS - 1)]
        self._wait("four workers", self._are_at_work)
        submitter = self._submit_to_a_full_queue()
        for worker in self._workers[1:]:
            worker.resume()
        self._finish(submitter)
        few = lambda: len(self._pictures.missing()) <= HELD  # noqa: E731
        self._wait("the others to do the rest", lambda: few() or self._queues.are_held_by_one())
        held = [] if few() else self._pictures.missing()
        self._trial.promise("shared", f"One that hangs holds {HELD} jobs at most", held, HOARD)
        self._trial.struck("one of four workers stood still while the others worked")
        self._workers[0].resume()
        self._wait("the second batch to be done", self._queues.are_empty)

    def _submit_to_a_full_queue(self):
        """Nobody works, and the broker says no to every new job; returns the submitter."""
        self._freeze_workers()
        again = [json.dumps({"image": one.name}) for one in self._pictures.images.glob("image-*")]
        full, before = self._queues.fill(again * 3), self._queues.clients()
        self._pictures.draw(BATCHES[1])
        submitter = self._submitter()
        met = lambda: not submitter.running() or self._queues.clients() > before  # noqa: E731
        self._wait("the submitter to connect", met)
        self._trial.comes(lambda: not submitter.running(), MOMENT)  # it has heard nothing
        if full:
            self._trial.struck("the queue was full when the submitter began")
        return submitter

    def kill_workers_at_work(self):
        """Nobody submits again what is lost now: the earlier images are taken away."""
        self._pictures.clear()
        self._pictures.draw(BATCHES[2], "png", LARGE)
        self._queues.lift_the_limit()
        self._freeze_workers()
        self._finish(self._submitter())
        for _ in range(KILLS):
            with self._nothing_noted():
                self._resume_workers()
                self._wait_for_more_thumbnails()
                self._freeze_workers()
                self.progress.kill()
            self._kill_workers()
            self._queues.take_and_return("done", RETURNS)
        self._trial.struck("the progress service was killed before it had noted what was done")
        self._trial.struck(f"what was done was handed out {RETURNS} times to somebody who died")

    def _nothing_noted(self):
        """The progress service can't write into its database meanwhile, if that is one of SQLite's."""
        return self._books.locked() if self._books.tables() else nullcontext()

    def kill_a_node(self):
        """Its death meets jobs that wait, messages that are no jobs, and workers that hold some."""
        self._wait("the workers to be back", self._are_at_work)
        self._freeze_workers()
        jobs = [json.dumps({"image": name}) for name in self._pictures.draw(BATCHES[3])]
        bodies = [*jobs, *STRANGERS]
        self._trial.data.shuffle(bodies)
        self._queues.put(bodies)
        waiting, node = self._queues.waiting(), self._queues.kill_the_leader()
        self._trial.struck(f"node {node} was killed, where {waiting} jobs waited, and stayed away")
        self._resume_workers()
        self.progress.kill()
        self._trial.struck("the progress service was killed, and started again")

    def wait_for_the_end(self):
        """Until nothing is left to be done."""
        self._wait("all to be done", self._queues.are_empty)

    def _are_at_work(self):
        """Is every worker that runs a consumer of the jobs?"""
        return self._queues.consumers() == sum(worker.running() for worker in self._workers)

    def _freeze_workers(self):
        for worker in self._workers:
            worker.pause()

    def _resume_workers(self):
        for worker in self._workers:
            worker.resume()

    def _wait_for_more_thumbnails(self):
        enough = len(self._pictures.made()) + self._trial.data.randint(1, 3)
        more = lambda: len(self._pictures.made()) >= enough  # noqa: E731
        self._wait("more thumbnails", lambda: more() or not self._queues.waiting())

    def _kill_workers(self):
        before = self._queues.waiting()
        for worker in self._workers:
            worker.kill()
        dead = lambda: not self._queues.consumers()  # noqa: E731
        wait_until(dead, "the broker to notice that the workers are dead")
        returned = self._queues.waiting() - before
        self._trial.struck(f"all workers were killed; {returned} jobs went back to the queue")

    def _new_worker(self):
        folders = "--images", self._pictures.images, "--thumbnails", self._pictures.thumbnails
        return self._trial.start("worker.py", *self._told, *folders)

    def _submitter(self):
        return self._trial.run("submit.py", *self._told, "--images", self._pictures.images)

    def _finish(self, submitter):
        """Let it end; when it fails it is started again, as whoever runs it would."""
        for _ in range(3):
            ended = lambda one=submitter: not one.running()  # noqa: E731
            self._wait("all jobs to be submitted", ended)
            if not submitter.running() and not submitter.errors():
                return
            submitter.kill()
            submitter = self._submitter()

    def _wait(self, what, check):
        return self._trial.wait_until(check, what, tolerate=(pika.exceptions.AMQPError,))


def promise_an_end(trial, queues):
    """That nothing is left to do."""
    left = queues.left()
    rows = [
        f"{left[queue]} in {queue}" if queue in left else f"{queue} is out of reach"
        for queue in TO_DO
        if left.get(queue) != 0
    ]
    all_done = "All is done half a minute after one of three nodes has died"
    trial.promise("drained", all_done, rows, QUEUES)


def promise_thumbnails(trial, pictures):
    """What is in the folder."""
    trial.promise("nothing_lost", "Each image has its thumbnail", pictures.missing(), LOST)
    trial.promise("right", "Each is the small picture of its image", pictures.wrong(), LOOK)
    trial.promise("nothing_else", "Nothing else is there", pictures.unwanted(), ELSE)
    whole = "Who looks at an old one while it is replaced sees it whole"
    trial.promise("never_half", whole, pictures.changed(), HALF)


def promise_parking(trial, pictures, queues):
    """What was put aside."""
    wanted = pictures.bad | set(map(_job, STRANGERS))
    trial.promise_parking("What can't be done", wanted, queues.parked().items(), POISON)


def promise_progress(trial, pictures, progress):
    """What was told to whoever waits."""
    lines = [line.split() for line in progress.lines()]
    told = [int(line[1]) for line in lines if line[:1] == ["progress"]] or [0]
    steps = [f"{a} and then {b}" for a, b in pairwise(told) if b < a]
    if told[-1] != len(pictures):
        steps.append(f"{told[-1]} images done, of {len(pictures)}")
    trial.promise("counted_once", "Progress counts each image once", steps, TWICE)


def _job(body):
    """The image that a job names; the message itself, if it is none."""
    try:
        return json.loads(body)["image"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return body


def _is_black(file):
    """Is it a thumbnail of the earlier run?"""
    try:
        with Image.open(file) as image:
            return image.convert("RGB").getextrema() == ((0, 0),) * 3
    except OSError:
        return False


def _is_thumbnail(file, colour):
    """Is it a whole JPEG of the right size and colour?"""
    try:
        with Image.open(file) as image:
            seen = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    except OSError:
        return False
    near = all(abs(a - b) < 12 for a, b in zip(seen, colour, strict=True))
    return near and image.format == "JPEG" and max(image.size) == SIZE


LOST = "when was the job of the first one acknowledged, and what was killed then?"
LOOK = "open one of them, and look."
ELSE = "a draft's name begins with a dot; what is no picture gets no thumbnail."
HALF = "a file that is opened for writing is empty until it is written."
QUEUES = (
    "at which node do the queues live, and what does the broker do with a dead node's consumers?"
)
HOARD = "how many jobs does the broker hand to one worker before the first is acknowledged?"
POISON = "what becomes of a job whose work fails, and of one that is no job at all?"
TWICE = "a job may be done twice: it was submitted twice. What tells that it is the same?"
