"""check(): one line and a hint, never a traceback; and what graders have in common."""

import faulthandler
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.exercises import check, grading, lives
from helpers.exercises.answers import NotAttempted, Wrong, ask, stop
from helpers.exercises.grading import grade, grader
from helpers.exercises.proxy import Proxy
from tests.exercises.answers import ignoring


@pytest.fixture(autouse=True)
def graders(monkeypatch):
    grading._load("0.1")  # now: later, it would be registered with these, and taken away with them
    monkeypatch.setattr(grading, "_exercises", {})

    @grader("0.1")
    def calls_it(answer, data, times=1):
        return f"it gave {[ask(answer) for _ in range(times)]}."

    @grader("0.2", answer="value")
    def wants_three(answer, data):
        if answer != 3:
            raise Wrong("miscounted", f"it is not {answer}.", "count again.")
        return "three it is."


def test_a_right_answer(capsys):
    assert check("0.2", 3) is None
    assert capsys.readouterr().out == "✔ Exercise 0.2: three it is.\n"


def test_a_wrong_answer_gets_a_hint_and_its_seed(capsys):
    check("0.2", 4, seed=17)
    said = capsys.readouterr().out
    assert said.startswith("✘ Exercise 0.2: it is not 4.\n  Hint: count again.\n")
    assert "seed=17" in said
    assert grade("0.2", 4).kind == "miscounted"


def test_a_seed_draws_the_same_data_again():
    @grader("0.3", answer="value")
    def draws(answer, data):
        raise Wrong("drawn", str(data.random()), "…")

    first = grade("0.3", 1)
    assert grade("0.3", 1, seed=first.seed).said == first.said
    assert len({grade("0.3", 1).said for _ in range(5)}) > 1


def unattempted():
    raise NotImplementedError


@pytest.mark.parametrize(
    ("exercise", "stub"), [("0.2", None), ("0.2", ...), ("0.1", ...), ("0.1", unattempted)]
)
def test_an_untouched_stub_is_not_a_failure(exercise, stub, capsys):
    check(exercise, stub)
    assert capsys.readouterr().out == f"… Exercise {exercise}: not attempted yet.\n"


def test_zero_and_empty_are_answers():
    assert "it is not 0" in grade("0.2", 0).said


def test_the_context_reaches_the_grader():
    assert "it gave [7, 7]." in grade("0.1", lambda: 7, times=2).said


def test_an_error_is_one_line_that_says_where():
    def broken():
        raise KeyError("order_id\nand a long story")

    line = broken.__code__.co_firstlineno + 1
    found = grade("0.1", broken)
    assert found.kind == "raised"
    assert found.said.startswith(f"line {line} of your cell, in broken(), raised KeyError")
    assert "\n" not in found.said
    assert found.hint


# -- what is no answer -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exercise", "words"),
    [
        (0.1, 'write the number as a text: check("0.1", …)'),
        ("0.9", "none of this number"),
        ("99.1", "none of this number"),
        ("three", "none of this number"),
    ],
)
def test_an_exercise_that_is_none_gets_a_sentence(exercise, words, capsys):
    check(exercise, lambda: 1)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("result", [None, 7, [], "text"])
def test_a_result_instead_of_a_function_gets_a_sentence(result, capsys):
    check("0.1", result)
    said = capsys.readouterr().out
    assert "✘" in said
    assert "without brackets" in said


def test_a_broken_chapter_is_not_hidden(monkeypatch):
    def missing(_):
        raise ModuleNotFoundError("No module named 'pika'", name="pika")

    monkeypatch.setattr(grading.importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="pika"):
        check("0.1", 1)


def test_a_lab_has_a_module_of_its_own(monkeypatch, tmp_path):
    """It is named after its chapter, and of no other chapter's labs."""
    for name in ("chapter_91", "chapter_91_lab", "chapter_911", "chapter_92_lab"):
        (tmp_path / f"{name}.py").touch()
    loaded = []
    monkeypatch.setattr(grading, "__file__", str(tmp_path / "grading.py"))
    monkeypatch.setattr(grading.importlib, "import_module", loaded.append)
    check("91.3", 1)
    assert loaded == ["helpers.exercises.chapter_91", "helpers.exercises.chapter_91_lab"]


