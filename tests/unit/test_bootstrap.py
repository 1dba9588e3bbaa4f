"""The environment: made once, repaired after anything, and nobody else's is ever deleted.

Each test has a small checkout of its own, whose packages are wheels made here: no network. Its uv is a
wheel too, of one line, which starts the uv of this environment.
"""

import ast
import base64
import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from helpers.upkeep import bootstrap

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "Makefile",
    "helpers/upkeep/bootstrap.py",
    "helpers/brokers/progress_line.py",
    "helpers/brokers/debian.py",
)
PROJECT = """[build-system]
requires = ["flit-core"]
build-backend = "flit_core.buildapi"
[project]
name = "course"
version = "1.0"
description = "None"
[tool.flit.module]
name = "helpers"
"""


class Wheels:
    """A directory of wheels, and what pip is told to find nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sums = {}
        self.settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
        for name in ("pip", "flit_core"):
            files = metadata.files(name.replace("_", "-"))
            modules = [file for file in files if file.parts[0] == name and file.suffix != ".pyc"]
            self.add(name, metadata.version(name), {str(f): f.read_binary() for f in modules})
        for version in ("1.0", "2.0"):
            self.add("tiny", version, {"tiny.py": f"version = '{version}'\n".encode()})
        self.add_uv('#!/bin/sh\nexec "{}" "$@"\n'.format(Path(sys.prefix) / "bin/uv"))

    def add(self, name: str, version: str, files: dict[str, bytes]) -> None:
        info = f"{name}-{version}.dist-info"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        files = {**files, f"{info}/METADATA": about.encode(), f"{info}/WHEEL": kind.encode()}
        record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, data in {**files, f"{info}/RECORD": record.encode()}.items():
                entry = zipfile.ZipInfo(path)
                entry.external_attr = (stat.S_IFREG | 0o755) << 16
                archive.writestr(entry, data)
        self.sums[name, version] = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def add_uv(self, script: str, version: str = "1.0") -> None:
        self.add("uv", version, {f"uv-{version}.data/scripts/uv": script.encode()})

    def lock(self, **versions: str) -> str:
        """A lock file with these packages, and those that an environment needs."""
        versions = {"pip": metadata.version("pip"), "uv": "1.0", **versions}
        versions["flit_core"] = metadata.version("flit-core")
        return "".join(
            f"{name}=={version} \\\n    --hash=sha256:{self.sums.get((name, version), '0' * 64)}\n"
            for name, version in versions.items()
        )


def _without_make() -> dict[str, str]:
    """The environment, but for what says that `make` runs these tests: another one would say so, too."""
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


class Checkout:
    """A course with one tiny requirement, in a directory with an awkward name."""

    def __init__(self, root: Path, wheels: Wheels) -> None:
        self.root = root
        self.wheels = wheels
        for name in FILES:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        (root / "helpers/__init__.py").touch()
        (root / "pyproject.toml").write_text(PROJECT)
        self.require(tiny="1.0")

    def require(self, **versions: str) -> None:
        (self.root / "requirements.lock").write_text(self.wheels.lock(**versions))

    def command(self) -> list[str]:
        return [sys.executable, str(self.root / "helpers" / "upkeep" / "bootstrap.py")]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command or self.command(),
            cwd=self.root if command else "/",
            env={**_without_make(), **self.wheels.settings, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(),
            env={**os.environ, **self.wheels.settings},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def installed(self) -> str:
        """The version of the requirement that the environment has."""
        command = [
            self.root / ".venv/bin/python",
            "-c",
            "import tiny, helpers; print(tiny.version)",
        ]
        return subprocess.run(command, cwd="/", capture_output=True, text=True).stdout.strip()

    def installer(self) -> str:
        """Who installed it: uv or pip."""
        (note,) = self.root.glob(".venv/lib/python*/site-packages/tiny-*.dist-info/INSTALLER")
        return note.read_text().strip()

    def state(self) -> Path:
        return self.root / ".venv" / "breaking-brokers.json"


def _digest(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Wheels:
    return Wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture
def checkout(tmp_path, wheels) -> Checkout:
    return Checkout(tmp_path / "course", wheels)


@pytest.fixture(scope="module")
def made(tmp_path_factory, wheels) -> Checkout:
    """A checkout that is set up."""
    checkout = Checkout(tmp_path_factory.mktemp("made") / "my course ü", wheels)
    done = checkout.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def test_uv_installs_what_the_lock_names(made):
    assert made.installed() == "1.0"
    assert made.installer() == "uv"
    pip = [made.root / ".venv/bin/python", "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True).returncode == 0


def test_a_second_run_does_nothing_in_half_a_second(made):
    before = made.state().stat().st_mtime_ns
    start = os.times()
    done = made.run(PATH="/nowhere")
    end = os.times()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    took = end.children_user + end.children_system - start.children_user - start.children_system
    assert took < 0.5  # of a processor, which others use, too
    assert made.state().stat().st_mtime_ns == before


def test_a_changed_lock_is_installed_into_the_same_environment(made):
    marker = made.root / ".venv" / "still-the-same"
    marker.touch()
    made.require(tiny="2.0")
    assert made.run().returncode == 0
    assert made.installed() == "2.0"
    assert marker.exists()


@pytest.mark.parametrize("wrong", [{"tiny": "3.0"}, {"no-such-package": "1.0"}])
def test_packages_that_cannot_be_had_leave_what_there_was(made, wrong):
    asked = (made.root / "requirements.lock").read_text()
    before = made.state().read_text()
    made.require(**wrong)
    done = made.run()
    assert done.returncode == 1
    assert next(iter(wrong)) in done.stderr
    assert "network" in done.stderr
    assert made.state().read_text() == before
    (made.root / "requirements.lock").write_text(asked)
    assert made.run(PATH="/nowhere").stdout == ""


def test_a_file_with_another_sum_is_refused(checkout, wheels):
    lock = checkout.root / "requirements.lock"
    lock.write_text(lock.read_text().replace(wheels.sums["tiny", "1.0"], "0" * 64))
    done = checkout.run()
    assert done.returncode == 1
    assert wheels.sums["tiny", "1.0"] in done.stderr
    assert checkout.installed() == ""


@pytest.mark.parametrize("uv", ["does not run", "is not to be had"])
def test_where_uv_fails_pip_installs(tmp_path, wheels, uv):
    wheels.add_uv("#!/nowhere/python\n", "0.1")
    checkout = Checkout(tmp_path / "course", wheels)
    checkout.require(tiny="1.0", uv="0.1")
    if uv == "is not to be had":
        lock = checkout.root / "requirements.lock"
        lock.write_text(lock.read_text().replace("uv==0.1", "uv==0.2; python_version < '3'"))
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert "pip does it" in done.stdout
    assert checkout.installed() == "1.0"
    assert checkout.installer() == "pip"


def test_a_moved_checkout_gets_a_new_environment(made, tmp_path, wheels):
    moved = Checkout(tmp_path / "moved", wheels)
    shutil.copytree(made.root / ".venv", moved.root / ".venv", symlinks=True)
    stale = moved.root / ".venv" / "stale"
    stale.touch()
    assert moved.run().returncode == 0
    assert moved.installed() == "1.0"
    assert not stale.exists()


@pytest.mark.parametrize("half", ["no packages", "broken package"])
def test_a_half_made_environment_of_ours_is_made_anew(checkout, half):
    (checkout.root / ".venv").mkdir()
    if half == "no packages":
        venv.create(checkout.root / ".venv", symlinks=True)
    if half == "broken package":
        (checkout.root / ".venv/lib").mkdir()
        (checkout.root / ".venv/lib/tiny.py").touch()
    checkout.state().write_text('{"ours": true}')
    assert checkout.run().returncode == 0
    assert checkout.installed() == "1.0"


def test_an_environment_that_the_learner_made_is_used_and_not_deleted(checkout):
    venv.create(checkout.root / ".venv", symlinks=True)
    theirs = checkout.root / ".venv" / "theirs"
    theirs.touch()
    assert checkout.run().returncode == 0
    assert checkout.installed() == "1.0"
    assert theirs.exists()
    assert checkout.run(PATH="/nowhere").stdout == ""


def test_what_is_no_environment_is_not_deleted_and_named(checkout):
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "thesis.txt").touch()
    done = checkout.run()
    assert done.returncode == 1
    assert "mv .venv .venv.old" in done.stderr
    assert (checkout.root / ".venv" / "thesis.txt").exists()


@pytest.mark.parametrize("after", [0.2, 1.0])
def test_killed_at_any_moment_the_next_run_makes_it_good(checkout, after):
    killed = checkout.start()
    time.sleep(after)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert checkout.installed() == "1.0"


def test_of_two_runs_at_once_one_waits_for_the_other(checkout):
    both = [checkout.start(), checkout.start()]
    assert [run.wait(120) for run in both] == [0, 0]
    assert checkout.installed() == "1.0"
    assert json.loads(checkout.state().read_text())["ours"] is True


def test_the_users_own_settings_do_not_lead_elsewhere(checkout, tmp_path):
    (tmp_path / "theirs").mkdir()
    for name in ("tiny", "helpers", "pip", "brokers"):
        (tmp_path / "theirs" / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    done = checkout.run(
        PIP_TARGET=str(tmp_path / "elsewhere"),
        PIP_USER="1",
        PYTHONPATH=str(tmp_path / "theirs"),
        PYTHONSAFEPATH="1",
    )
    assert done.returncode == 0, done.stderr
    assert checkout.installed() == "1.0"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of somebody else's")
@pytest.mark.parametrize("owner", ["root", "nobody"])
def test_a_file_of_somebody_elses_is_named_with_the_command_that_helps(wheels, owner):
    """Nobody in a checkout that root shows around, and in a checkout of nobody's after `sudo make lab`."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "course", wheels)
        Path(folder).chmod(0o755)
        if owner == "nobody":
            (checkout.root / ".venv.lock").touch(0o600)
            shutil.chown(checkout.root, owner)
        command = [python or "python3", *checkout.command()[1:]]
        done = subprocess.run(command, capture_output=True, text=True, user="nobody")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "belongs to root" in done.stderr
    assert ("sudo chown -R" if owner == "nobody" else "cp -r") in done.stderr


