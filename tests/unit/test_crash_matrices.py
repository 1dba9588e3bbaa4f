"""The stored crash matrices, and the program that dies before a statement."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from helpers import settings
from helpers.programs import module

read = module("crash_matrices.py").read
PROGRAM = """
def handle(event):
    number = (event["data"]
              ["order"])
    between(number)
    with open(__file__):
        print(number)

def between(number):
    print(number + 1)

for order in (7, 8):
    handle({"data": {"order": order}})
    print("handled", order)
"""
PLACES = [
    ["handle", 'number = (event["data"] ["order"])'],
    ["handle", "between(number)"],
    ["handle", "with open(__file__):"],
    ["handle", "print(number)"],
    ["handle", "with open(__file__):"],
    ["<module>", 'print("handled", order)'],
]


def followed(tmp_path, order: int, number: int) -> tuple[int, list[str]]:
    """How the program ended, and what it printed."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    command = [sys.executable, "-m", "tests.matrices.dies", str(order), str(number), str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=settings.CHECKOUT, text=True, **pipes) as process:
        said = process.stdout.read()
    return process.returncode, said.splitlines()


def test_a_program_says_which_statements_it_runs_for_an_order(tmp_path):
    status, said = followed(tmp_path, order=8, number=-1)
    assert status == 0
    assert [json.loads(line) for line in said if line.startswith("[")] == PLACES
    assert said[:2] == ["8", "7"], "nothing is said of order 7"


def test_a_program_dies_before_the_chosen_statement(tmp_path):
    status, said = followed(tmp_path, order=7, number=3)
    assert status == -signal.SIGKILL
    assert said[-1] == json.dumps(PLACES[3])
    assert "7" not in said, "what it dies before is not run"


def test_only_an_outbox_loses_nothing_and_invents_nothing():
    table = read("outbox")
    sums = table.groupby(["way", "broker"])[["lost", "invented", "duplicated"]].sum() > 0
    faults = {way: row.tolist() for way, row in sums.iterrows()}
    for broker in ("Kafka", "RabbitMQ"):
        assert faults["commit first", broker] == [True, False, False]
        assert faults["publish first", broker] == [False, True, False]
        assert faults["outbox", broker] == [False, False, True]
        assert faults["outbox and inbox", broker] == [False, False, False]


def test_with_an_outbox_every_order_of_a_saga_ends_as_it_should():
    table = read("saga")
    kept = table[table["published"] == "outbox"]
    assert kept["conserved"].all()
    assert set(kept["broker"]) == {"Kafka", "RabbitMQ"}
    assert set(kept["service"]) == {"inventory", "payment", "shipping", "orders"}
    good = kept["fate"] == "all goes well"
    assert set(kept[good]["ended"]) == {"confirmed"}
    assert set(kept[~good]["ended"]) == {"cancelled"}
    assert not table[table["published"] != "outbox"]["conserved"].all(), (
        "it could come out otherwise"
    )