def test_no_exercise_has_two_graders():
    modules = Path(grading.__file__).parent.glob("chapter_*.py")
    numbers = re.findall(r'^@grader\(\s*"([^"]+)"', "".join(map(Path.read_text, modules)), re.M)
    assert len(numbers) == len(set(numbers)) > 20


# -- whose fault ----------------------------------------------------------------------------------


def test_an_error_of_the_grader_is_not_the_learners(capsys):
    @grader("0.3")
    def breaks(answer, data):
        ask(answer)
        raise ConnectionError("the broker went away\nand a long story")

    check("0.3", lambda: None)
    said = capsys.readouterr().out
    assert said.startswith("⚠ Exercise 0.3: the check could not be finished")
    assert "nothing about your answer. ConnectionError: the broker went away" in said
    assert "✘" not in said


def test_a_broker_that_does_not_start_is_not_the_learners(monkeypatch):
    from helpers.exercises import places

    def no_broker(names):
        raise OSError("no port is free")

    monkeypatch.setattr(places, "bring_up", no_broker)
    assert grade("0.1", lambda: 1).kind == "fault"


def test_a_check_looks_for_its_brokers_once(monkeypatch):
    from helpers.exercises import places

    asked = []
    monkeypatch.setattr(places, "up", lambda *names, quiet: asked.append(names) or object())
    for _check in range(2):
        places.bring_up(["kafka"])
        assert places.brokers("kafka") is places.brokers("kafka")
    assert asked == [("kafka",), ("kafka",)]
    places.bring_up([])
    places.brokers("kafka")
    assert asked[2:] == [("kafka",)]


def test_a_broker_that_stopped_meanwhile_is_not_the_learners(monkeypatch):
    from helpers.exercises import places

    monkeypatch.setattr(places, "out_of_order", lambda names: "RabbitMQ does not answer.")
    found = grade("0.1", lambda: 1 / 0)
    assert found.kind == "fault"
    assert "RabbitMQ does not answer" in found.said


# -- an answer with a deadline ----------------------------------------------------------------------


def ends_within(seconds, call):
    started = time.monotonic()
    try:
        return call()
    finally:
        assert time.monotonic() - started < seconds


def test_an_endless_answer_is_stopped_and_may_clean_up():
    cleaned_up = []

    def endless():
        try:
            while True:
                try:  # noqa: SIM105
                    time.sleep(60)
                except Exception:  # noqa: S110 (what a learner might write)
                    pass
        finally:
            time.sleep(0.1)
            cleaned_up.append(True)

    with pytest.raises(Wrong, match=r"still running after 0\.1 s"):
        ends_within(5, lambda: ask(endless, seconds=0.1))
    assert cleaned_up == [True]


def test_nothing_that_an_answer_catches_keeps_it_running():
    def stubborn():
        while True:
            try:
                while True:
                    try:
                        time.sleep(60)
                    except:  # noqa: E722, S112
                        continue
            except:  # noqa: E722, S110
                pass

    with pytest.raises(Wrong) as refused:
        ends_within(10, lambda: ask(stubborn, seconds=0.1))
    assert refused.value.kind == "no_deadline"


def test_an_event_loop_that_reads_no_signals_meanwhile_is_not_overwhelmed(monkeypatch):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                writer.send(b"x" * 1024)
        before = signal.set_wakeup_fd(writer.fileno())
        try:
            with pytest.raises(Wrong):
                ask(ignoring(1000), seconds=0.1)
            assert signal.set_wakeup_fd(before) == writer.fileno()
        finally:
            signal.set_wakeup_fd(before)
    assert complaints == []


def test_an_answer_that_returns_when_it_is_told_to_end_is_late_all_the_same():
    def sly():
        try:
            time.sleep(60)
        except BaseException:
            return "in time"

    with pytest.raises(Wrong, match="still running"):
        ends_within(5, lambda: ask(sly, seconds=0.1))


def test_no_alarm_is_left_behind():
    assert ask(lambda: 1, seconds=0.05) == 1
    time.sleep(0.1)  # an alarm that was left on would end the test run here


