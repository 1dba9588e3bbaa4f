"""The ledger's arithmetic, its refusals and its two renderings."""

import itertools
import random
import threading

import pytest

from helpers.ledger import Counts, Ledger, LedgerError, inversions


def recorded(*, attempted=(), acknowledged=(), refused=(), read=()) -> Counts:
    """The counts of a ledger in which exactly this happened."""
    ledger = Ledger("test")
    for message in attempted:
        ledger.attempt(message)
    for message in acknowledged:
        ledger.acknowledge(message)
    for message in refused:
        ledger.refuse(message)
    for message in read:
        ledger.read(message)
    ledger.finish("test")
    return ledger.count()


def counts(**changes: int) -> Counts:
    names = Counts.__dataclass_fields__
    return Counts(**{name: changes.get(name, 0) for name in names})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param({}, counts(), id="nothing happened"),
        pytest.param(
            {"attempted": "abc", "acknowledged": "abc", "read": "cab"},
            counts(attempted=3, acknowledged=3, read=3),
            id="each once, in any order",
        ),
        pytest.param(
            {"attempted": "abc", "acknowledged": "abc", "read": "a"},
            counts(attempted=3, acknowledged=3, read=1, lost=2),
            id="lost",
        ),
        pytest.param(
            {"attempted": "ab", "acknowledged": "ab", "read": "aaab"},
            counts(attempted=2, acknowledged=2, read=4, duplicated=2),
            id="duplicated",
        ),
        pytest.param(
            {"attempted": "ab", "acknowledged": "ab", "read": "aa"},
            counts(attempted=2, acknowledged=2, read=2, duplicated=1, lost=1),
            id="a duplicate does not make up for a loss",
        ),
        pytest.param(
            {"attempted": "abc", "acknowledged": "a", "read": "a"},
            counts(attempted=3, acknowledged=1, read=1, unknown=2),
            id="unknown and never seen is not lost",
        ),
        pytest.param(
            {"attempted": "abc", "acknowledged": "a", "read": "ab"},
            counts(attempted=3, acknowledged=1, read=2, unknown=2, recovered=1),
            id="unknown, but read after all",
        ),
        pytest.param(
            {"attempted": "a", "read": "aa"},
            counts(attempted=1, read=2, unknown=1, recovered=1, duplicated=1),
            id="unknown, and read twice",
        ),
        pytest.param(
            {"attempted": "ab", "acknowledged": "a", "refused": "b", "read": "a"},
            counts(attempted=2, acknowledged=1, refused=1, read=1),
            id="refused and not read",
        ),
        pytest.param(
            {"attempted": "b", "refused": "b", "read": "b"},
            counts(attempted=1, refused=1, read=1, unexpected=1),
            id="refused, yet read",
        ),
        pytest.param(
            {"read": "xx"},
            counts(read=2, unexpected=2),
            id="never attempted",
        ),
        pytest.param(
            {"attempted": "bb", "refused": "b", "acknowledged": "b", "read": "b"},
            counts(attempted=2, refused=1, acknowledged=1, read=1),
            id="refused once, then accepted",
        ),
        pytest.param(
            {"attempted": "bb", "refused": "b", "acknowledged": "b", "read": "bb"},
            counts(attempted=2, refused=1, acknowledged=1, read=2, duplicated=1),
            id="refused once, then accepted, then read twice",
        ),
        pytest.param(
            {"attempted": "aa", "acknowledged": "aa", "read": "a"},
            counts(attempted=2, acknowledged=2, read=1, lost=1),
            id="an id attempted twice is owed twice",
        ),
    ],
)
def test_counts(events, expected):
    assert recorded(**events) == expected


def test_every_read_is_accounted_for():
    """read = acknowledged that arrived + recovered + duplicated + unexpected, whatever happens."""
    dice = random.Random(3)
    for _ in range(300):
        attempted = dice.choices("abcdef", k=dice.randrange(8))
        answers = [dice.choice(["acknowledged", "refused", None]) for _ in attempted]
        events = {
            answer: [
                message
                for message, given in zip(attempted, answers, strict=True)
                if given == answer
            ]
            for answer in ("acknowledged", "refused")
        }
        c = recorded(
            attempted=attempted, read=dice.choices("abcdefgh", k=dice.randrange(9)), **events
        )
        arrived = c.acknowledged - c.lost
        assert c.read == arrived + c.recovered + c.duplicated + c.unexpected
        assert c.attempted == c.acknowledged + c.refused + c.unknown
        assert c.recovered <= c.unknown


def test_ids_may_be_any_hashable():
    ids = [1, "1", b"1", ("orders", 0, 1), None]
    assert recorded(attempted=ids, acknowledged=ids, read=ids).lost == 0


def test_no_count_before_the_reading_is_finished():
    ledger = Ledger("early")
    ledger.attempt(1)
    with pytest.raises(LedgerError, match=r"(?s)'early'.*finished.*finish\("):
        ledger.count()


@pytest.mark.parametrize(
    "record",
    [
        lambda ledger: ledger.attempt(2),
        lambda ledger: ledger.acknowledge(1),
        lambda ledger: ledger.refuse(1),
        lambda ledger: ledger.read(1),
        lambda ledger: ledger.join("late"),
        lambda ledger: ledger.finish("again"),
    ],
)
def test_nothing_is_recorded_after_finish(record):
    ledger = Ledger("closed")
    ledger.attempt(1)
    ledger.finish("the queue is empty")
    before = ledger.count()
    with pytest.raises(LedgerError, match=r"finished \(the queue is empty\).*too late"):
        record(ledger)
    assert ledger.count() == before


