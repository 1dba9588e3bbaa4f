"""The grader of the lab on keys and failures tells right answers from wrong ones."""

import pytest

from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


def pay_with(
    tries=3,
    again=ConnectionError,
    wait=True,
    key=lambda key: key,
    value=lambda value: value,
    header=True,
    only=None,
    headers=True,
):
    """An answer that gets right what it is told to."""

    def pay(record, charge, producer, dead_letters):
        problem = None
        for _ in range(tries):
            try:
                return charge(record.value)
            except again as error:
                problem = error
            except Exception as error:
                problem = error
                break
        if only and not isinstance(problem, only):
            return None
        name = type(problem).__name__ if header else str(problem)
        before = record.headers if headers else ()
        options = {"key": key(record.key), "headers": [*before, ("error", name.encode())]}
        sent = producer.send(dead_letters, value(record.value), **options)
        if wait:
            sent.get(timeout=20)
        return None

    return pay


def pay_by_calling_itself(flush=False):
    def pay(record, charge, producer, dead_letters, left=2):
        try:
            charge(record.value)
        except Exception as error:
            if isinstance(error, ConnectionError) and left:
                pay(record, charge, producer, dead_letters, left - 1)
                return
            name = error.__class__.__name__.encode()
            headers = [*record.headers, ("error", name)]
            sent = producer.send(dead_letters, key=record.key, value=record.value, headers=headers)
            producer.flush() if flush else sent.get(timeout=20)

    return pay


def pay_whatever_happens(record, charge, producer, dead_letters):
    try:
        pay_with()(record, charge, producer, dead_letters)
    except Exception as error:
        print(error)


def pay_and_write_the_name_out(record, charge, producer, dead_letters):
    """Whatever was tried three times was a ConnectionError, and is called so."""
    why = "ConnectionError"
    for _ in range(3):
        try:
            return charge(record.value)
        except ConnectionError:
            continue
        except Exception as error:
            why = type(error).__name__
            break
    why = [*record.headers, ("error", why.encode())]
    producer.send(dead_letters, record.value, key=record.key, headers=why).get(timeout=20)
    return None


def pay_by_a_list(record, charge, producer, dead_letters):
    errors = []
    while len(errors) < 3 and all(isinstance(error, ConnectionError) for error in errors):
        try:
            charge(record.value)
        except Exception as error:
            errors.append(error)
        else:
            return
    headers = [("error", type(errors[-1]).__name__.encode()), *record.headers]
    producer.send(dead_letters, record.value, record.key, headers=headers).get(timeout=20)


def go_on(record, charge, producer, dead_letters):
    try:
        charge(record.value)
    except Exception as error:
        print(error)


def stripped(value):
    return value and value.replace(b"  ", b" ").decode(errors="ignore").encode()


ANSWERS = {
    "6.9": Answers(
        right={
            "reference": pay_with(),
            "calls itself": pay_by_calling_itself(),
            "list": pay_by_a_list,
        },
        wrong={
            "an empty key is none": ("wrong_body", pay_with(key=lambda key: key or None)),
            "no value is an empty one": ("wrong_body", pay_with(value=lambda value: value or b"")),
            "an empty value is none": ("wrong_body", pay_with(value=lambda value: value or None)),
            "goes on": ("wrong_count", go_on),
            "only once": ("wrong_count", pay_with(tries=1)),
            "four times": ("wrong_count", pay_with(tries=4)),
            "everything again": ("wrong_count", pay_with(again=Exception)),
            "every OSError again": ("wrong_count", pay_with(again=OSError)),
            "doesn't wait": ("lost", pay_with(wait=False)),
            "drops the third": (
                "lost",
                pay_with(only=(ValueError, LookupError, TypeError, PermissionError)),
            ),
            "without its key": ("wrong_body", pay_with(key=lambda key: None)),
            "tidied up": ("wrong_body", pay_with(value=stripped)),
            "the words, not the name": ("wrong_header", pay_with(header=False)),
            "one name for all of a kind": ("wrong_header", pay_and_write_the_name_out),
            "flush": ("lost", pay_by_calling_itself(flush=True)),
            "catches all": ("lost", pay_whatever_happens),
            "one header alone": ("lost_header", pay_with(headers=False)),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