def test_an_exception_that_is_reckoned_with_is_returned():
    def late():
        raise TimeoutError("in vain")

    assert str(ask(late, may_raise=(TimeoutError,))) == "in vain"
    with pytest.raises(Wrong, match="raised TimeoutError: in vain"):
        ask(late)


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_what_a_check_objects_to_is_not_swallowed(caught):
    def refuse(_original, *_):
        stop(Wrong("objected", "no", "…"))

    thing = Proxy([1], append=refuse)

    def swallows():
        while True:
            try:  # noqa: SIM105
                thing.append(2)
            except caught:
                pass

    with pytest.raises(Wrong) as refused:
        ends_within(10, lambda: ask(swallows))
    assert refused.value.kind == "objected"


# -- an answer that is killed ----------------------------------------------------------------------


def test_a_life_returns_what_its_work_did():
    assert lives.live(len, lambda: {"a": 1}) == {"a": 1}
    assert lives.live(len, lambda: ValueError("x")).args == ("x",)


def test_memory_ends_with_a_life():
    memory = set()

    def remember():
        memory.add(1)
        return len(memory)

    assert [lives.live(remember, remember) for _ in range(2)] == [1, 1]
    assert not memory


def test_no_except_and_no_finally_outlives_a_kill(tmp_path):
    journal = lives.Journal()

    def clings():
        try:
            journal.note("before", 1)
            lives.die()
        except:  # noqa: E722
            journal.note("caught")
        finally:
            journal.note("finally")

    assert lives.live(clings, clings) is lives.KILLED
    assert journal.read() == [["before", 1]]


def test_what_a_life_raises_is_the_answers():
    def broken():
        raise KeyError("order")

    with pytest.raises(Wrong, match=r"in broken\(\), raised KeyError"):
        lives.live(broken, broken)
    with pytest.raises(NotAttempted):
        lives.live(unattempted, unattempted)
    assert isinstance(lives.live(broken, broken, may_raise=(KeyError,)), KeyError)


@pytest.mark.parametrize("leave", [lambda: os._exit(3), lambda: sys.exit(3)])
def test_a_life_that_ends_itself_is_told_so(leave):
    with pytest.raises(Wrong) as refused:
        lives.live(leave, leave)
    assert refused.value.kind == "ended_process"


def test_a_life_that_never_ends_is_ended():
    def endless():
        while True:
            time.sleep(60)

    with pytest.raises(Wrong, match="still running"):
        ends_within(10, lambda: lives.live(endless, endless, seconds=0.1))


def test_a_life_that_does_not_notice_its_deadline_was_late_and_not_killed(monkeypatch):
    def deaf():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        while True:
            time.sleep(60)

    monkeypatch.setattr(lives, "GRACE", 0.3)
    with pytest.raises(Wrong, match="still running"):
        lives.live(deaf, deaf, seconds=0.1)


def test_a_crash_that_nobody_ordered_is_no_answer():
    def crash():
        faulthandler.disable()  # pytest's, which would print where
        os.abort()

    with pytest.raises(RuntimeError, match="signal 6"):
        lives.live(crash, crash)


@pytest.mark.parametrize("way", ["execute", "cursor", "script", "with"])
def test_every_statement_counts_whoever_sends_it(tmp_path, way):
    path = tmp_path / "books.db"

    def work(fatal):
        with lives.mortal(path, fatal) as database:
            if way == "execute":
                database.execute("CREATE TABLE t (n INTEGER)")
                database.execute("INSERT INTO t VALUES (1)")
                database.commit()
            elif way == "cursor":
                cursor = database.cursor()
                cursor.execute("CREATE TABLE t (n INTEGER)")
                cursor.execute("INSERT INTO t VALUES (1)")
                database.commit()
            elif way == "script":
                database.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)")
            else:
                with database:
                    database.execute("CREATE TABLE t (n INTEGER)")
                    database.execute("INSERT INTO t VALUES (1)")

    deaths = 0
    while lives.live(work, lambda fatal=deaths + 1: work(fatal)) is lives.KILLED:
        path.unlink(missing_ok=True)
        deaths += 1
    assert deaths == (2 if way == "script" else 4)  # BEGIN and COMMIT are statements, too
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_a_proxy_passes_on_and_counts():
    made = []
    thing = Proxy(made, append=lambda append, value: append(value * 2))
    thing.append(4)
    thing.extend([5])
    assert (made, list(thing), thing.calls["append"]) == ([8, 5], [8, 5], 1)
