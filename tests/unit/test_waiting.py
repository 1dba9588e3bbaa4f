"""wait_until: returns what it waited for, or says what went wrong."""

import time

import pytest

from helpers.waiting import WaitTimeout, wait_until


def answers(*sequence):
    """A check that gives these answers in turn, raising those that are exceptions."""
    remaining = list(sequence)

    def check():
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return check


def test_returns_the_first_true_value():
    assert wait_until(answers(0, "", [], 42, 43), "an answer", timeout=1, every=0.001) == 42


def test_looks_at_least_once_even_without_time():
    assert wait_until(lambda: "there", "it", timeout=0) == "there"


def test_does_not_sleep_when_it_is_already_true():
    started = time.monotonic()
    wait_until(lambda: True, "it", every=5)
    assert time.monotonic() - started < 1


def test_never_sleeps_past_the_deadline():
    started = time.monotonic()
    with pytest.raises(WaitTimeout):
        wait_until(lambda: False, "it", timeout=0.05, every=30)
    assert time.monotonic() - started < 1


def test_looks_again_at_the_deadline():
    started = time.monotonic()
    assert wait_until(lambda: time.monotonic() - started > 0.05, "it", timeout=0.06, every=30)


def test_the_error_says_what_how_long_and_the_last_value():
    with pytest.raises(WaitTimeout, match=r"Waited 0\.02 s for 4 orders.* Last seen: 0$"):
        wait_until(lambda: 0, "4 orders to be queued", timeout=0.02, every=0.001)


def test_tolerated_errors_are_retried():
    check = answers(ConnectionRefusedError("no"), ConnectionRefusedError("no"), "up")
    assert wait_until(check, "it", timeout=1, every=0.001, tolerate=(OSError,)) == "up"


def test_other_errors_end_the_wait_at_once():
    calls = []

    def check():
        calls.append(1)
        raise KeyError("wrong")

    with pytest.raises(KeyError):
        wait_until(check, "it", timeout=1, tolerate=(OSError,))
    assert len(calls) == 1


def test_the_error_carries_the_last_exception():
    with pytest.raises(WaitTimeout, match="ConnectionRefusedError: nobody there") as caught:
        wait_until(
            answers(ConnectionRefusedError("nobody there")), "it", timeout=0, tolerate=(OSError,)
        )
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_an_exception_of_the_past_is_not_blamed():
    check = answers(ConnectionRefusedError("nobody there"), 0)
    with pytest.raises(WaitTimeout) as caught:
        wait_until(check, "it", timeout=0.02, every=0.001, tolerate=(OSError,))
    assert "Last seen: 0" in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_error_ends_with_the_tail_of_the_log_and_the_next_command():
    log = "\n".join(f"line {n}" for n in range(100))
    with pytest.raises(WaitTimeout) as caught:
        wait_until(lambda: 0, "the broker", timeout=0, log=lambda: log, then="make down lab")
    message = str(caught.value)
    assert "Waited 0 s for the broker" in message
    assert "line 99" in message
    assert "line 84\n" not in message
    assert message.endswith("Next: make down lab")


def test_an_empty_log_is_said_to_be_empty():
    with pytest.raises(WaitTimeout, match="it is empty"):
        wait_until(lambda: 0, "the broker", timeout=0, log=lambda: "")


def test_a_timeout_is_a_timeout_error():
    with pytest.raises(TimeoutError):
        wait_until(lambda: None, "it", timeout=0)
