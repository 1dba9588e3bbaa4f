"""make lab: JupyterLab answers, and when it is gone, however that came about, so are the brokers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import psutil
import pytest

from conftest import _free_offset, containers
from helpers import settings, wait_until
from helpers.brokers import marks
from helpers.brokers.places import Place, every_place

HELPERS = [sys.executable, "-m", "helpers"]


class Lab:
    """A lab on ports of its own, and what it said."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.environment = {
            **os.environ,
            "BREAKING_BROKERS_BACKEND": settings.forced_backend() or "native",
            "BREAKING_BROKERS_OWNER": marks.identity(),
            "BREAKING_BROKERS_PORT_OFFSET": str(_free_offset()),
        }
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
            self.environment.pop(name, None)

    def start(self) -> None:
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*HELPERS, "lab"],
                cwd=settings.CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def address(self) -> str:
        """What it printed, once that answers."""

        def answered() -> str | None:
            found = re.search(r"http://\S+token=\w+", self.said())
            if found and urllib.request.urlopen(found[0], timeout=5).status == 200:
                return found[0]
            return None

        return wait_until(answered, "JupyterLab", timeout=60, log=self.said, tolerate=(OSError,))

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [*HELPERS, *command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout

    def get(self, path: str) -> Any:
        """What the server of the lab answers, as JSON."""
        base, token = re.match(r"(http://[^/]+/).*(token=\w+)", self.address()).groups()
        request = urllib.request.Request(f"{base}{path}?{token}")
        request.add_header("Authorization", "Basic " + b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def places(self) -> dict[str, Place]:
        return every_place(int(self.environment["BREAKING_BROKERS_PORT_OFFSET"]))

    def running(self) -> set[int | str]:
        """Its brokers: the pids of processes, or the ids of containers."""
        offset = self.environment["BREAKING_BROKERS_PORT_OFFSET"]
        if self.environment["BREAKING_BROKERS_BACKEND"] == "compose":
            return containers(offset)
        run = settings.cache_dir() / "run" / offset
        return {p.pid for p, mark in marks.ours() if Path(mark.node).parent == run}

    def minder(self) -> psutil.Process:
        """Its one child, which starts the brokers, waits for its end, and then stops them."""
        [minder] = psutil.Process(self.process.pid).children()
        return minder

    def waits_or_has_looked(self) -> bool:
        """Does it wait until it may look whose the brokers are, or has it gone on from there?"""
        process = psutil.Process(self.process.pid)
        return has_open(process, "lab-claim.lock") or bool(process.children())

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


def has_open(process: psutil.Process, name: str) -> bool:
    return any(Path(file.path).name == name for file in process.open_files())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "said")
    yield lab
    lab.process.kill()
    lab.process.wait()
    lab.run("down", "--delete-data")


def test_the_brokers_come_and_go_with_the_lab(lab):
    lab.start()
    assert "/lab/tree/workbook/00_start_here.ipynb" in lab.address()
    assert lab.said().count("http://") == 1
    assert "are up" in lab.run("up")
    lab.end(signal.SIGKILL)
    wait_until(lambda: "No broker" in lab.run("status"), "the brokers' end", timeout=60)


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