@pytest.mark.parametrize("target", ["down", "doctor"])
def test_down_and_doctor_never_make_an_environment(checkout, target):
    done = checkout.run("make", target)
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    assert "`make setup`" in done.stdout
    assert not (checkout.root / ".venv").exists()


def test_down_uses_an_environment_that_is_out_of_date(made):
    (made.root / "helpers/__main__.py").write_text("import sys; print('ran', sys.argv[1])")
    made.require(tiny="1.0")
    before = made.state().read_text()
    assert made.run("make", "down").stdout == "ran down\n"
    assert made.state().read_text() == before


def test_a_full_disk_is_a_sentence(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "/course/.venv")

    monkeypatch.setattr(bootstrap, "_ready", full)
    assert bootstrap.main() == 1
    assert "The disk is full (/course/.venv)." in capsys.readouterr().err


OLD = """
import runpy, sys
sys.version_info, sys.argv = (3, 9, 0), sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_an_older_python_reads_it_and_hands_over_to_a_newer_one(tmp_path):
    script = ROOT / "helpers/upkeep/bootstrap.py"
    ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 7))
    newer = tmp_path / "python3.13"
    newer.write_text('#!/bin/sh\n[ "$1" = -c ] || echo newer "$@"\n')
    newer.chmod(0o755)
    command = [sys.executable, "-c", OLD, script]
    for path, said in ((str(tmp_path), f"newer {script}\n"), ("/nowhere", "")):
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (int(not said), said)
    assert "needs Python 3.11 or newer, and python3 is 3.9" in done.stderr
