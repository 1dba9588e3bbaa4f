"""Acceptance suite of the task queue: workers, the broker and the submitter are killed, and each image
has to get its thumbnail.

Programs of a system, each told ``--brokers URL…`` and ``--name`` (what its queues begin with):

- ``submit.py --images FOLDER`` submits a job ``{"image": NAME}`` for each file, and ends;
- ``worker.py --images FOLDER --thumbnails FOLDER`` makes NAME.jpg, 200 pixels at most, and publishes
  the job to NAME.done; it holds two jobs at most. What can't be done goes to NAME.parked, the header
  ``reason`` says why;
- ``progress.py --database FILE`` prints ``progress N`` whenever N images are done.
"""

import json
from contextlib import closing, suppress
from itertools import pairwise

import pika
from PIL import Image

from helpers import clients, fresh, rabbitmq_cluster, wait_until

BATCHES = 8, 20, 16  # new images; the second submission has those of the first once more
ROOM = 8  # jobs that may wait: then the broker says no
HELD = 2  # jobs that a worker may hold
KILLS = 2
SIZE = 200  # pixels of a thumbnail
SECONDS = 60.0  # for a submission, and for all that is left at the end
COLUMNS = "name", "messages_ready", "messages_unacknowledged"


def trial(trial):
    """One trial, from an empty folder to the promises."""
    cluster = rabbitmq_cluster(3)
    trial.stack.callback(cluster.down)
    system = _System(trial, cluster)
    system.kill_the_submitter()
    system.let_one_of_four_hang()
    system.kill_workers_and_a_node()
    system.promise_an_end()
    system.promise_thumbnails()
    system.promise_parking()
    system.promise_progress()
    trial.promise_to_run()


