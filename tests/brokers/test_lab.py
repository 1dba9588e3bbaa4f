"""make lab: JupyterLab answers, and when it is gone, however that came about, so are the brokers."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pika
import psutil
import pytest

from helpers import brokers, settings, wait_until
from helpers.brokers import neighbours
from helpers.brokers.places import PLACES
from helpers.upkeep.lab import _port as first_port
from helpers.upkeep.lab import _register as register
from helpers.upkeep.lab import stop_if_last
from tests.labs import Lab, has_open


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "said")
    yield lab
    lab.leave_nothing()


def test_the_brokers_come_and_go_with_the_lab(lab):
    lab.start()
    assert "/lab/tree/workbook/00_start_here.ipynb" in lab.address()
    assert lab.said().count("http://") == 1
    assert "are up" in lab.run("up")
    lab.end(signal.SIGKILL)
    wait_until(lambda: "No broker" in lab.run("status"), "the brokers' end", timeout=60)


def test_a_lab_that_a_shutdown_of_the_machine_ended_claims_no_brokers_afterwards(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(brokers, "status", lambda: [{"name": "kafka"}])
    said = settings.run_dir() / "lab.lock"
    said.write_text("a lab started the brokers")
    register().close()
    assert said.read_text(), "a word of a lab that ran since the machine did"
    os.utime(said, (0, psutil.boot_time() - 1))
    register().close()
    assert said.read_text() == ""


def test_the_brokers_stay_as_long_as_another_lab_is_open(monkeypatch, tmp_path):
    stopped = []
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(brokers, "status", list)
    monkeypatch.setattr(brokers, "down", lambda: stopped.append("all"))
    first, second = register(), register()
    first.close()
    stop_if_last()
    assert stopped == []
    second.close()
    stop_if_last()
    assert stopped == ["all"]


def test_no_two_copies_of_the_course_look_for_jupyters_port_at_the_same_place(monkeypatch):
    found = set()
    for offset in range(0, neighbours.END, neighbours.STEP):
        monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(offset))
        found.add(first_port())
    assert len(found) == neighbours.END // neighbours.STEP
    assert min(found) == 8888
    assert max(found) < PLACES[0].port


def test_a_lab_that_opens_while_the_brokers_of_the_last_one_stop_has_brokers_and_stops_them(lab):
    lab.start()
    lab.address()
    assert "are up" in lab.run("up")
    before = lab.running()
    minder = lab.minder()
    lab.end(signal.SIGKILL)
    wait_until(lambda: has_open(minder, "lab.lock"), "the stop to begin", timeout=60, every=0.005)
    minder.suspend()  # so that it is still stopping them when the next lab looks
    assert lab.running(), "all brokers had ended by then"
    lab.start()
    wait_until(lab.waits_or_has_looked, "the lab to come to that", timeout=60)
    minder.resume()
    lab.address()
    assert "are up" in lab.run("up")
    assert not lab.running() & before
    lab.end(signal.SIGTERM)
    wait_until(lambda: not lab.running(), "the brokers' end", timeout=60)


def test_the_terminal_is_told_once_why_the_brokers_did_not_start(lab):
    with socket.socket() as stranger:
        stranger.bind((settings.HOST, lab.places()["kafka"].port))
        stranger.listen()
        lab.start()
        lab.address()
        wait_until(lambda: "did not start" in lab.said(), "the reason", timeout=60)
        lab.end(signal.SIGTERM)
    [line] = [line for line in lab.said().splitlines() if "did not start" in line]
    assert f"held by {psutil.Process().name()}" in line
    assert "lab.log" in line


def test_the_kernel_is_the_courses_own_whatever_else_is_called_python3(lab, tmp_path):
    hostile = tmp_path / "jupyter" / "kernels" / "python3"
    hostile.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "Mine", "language": "python"}
    (hostile / "kernel.json").write_text(json.dumps(spec))
    lab.environment["JUPYTER_PATH"] = str(tmp_path / "jupyter")
    lab.environment["JUPYTER_DATA_DIR"] = str(tmp_path / "jupyter")
    lab.start()
    kernels = lab.get("api/kernelspecs")
    assert kernels["default"] == "python3"
    assert kernels["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable


def test_the_management_page_shows_a_queue_through_the_lab(lab):
    assert "are up" in lab.run("up")
    lab.start()
    names = ["orders", "a/b c?#%2F+ü"]
    address = pika.ConnectionParameters(settings.HOST, lab.places()["rabbitmq"].port)
    with pika.BlockingConnection(address) as connection:
        for name in names:
            connection.channel().queue_declare(name, durable=True)
    assert lab.get("rabbitmq/api/overview")["node"]
    for name in names:
        queue = lab.get(f"rabbitmq/api/queues/%2F/{quote(name, safe='')}")
        assert queue["name"] == name


def test_brokers_that_ran_before_stay(lab):
    assert "are up" in lab.run("up")
    lab.start()
    lab.address()
    lab.end(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        wait_until(lambda: "No broker" in lab.run("status"), "an end", timeout=12)
