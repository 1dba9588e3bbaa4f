"""The environment: made once, repaired after anything, and nobody else's is ever deleted.

Each test has a small checkout of its own, whose one requirement is a wheel made here: no network.
"""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
SCRIPTS = ("upkeep/bootstrap.py", "brokers/progress_line.py", "brokers/debian.py")


class Checkout:
    """A course with one tiny requirement, in a directory with an awkward name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in SCRIPTS:
            (root / "helpers" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HELPERS / name, root / "helpers" / name)
        (root / "pyproject.toml").touch()
        (root / "requirements.lock").write_text("tiny==1.0\n")
        self.require("1.0")

    def require(self, version: str) -> None:
        """Ask for this version of the requirement, which has its version in ``tiny.version``."""
        wheel = self.root / f"tiny-{version}-py3-none-any.whl"
        info = f"tiny-{version}.dist-info"
        files = {
            "tiny.py": f"version = '{version}'\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(name, text)
        (self.root / "requirements.txt").write_text(f"./{wheel.name}\n")

    def command(self) -> list[str]:
        return [sys.executable, str(self.root / "helpers" / "upkeep" / "bootstrap.py")]

    def run(self, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(),
            cwd="/",
            env={**os.environ, "PIP_NO_INDEX": "1", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, start_new_session=True)

    def installed(self) -> str:
        """The version of the requirement that the environment has."""
        command = [self.root / ".venv/bin/python", "-c", "import tiny; print(tiny.version)"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def state(self) -> Path:
        return self.root / ".venv" / "breaking-brokers.json"


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Checkout:
    """A checkout that is set up; a test that changes it works on a ``copy`` of its files."""
    checkout = Checkout(tmp_path_factory.mktemp("made") / "my course ü")
    done = checkout.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def test_the_requirements_are_installed(made):
    assert made.installed() == "1.0"


def test_a_second_run_does_nothing_in_half_a_second(made):
    before = made.state().stat().st_mtime_ns
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = made.run(PATH="/nowhere")
        times.append(time.perf_counter() - start)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert min(times) < 0.5
    assert made.state().stat().st_mtime_ns == before


def test_changed_requirements_are_installed_into_the_same_environment(made):
    marker = made.root / ".venv" / "still-the-same"
    marker.touch()
    made.require("2.0")
    assert made.run().returncode == 0
    assert made.installed() == "2.0"
    assert marker.exists()


def test_requirements_that_cannot_be_had_leave_what_there_was(made):
    asked = (made.root / "requirements.txt").read_text()
    before = made.state().read_text()
    (made.root / "requirements.txt").write_text("no-such-package==1.0\n")
    done = made.run()
    assert done.returncode == 1
    assert "no-such-package" in done.stderr
    assert "network" in done.stderr
    assert made.state().read_text() == before
    (made.root / "requirements.txt").write_text(asked)
    assert made.run(PATH="/nowhere").stdout == ""


def test_a_moved_checkout_gets_a_new_environment(made, tmp_path):
    moved = Checkout(tmp_path / "moved")
    shutil.copytree(made.root / ".venv", moved.root / ".venv", symlinks=True)
    stale = moved.root / ".venv" / "stale"
    stale.touch()
    assert moved.run().returncode == 0
    assert moved.installed() == "1.0"
    assert not stale.exists()


@pytest.mark.parametrize("half", ["empty", "no pip", "broken package"])
def test_a_half_made_environment_of_ours_is_made_anew(tmp_path, half):
    checkout = Checkout(tmp_path / "half")
    (checkout.root / ".venv").mkdir()
    checkout.state().write_text('{"ours": true}')
    if half == "no pip":
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", checkout.root / ".venv"], check=True
        )
    if half == "broken package":
        (checkout.root / ".venv/lib").mkdir()
        (checkout.root / ".venv/lib/tiny.py").touch()
    assert checkout.run().returncode == 0
    assert checkout.installed() == "1.0"


@pytest.mark.skipif(not importlib.util.find_spec("ensurepip"), reason="no python3-venv here")
def test_an_environment_that_the_learner_made_is_used_and_not_deleted(tmp_path):
    checkout = Checkout(tmp_path / "theirs")
    subprocess.run([sys.executable, "-m", "venv", checkout.root / ".venv"], check=True)
    theirs = checkout.root / ".venv" / "theirs"
    theirs.touch()
    assert checkout.run().returncode == 0
    assert checkout.installed() == "1.0"
    assert theirs.exists()
    assert checkout.run(PATH="/nowhere").stdout == ""


def test_what_is_no_environment_is_not_deleted_and_named(tmp_path):
    checkout = Checkout(tmp_path / "foreign")
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "thesis.txt").touch()
    done = checkout.run()
    assert done.returncode == 1
    assert "mv .venv .venv.old" in done.stderr
    assert (checkout.root / ".venv" / "thesis.txt").exists()


@pytest.mark.parametrize("after", [0.05, 0.15, 0.5, 2.0])
def test_killed_at_any_moment_the_next_run_makes_it_good(tmp_path, after):
    checkout = Checkout(tmp_path / "killed")
    killed = checkout.start()
    time.sleep(after)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert checkout.installed() == "1.0"


def test_of_two_runs_at_once_one_waits_for_the_other(tmp_path):
    checkout = Checkout(tmp_path / "two")
    both = [checkout.start(), checkout.start()]
    assert [run.wait(120) for run in both] == [0, 0]
    assert checkout.installed() == "1.0"
    assert json.loads(checkout.state().read_text())["ours"] is True


def test_the_users_own_settings_of_pip_do_not_lead_elsewhere(tmp_path):
    checkout = Checkout(tmp_path / "settings")
    done = checkout.run(PIP_TARGET=str(tmp_path / "elsewhere"), PIP_USER="1")
    assert done.returncode == 0, done.stderr
    assert checkout.installed() == "1.0"


@pytest.mark.parametrize(("setting", "compiled"), [("", 0), ("1", 1)])
def test_packages_are_compiled_now_where_python_may_not_do_it_later(tmp_path, setting, compiled):
    checkout = Checkout(tmp_path / "course")
    assert checkout.run(PYTHONDONTWRITEBYTECODE=setting).returncode == 0
    assert len([*(checkout.root / ".venv").rglob("tiny*.pyc")]) == compiled