def test_finish_wants_a_reason():
    ledger = Ledger("why")
    with pytest.raises(LedgerError, match="reason"):
        ledger.finish("  ")
    with pytest.raises(LedgerError):
        ledger.count()


@pytest.mark.parametrize("answer", [Ledger.acknowledge, Ledger.refuse])
def test_an_answer_needs_an_attempt(answer):
    ledger = Ledger("mixed up")
    ledger.attempt(1)
    ledger.acknowledge(1)
    for message in (1, 2):
        with pytest.raises(LedgerError, match="no attempt"):
            answer(ledger, message)
    ledger.finish("test")
    assert ledger.count() == counts(attempted=1, acknowledged=1, lost=1)


def fanout() -> Ledger:
    ledger = Ledger("fanout")
    for message in range(3):
        ledger.attempt(message)
        ledger.acknowledge(message)
        ledger.read(message, consumer="email-1", subscription="email")
    ledger.join("late-1", subscription="late")
    ledger.finish("all queues are empty")
    return ledger


def test_each_subscription_expects_its_own_copy():
    ledger = fanout()
    assert ledger.subscriptions == ["email", "late"]
    assert ledger.count("email").lost == 0
    assert ledger.count("late").lost == 3
    assert ledger.by_consumer("late") == {"late-1": []}


def test_an_unknown_subscription_is_named_with_those_there_are():
    with pytest.raises(LedgerError, match=r"no subscription 'emial'.*There is email, late"):
        fanout().count("emial")


def test_with_several_subscriptions_one_must_be_chosen():
    with pytest.raises(LedgerError, match=r"say which.*email, late"):
        fanout().count()


def test_the_order_of_reading_is_kept():
    ledger = Ledger("order")
    for message, worker in [(2, "worker-10"), (0, "worker-9"), (1, "worker-10")]:
        ledger.read(message, consumer=worker)
    assert ledger.sequence() == [2, 0, 1]
    assert ledger.log()[1] == ("worker-9", 0)
    assert list(ledger.by_consumer().items()) == [("worker-9", [0]), ("worker-10", [2, 1])]


def test_many_threads_may_write():
    ledger = Ledger("threads")

    def work(worker: int) -> None:
        for n in range(200):
            message = (worker, n)
            ledger.attempt(message)
            ledger.acknowledge(message)
            ledger.read(message, consumer=f"worker-{worker}", subscription="all")
            ledger.by_consumer()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.finish("all threads joined")
    assert ledger.count() == counts(attempted=1600, acknowledged=1600, read=1600)


def test_text_of_one_subscription():
    ledger = Ledger("one queue")
    ledger.attempt(1)
    ledger.acknowledge(1)
    ledger.finish("test")
    assert repr(ledger).splitlines() == [
        "one queue",
        "attempted  acknowledged  unknown  read  lost  duplicated",
        "        1             1        0     0     1           0",
    ]


def test_text_of_several_subscriptions():
    assert repr(fanout()).splitlines() == [
        "fanout",
        "subscription  attempted  acknowledged  unknown  read  lost  duplicated",
        "email                 3             3        0     3     0           0",
        "late                  3             3        0     0     3           0",
    ]


def test_rare_columns_show_when_they_matter():
    ledger = Ledger("surprise")
    ledger.read("never sent")
    ledger.finish("test")
    assert repr(ledger).splitlines()[1].endswith("duplicated  unexpected")
    assert "unexpected" in ledger._repr_html_()


def test_html_is_escaped():
    ledger = Ledger("a < b")
    ledger.finish("test")
    html = ledger._repr_html_()
    assert "a &lt; b" in html
    assert html.count("<tr>") == 2


def test_an_unfinished_ledger_shows_no_counts():
    ledger = Ledger("running")
    assert repr(ledger) == "running (still recording: no counts yet)"
    assert "<table>" not in ledger._repr_html_()


def test_a_table_of_several_ledgers():
    crash = Ledger("with a crash")
    crash.attempt(1)
    crash.acknowledge(1)
    crash.read(1)
    crash.read(1)
    crash.finish("test")
    table = Ledger.table(crash, fanout())
    assert list(table.index) == ["with a crash", "fanout: email", "fanout: late"]
    assert list(table["duplicated"]) == [1, 0, 0]
    assert list(table["lost"]) == [0, 0, 3]
    assert "unexpected" not in table


@pytest.mark.parametrize("size", range(7))
def test_inversions_equal_the_definition(size):
    for sequence in itertools.product(range(3), repeat=size):
        pairs = itertools.combinations(sequence, 2)
        assert inversions(sequence) == sum(a > b for a, b in pairs)


def test_inversions_of_long_sequences():
    n = 20_000
    assert inversions(range(n)) == 0
    assert inversions(range(n, 0, -1)) == n * (n - 1) // 2


def test_a_ledger_counts_the_inversions_of_a_subscription():
    ledger = Ledger("two subscriptions")
    for message in (2, 1, 3):
        ledger.read(message, subscription="out of order")
        ledger.read(3 - message, "one", subscription="email")
    assert ledger.inversions("out of order") == 1
    assert ledger.inversions(subscription="email") == 2