class _System:
    """The services, what they work on, and what is done to them."""

    def __init__(self, trial, cluster):
        self._trial, self._cluster, self._data = trial, cluster, trial.data
        self._name = fresh("tasks")
        self._images, self._thumbnails = trial.space / "images", trial.space / "thumbnails"
        self._thumbnails.mkdir()
        self._images.mkdir()
        self._colours = {}
        self._draw(BATCHES[0])
        self._bad = self._spoil()
        self._strangers = ["no JSON", "[]", '{"image": "../suite.py"}', '{"image": "none.png"}']
        self._old = self._lay_old_thumbnails()
        self._nodes = {node: cluster.rabbitmq(node) for node in cluster.nodes}
        self._refuse_what_is_too_much()
        database = trial.space / "progress.db"
        self._progress = trial.start("progress.py", *self._told(), "--database", database)
        self._workers = [self._new_worker()]

    # -- images ------------------------------------------------------------------------------

    def _draw(self, pictures, longest=2000):
        """So many more pictures, each in a colour of its own; one of 4000 pixels is 0.2 s of work."""
        for number in range(len(self._colours), len(self._colours) + pictures):
            colour = tuple(self._data.randrange(40, 216) for _ in range(3))
            size = [self._data.randrange(longest // 2, longest) for _ in range(2)]
            name = f"image-{number:02}.{self._data.choice(['png', 'jpeg'])}"
            Image.new("RGB", size, colour).save(self._images / name)
            self._colours[name] = colour

    def _spoil(self):
        """Files that are no pictures, and one that would fill the memory."""
        whole = (self._images / min(self._colours)).read_bytes()
        (self._images / "cut-off.png").write_bytes(whole[: len(whole) // 2])
        (self._images / "letter.png").write_text("Dear customer")
        (self._images / "empty.jpeg").touch()
        Image.new("1", (20_000, 20_000)).save(self._images / "bomb.png")
        return {"cut-off.png", "letter.png", "empty.jpeg", "bomb.png"}

    def _lay_old_thumbnails(self):
        """Thumbnails of an earlier run, which somebody looks at while new ones are made."""
        old = {}
        for name in self._data.sample(sorted(self._colours), 6):
            file = self._thumbnails / f"{name}.jpg"
            Image.new("RGB", (SIZE, SIZE)).save(file, "JPEG")
            old[file.name] = self._trial.stack.enter_context(file.open("rb")), file.read_bytes()
        return old

    def _made(self):
        """The pictures whose thumbnails are there, old ones not counted; by the thumbnail's name."""
        files = {file.name: file for file in self._thumbnails.glob("[!.]*")}
        old = {name for name in self._old.keys() & files.keys() if _is_black(files[name])}
        return {name: file for name, file in files.items() if name not in old}

    # -- deeds -------------------------------------------------------------------------------

    def kill_the_submitter(self):
        """It is killed in the midst, and started again."""
        submitter = self._submitter()
        self._wait("a thumbnail", self._made)
        submitter.kill()
        self._trial.struck("the submitter was killed, and started again")
        self._finish(self._submitter())
        self._wait("the first batch to be made", lambda: not self._missing() or self._is_idle())

    def let_one_of_four_hang(self):
        """One stands still with whatever the broker gives it, while the others work."""
        self._workers += [self._new_worker() for _ in range(3)]
        self._wait("four workers", lambda: self._queue().consumer_count == 4)
        self._workers[0].pause()
        self._draw(BATCHES[1])
        self._finish(self._submitter())
        few = lambda: len(self._missing()) <= HELD  # noqa: E731
        self._wait("the others to make the rest", lambda: few() or self._is_stuck())
        held = self._missing() if len(self._missing()) > HELD else ()
        self._trial.promise("shared", f"One that hangs holds {HELD} jobs at most", held, HOARD)
        self._trial.struck("one of four workers stood still while the others worked")
        self._workers[0].resume()
        self._wait("the second batch to be made", self._is_idle)

    def kill_workers_and_a_node(self):
        """Nobody submits again what is lost now: the earlier images are taken away."""
        for name in self._colours:
            (self._images / name).unlink()
        self._draw(BATCHES[2], longest=4500)
        submitter = self._submitter()
        for _ in range(KILLS):
            self._kill_workers_at_work(submitter)
        down = max(self._cluster.leader_of(f"{self._name}.jobs"), 1)
        self._cluster.kill(down)
        self._nodes = {node: place for node, place in self._nodes.items() if node != down}
        self._trial.struck(f"node {down}, where the jobs were, was killed, and stayed away")
        self._finish(submitter)
        self._progress.kill()
        if self._wait("the jobs to be in reach", lambda: self._queue(), 20):
            for body in self._strangers:
                self._wait("room for a stranger's message", lambda body=body: self._publish(body))
        self._trial.struck("messages came that are no jobs, and the progress service was killed")

    def _kill_workers_at_work(self, submitter):
        """Freeze everybody at some moment, and kill all workers: what they held goes back."""
        made = len(self._made())
        self._wait("a thumbnail", lambda: len(self._made()) > made)
        wait_until(lambda: self._data.random() < 0.1, "some moment", every=0.01)
        for one in (submitter, *self._workers):
            one.pause()
        before = self._queue().message_count
        for worker in self._workers:
            worker.kill()
        gone = lambda: not self._queue().consumer_count  # noqa: E731
        wait_until(gone, "the broker to notice that the workers are dead", 20)
        returned = self._queue().message_count - before
        self._trial.struck(f"all workers were killed; {returned} jobs went back to the queue")
        submitter.resume()
        self._wait("the workers to be back", lambda: self._queue().consumer_count == 4)

    def _refuse_what_is_too_much(self):
        """The operator's limit: the broker says no to a publisher who is too fast."""
        limit = json.dumps({"max-length": ROOM, "overflow": "reject-publish"})
        self._cluster.ctl(1, "set_policy", self._name, rf"^{self._name}\.jobs$", limit)

    # -- services ----------------------------------------------------------------------------

    def _told(self):
        where = [f"amqp://guest:guest@{node.host}:{node.port}" for node in self._nodes.values()]
        return "--brokers", *where, "--name", self._name

    def _new_worker(self):
        folders = "--images", self._images, "--thumbnails", self._thumbnails
        return self._trial.start("worker.py", *self._told(), *folders)

    def _submitter(self):
        return self._trial.run("submit.py", *self._told(), "--images", self._images)

    def _finish(self, submitter):
        """Let it end; when it fails it is started again, as whoever runs it would."""
        for _ in range(3):
            self._wait("all jobs to be submitted", lambda one=submitter: not one.running())
            if not submitter.running() and not submitter.errors():
                return
            submitter.kill()
            submitter = self._submitter()

    def _wait(self, what, check, seconds=SECONDS):
        return self._trial.wait_until(check, what, seconds, tolerate=(pika.exceptions.AMQPError,))

    # -- the broker --------------------------------------------------------------------------

    def _connected(self):
        node = next(iter(self._nodes.values()))
        return closing(pika.BlockingConnection(node))

    def _queue(self, queue="jobs"):
        """How many messages wait in a queue, and how many consumers it has."""
        with self._connected() as connection:
            return connection.channel().queue_declare(f"{self._name}.{queue}", passive=True).method

    def _reach(self, queue):
        """Is the queue there?"""
        with suppress(pika.exceptions.AMQPError):
            return self._queue(queue)
        return None

    def _publish(self, body):
        """Publish a message to the jobs; has the broker taken it?"""
        with self._connected() as connection, suppress(pika.exceptions.NackError):
            clients.publish(connection.channel(), f"{self._name}.jobs", [body])
            return True
        return False

    def _is_idle(self):
        """Is there nothing to do, nor in anybody's hands? The second question takes a second."""
        waiting = [self._queue(queue).message_count for queue in ("jobs", "done")]
        return not any(waiting) and not any(self._left().values())

    def _is_stuck(self):
        """Has nobody a job in hand but one, who hangs?"""
        if self._queue().message_count:
            return False
        held = self._cluster.ctl(1, "list_channels", "messages_unacknowledged", "--silent").split()
        return sum(number != "0" for number in held) <= 1

    def _left(self):
        """How many messages wait or are in somebody's hands, by queue."""
        listing = self._cluster.ctl(min(self._nodes), "list_queues", *COLUMNS, "--silent")
        rows = [line.split("\t") for line in listing.splitlines()]
        mine = {f"{self._name}.{queue}": queue for queue in ("jobs", "done")}
        return {mine[n]: int(ready or 0) + int(held or 0) for n, ready, held in rows if n in mine}

    # -- promises ----------------------------------------------------------------------------

    def promise_an_end(self):
        """That nothing is left to do."""
        self._wait("the queues to be empty", self._is_idle)
        left = [f"{number} in {queue}" for queue, number in self._left().items() if number]
        left += [f"{queue} is out of reach" for queue in ("jobs", "done") if not self._reach(queue)]
        self._trial.promise("drained", "All was done with one of three nodes down", left, QUEUES)

    def _missing(self):
        """The pictures that have no thumbnail yet."""
        return {f"{name}.jpg" for name in self._colours} - self._made().keys()

    def promise_thumbnails(self):
        """What is in the folder."""
        made, wanted = self._made(), {f"{name}.jpg": c for name, c in self._colours.items()}
        here = made.keys() & wanted.keys()
        wrong = [name for name in here if not _is_thumbnail(made[name], wanted[name])]
        changed = [name for name, (seen, old) in self._old.items() if seen.read() != old]
        say = self._trial.promise
        say("nothing_lost", "Each image has its thumbnail", self._missing(), LOST)
        say("right", "Each is the small picture of its image", wrong, "open one of them, and look.")
        say("nothing_else", "Nothing else is there", made.keys() - wanted.keys(), ELSE)
        say(
            "never_half",
            "Who looks at an old one while it is replaced sees it whole",
            changed,
            HALF,
        )

    def promise_parking(self):
        """What was put aside."""
        parked = {}
        with self._connected() as connection, suppress(pika.exceptions.AMQPError):
            for _, properties, body in iter(
                lambda: _take(connection, f"{self._name}.parked"), None
            ):
                parked[_job(body)] = (properties.headers or {}).get("reason")
        wanted = self._bad | set(self._strangers)
        say = self._trial.promise
        say("bad_is_parked", "What can't be done is parked", wanted - parked.keys(), POISON)
        say("good_is_not", "Nothing else is parked", parked.keys() - wanted, "look at its reason.")
        mute = [job for job, reason in parked.items() if not reason]
        say("says_why", "What is parked says why", mute, "the header is called `reason`.")

    def promise_progress(self):
        """What was told to whoever waits."""
        lines = [line.split() for line in self._progress.lines()]
        told = [int(line[1]) for line in lines if line[:1] == ["progress"]] or [0]
        steps = [f"{a} and then {b}" for a, b in pairwise(told) if b < a]
        if told[-1] != len(self._colours):
            steps.append(f"{told[-1]} images done, of {len(self._colours)}")
        self._trial.promise("counted_once", "Progress counts each image once", steps, TWICE)


def _take(connection, queue):
    """The next message of a queue, None if there is none."""
    message = connection.channel().basic_get(queue, auto_ack=True)
    return message if message[0] else None


def _is_black(file):
    """Is it a thumbnail of the earlier run, or nothing that can be read?"""
    try:
        with Image.open(file) as image:
            return image.convert("RGB").getextrema() == ((0, 0),) * 3
    except OSError:
        return False


def _job(body):
    """The image that a job names, or the body, if it names none of this trial's."""
    try:
        image = json.loads(body)["image"]
    except (ValueError, TypeError, KeyError):
        return body.decode(errors="replace")
    return body.decode() if "/" in image or image == "none.png" else image


def _is_thumbnail(file, colour):
    """Is it a whole JPEG of the right size and colour?"""
    try:
        with Image.open(file) as image:
            image.load()
            seen = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
            near = all(abs(a - b) < 12 for a, b in zip(seen, colour, strict=True))
            return image.format == "JPEG" and max(image.size) == SIZE and near
    except OSError:
        return False


LOST = "when was the job of the first one acknowledged, and what was killed then?"
ELSE = "a draft's name begins with a dot; what is no picture gets no thumbnail."
HALF = "a file that is opened for writing is empty until it is written."
QUEUES = "look at the services' errors, and at which node the queue lives."
HOARD = "how many jobs does the broker hand to one worker before the first is acknowledged?"
POISON = "what becomes of a job whose work fails, and of one that is no job at all?"
TWICE = "a job may be done twice: it was submitted twice. What tells that it is the same?"
