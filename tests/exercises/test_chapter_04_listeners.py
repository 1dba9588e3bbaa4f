"""The graders of the lab on advertised listeners tell right answers from wrong ones."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter

import pytest

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")
NAMES = {socket.gaierror: "no such name", ConnectionRefusedError: "refused", TimeoutError: "silent"}
kept = []


def reach_with(names=NAMES, own_time=None, close=True, otherwise="answers"):
    """An answer that gets right what it is told to."""

    def reach(host, port, seconds):
        try:
            opened = socket.create_connection((host, port), timeout=own_time or seconds)
        except OSError as error:
            return names.get(type(error), "refused")
        if close:
            opened.close()
        else:
            kept.append(opened)
        return otherwise

    return reach


def reach_by_a_socket(host, port, seconds):
    with socket.socket() as one:
        one.settimeout(seconds)
        try:
            number = one.connect_ex((socket.gethostbyname(host), port))
        except socket.gaierror:
            return "no such name"
    return "refused" if number == 111 else "silent" if number else "answers"


def reach_twice(host, port, seconds):
    reach_with()(host, port, seconds)
    return reach_with()(host, port, 4)


def reach_slowly(host, port, seconds):
    time.sleep(0.2)  # works, and has time for it
    return reach_with()(host, port, seconds)


without_names = {kind: word for kind, word in NAMES.items() if kind is not socket.gaierror}
without_silence = {kind: word for kind, word in NAMES.items() if kind is not TimeoutError}


def cut_off_with(
    reach=None, nobody=True, unknown=True, threads=20, what="partition", by="leader_id",
    good=("answers",), kind=set, true=lambda leader: True, in_time=lambda seconds: seconds,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def cut_off(brokers, partitions, seconds):
        def is_fine(broker):
            return (reach or reach_with())(broker["host"], broker["port"], in_time(seconds)) in good

        with ThreadPoolExecutor(threads) as pool:
            fine = dict(
                zip((b["broker_id"] for b in brokers), pool.map(is_fine, brokers), strict=True)
            )
        fine |= {} if nobody else {-1: True}
        if what == "broker":
            return {number for number, well in fine.items() if not well}
        found = []
        for one in partitions:
            leader = one[by] if by == "leader_id" else [*one[by], *one[by]][1]
            if not fine.get(leader, not unknown and leader != -1) or not true(leader):
                found.append(one["partition_index"])
        return kind(found)

    return cut_off


def cut_off_by_asyncio(brokers, partitions, seconds):
    """Right too, and otherwise: one thread, which waits for all."""

    async def reach(broker):
        try:
            opened = asyncio.open_connection(broker["host"], broker["port"])
            _, writer = await asyncio.wait_for(opened, seconds)
        except OSError:
            return None
        writer.close()
        await writer.wait_closed()
        return broker["broker_id"]

    async def reach_all():
        return await asyncio.gather(*map(reach, brokers))

    fine = set(asyncio.run(reach_all())) - {None}
    return {p["partition_index"] for p in partitions if p["leader_id"] not in fine}


def cut_off_by_threads(brokers, partitions, seconds):
    """Right too, and otherwise: a thread and a socket for each; what it can't reach, it strikes out."""
    fine = {broker["broker_id"] for broker in brokers}

    def knock(broker):
        with socket.socket() as one:
            one.settimeout(seconds)
            try:
                one.connect((broker["host"], broker["port"]))
            except OSError:
                fine.discard(broker["broker_id"])

    threads = [threading.Thread(target=knock, args=[broker]) for broker in brokers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failing = filter(lambda one: one["leader_id"] not in fine, partitions)
    return set(map(itemgetter("partition_index"), failing))


def cut_off_by_partitions(brokers, partitions, seconds):
    """One leader after the other, again for each partition."""
    places = {broker["broker_id"]: (broker["host"], broker["port"]) for broker in brokers}
    leaders = {one["partition_index"]: one["leader_id"] for one in partitions}
    return {
        number
        for number, leader in leaders.items()
        if leader not in places or reach_with()(*places[leader], seconds) != "answers"
    }


ANSWERS = {
    "4.6": Answers(
        right={"reference": reach_with(), "socket": reach_by_a_socket, "slow": reach_slowly},
        wrong={
            "names are not told apart": ("wrong_word", reach_with(without_names)),
            "silence is a refusal": ("wrong_word", reach_with(without_silence)),
            "always answers": ("wrong_word", lambda *_: "answers"),
            "never answers": ("wrong_word", reach_with(otherwise="refused")),
            "one second": ("wrong_time", reach_with(own_time=1.0)),
            "two seconds": ("wrong_time", reach_with(own_time=2.0)),
            "three seconds and a half": ("wrong_time", reach_with(own_time=3.5)),
            "tries again": ("wrong_time", reach_twice),
            "left open": ("left_open", reach_with(close=False)),
            "for ever": ("late", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
    "4.11": Answers(
        right={
            "reference": cut_off_with(),
            "asyncio": cut_off_by_asyncio,
            "threads": cut_off_by_threads,
        },
        wrong={
            "one by one": ("one_by_one", cut_off_with(threads=1)),
            "by partitions": ("one_by_one", cut_off_by_partitions),
            "two at a time": ("one_by_one", cut_off_with(threads=2)),
            "a time-out of its own": ("one_by_one", cut_off_with(in_time=lambda seconds: 4.5)),
            "one second": ("gave_up_early", cut_off_with(in_time=lambda seconds: 1.0)),
            "two seconds": ("gave_up_early", cut_off_with(in_time=lambda seconds: 2.0)),
            "silence is fine": ("overlooked", cut_off_with(good=("answers", "silent"))),
            "a refusal is fine": ("overlooked", cut_off_with(good=("answers", "refused"))),
            "a name is enough": (
                "overlooked",
                cut_off_with(good=("answers", "refused", "silent")),
            ),
            "nobody leads well": ("overlooked", cut_off_with(nobody=False)),
            "whom it doesn't know is fine": ("overlooked", cut_off_with(unknown=False)),
            "any replica": ("overlooked", cut_off_with(by="replica_nodes")),
            "broker 0 is none": ("invented", cut_off_with(true=bool)),
            "the brokers": ("invented", cut_off_with(what="broker")),
            "a list": ("no_set", cut_off_with(kind=list)),
            "none": ("overlooked", lambda *_: set()),
            "all": (
                "invented",
                lambda _, partitions, __: {p["partition_index"] for p in partitions},
            ),
            "left open": ("left_open", cut_off_with(reach=reach_with(close=False))),
            "for ever": ("late", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
