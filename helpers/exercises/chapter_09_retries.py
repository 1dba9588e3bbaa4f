"""Grader of the lab on retries on Kafka: a replay of dead letters that is killed and started again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from random import Random
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from .. import clients
from ..names import fresh
from .answers import Wrong
from .grading import grader
from .lives import Journal, die, live
from .places import brokers, kafka_options, new_topic
from .proxy import Proxy

LINGER_MS = 5000  # what nobody waits for is still with the producer when it dies
QUIET_MS = 700  # no more dead letters come
Replay = Callable[[KafkaConsumer, KafkaProducer], Any]
Headers = tuple[tuple[str, bytes], ...]


class Letter(NamedTuple):
    """A dead letter, or what became of one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def number(self) -> str:
        """By which it is known again: a header."""
        return _number(self.headers)


def _number(headers: Iterable[tuple[str, bytes]] | None) -> str:
    return dict(headers or ()).get("letter", b"").decode(errors="replace")


class Death(NamedTuple):
    """The end of a life: at its n-th call of a method, before that does anything, or after."""

    method: str = ""
    call: int = 0
    after: bool = False


@grader("9.7", needs=("kafka",))
def replays(replay: Replay, data: Random) -> str:
    """No letter; and many, with a death after a send, one before a send, and one after a commit: in this
    order, so that no life begins with a letter that was sent before and not committed, but the second."""
    after, before = (Death("send", data.randint(2, 3), after) for after in (True, False))
    _replay(replay, data, [], [Death()])
    _replay(replay, data, [0, 1, 2, 3, 9, 12], [after, before, Death("commit", 1, True), Death()])
    return "each where it belongs, as it came; no death lost one, or repeated more than one."


def _replay(replay: Replay, data: Random, counts: list[int], deaths: list[Death]) -> None:
    with new_topic() as dead, new_topic() as retry, new_topic() as other, new_topic() as parking:
        letters = [
            _letter(data, dead, (retry, other)[n % 2], parking, n, count)
            for n, count in enumerate(data.sample(counts, len(counts)))
        ]
        _send(letters)
        group, hands = fresh("exercise"), Journal()
        for death in deaths:
            live(replay, partial(_life, replay, dead, group, hands, death))
        found = [letter for topic in (retry, other, parking) for letter in _read(topic)]
        repeats = [number for (number,) in hands.read()]
        _compare(letters, found, repeats)


def _letter(data: Random, dead: str, retry: str, parking: str, n: int, replays: int) -> Letter:
    headers = [
        ("letter", b"%d" % n),
        ("retry", retry.encode()),
        ("replays", b"%d" % replays),
        ("parking", parking.encode()),
        ("note", b" First\n"),
        ("note", b"\xff second"),
    ]
    data.shuffle(headers)
    key = (None, b"", b" Cleo \xe9\n")[n % 3]
    value = b"" if n == 2 else None if n == 5 else b' {"N":  %d, "to": "\xfe"}\n' % n
    return Letter(dead, key, value, tuple(headers))


def _send(letters: list[Letter]) -> None:
    with KafkaProducer(**kafka_options(), acks="all") as producer:
        for letter in letters:
            producer.send(letter.topic, letter.value, key=letter.key, headers=list(letter.headers))


def _read(topic: str) -> list[Letter]:
    records = clients.read_topic(brokers("kafka"), topic)
    return [Letter(topic, record.key, record.value, tuple(record.headers)) for record in records]


def _life(replay: Replay, dead: str, group: str, hands: Journal, death: Death) -> None:
    """One life of the learner's function, with clients of its own, to its end or its death."""
    calls = dict.fromkeys(("send", "commit"), 0)

    def hook(method: str) -> Callable[..., Any]:
        def call(original: Callable, *arguments: Any, **options: Any) -> Any:
            calls[method] += 1
            fatal = (method, calls[method]) == (death.method, death.call)
            if fatal and not death.after:
                die()
            result = original(*arguments, **options)
            if fatal and method == "send":
                producer.flush()
                sent = signature(original).bind(*arguments, **options).arguments
                hands.note(_number(sent.get("headers")))
            if fatal:
                die()
            return Proxy(result, get=waited_for) if method == "send" else result

        return call

    def waited_for(get: Callable, *arguments: Any, **options: Any) -> Any:
        producer.flush()
        return get(*arguments, **options)

    options = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    producer = KafkaProducer(**kafka_options(), acks="all", linger_ms=LINGER_MS)
    with KafkaConsumer(**options, **kafka_options(), consumer_timeout_ms=QUIET_MS) as consumer:
        consumer.assign([TopicPartition(dead, 0)])
        replay(Proxy(consumer, commit=hook("commit")), Proxy(producer, send=hook("send")))
    die()  # what nobody has waited for is not sent any more


def _compare(letters: list[Letter], found: list[Letter], repeats: list[str]) -> None:
    numbers = {letter.number for letter in letters}
    if strange := [letter for letter in found if letter.number not in numbers]:
        what = f"The topic {strange[0].topic} has {strange[0]}, without a dead letter's headers."
        raise Wrong("wrong_header", what, "A replay sends on the headers, too.")
    copies = {letter: [c for c in found if c.number == letter.number] for letter in letters}
    for letter, sent in copies.items():
        if not sent:
            what = f"{letter} is in none of the topics, though your function has ended."
            raise Wrong("lost", what, "What is committed is over: what has happened by then?")
    for letter, sent in copies.items():
        if len(sent) > 1 + repeats.count(letter.number):
            what = f"{letter} was sent {len(sent)} times; it was not in hand at a death."
            raise Wrong("doubled", what, "How much is uncommitted when a life ends?")
    for letter, sent in copies.items():
        for copy in sent:
            _compare_one(letter, copy)


def _compare_one(letter: Letter, copy: Letter) -> None:
    named = dict(letter.headers)
    replays = int(named["replays"])
    parked = replays >= 3
    place = named["parking" if parked else "retry"].decode()
    told = f"{letter.value!r}, replayed {replays} times before,"
    if copy.topic != place:
        what = f"{told} went to {copy.topic}, expected {place}."
        raise Wrong("wrong_place", what, "Each names its topics; compare the number as a number.")
    if copy.value != letter.value:
        what = f"{told} came to {place} as {copy.value!r}."
        raise Wrong("wrong_body", what, "A replay sends what it found, byte by byte.")
    if copy.key != letter.key:
        what = f"{told} has the key {copy.key!r} now, expected {letter.key!r}."
        raise Wrong("wrong_key", what, "The key decides on the partition, and so on the order.")
    count = b"%d" % (replays + (not parked))
    headers = [(n, count if n == "replays" else value) for n, value in letter.headers]
    if sorted(copy.headers) != sorted(headers):
        what = f"{told} has the headers {copy.headers}, expected {headers}."
        raise Wrong("wrong_header", what, "A name may come twice; one of the headers changes.")
