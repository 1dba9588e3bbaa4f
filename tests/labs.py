"""A lab for tests: JupyterLab and brokers on ports of its own, and what it said."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import psutil

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

    def leave_nothing(self) -> None:
        """Kill it, and its brokers with all that they stored."""
        self.process.kill()
        self.process.wait()
        self.run("down", "--delete-data")


def has_open(process: psutil.Process, name: str) -> bool:
    return any(Path(file.path).name == name for file in process.open_files())
