"""The grader of the lab on advertised listeners tells right answers from wrong ones."""

import socket
import time

from tests.exercises.answers import Answers, ignoring, stub

NAMES = {socket.gaierror: "no such name", ConnectionRefusedError: "refused", TimeoutError: "silent"}
kept = []


def reach_with(names=NAMES, in_time=True, close=True, otherwise="answers"):
    """An answer that gets right what it is told to."""

    def reach(host, port, seconds):
        try:
            opened = socket.create_connection((host, port), timeout=seconds if in_time else 3.5)
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

ANSWERS = {
    "4.6": Answers(
        right={"reference": reach_with(), "socket": reach_by_a_socket, "slow": reach_slowly},
        wrong={
            "names are not told apart": ("wrong_word", reach_with(without_names)),
            "silence is a refusal": ("wrong_word", reach_with(without_silence)),
            "always answers": ("wrong_word", lambda *_: "answers"),
            "never answers": ("wrong_word", reach_with(otherwise="refused")),
            "a time-out of its own": ("wrong_time", reach_with(in_time=False)),
            "tries again": ("wrong_time", reach_twice),
            "left open": ("left_open", reach_with(close=False)),
            "for ever": ("late", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
