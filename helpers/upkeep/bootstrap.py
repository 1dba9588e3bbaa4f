"""Makes ``.venv`` with everything in requirements.lock, from nothing but Python 3.11 or newer.

``make`` runs this before anything else, as a plain script: standard library only. pip brings uv, and uv
the packages; where uv can't be had or does not run, pip does it all. A second run sees by a stamp that
nothing changed. A run that was interrupted, at whatever moment, is made good by the next one; only an
environment that was made here is ever deleted.
"""

# Read by older Pythons too, which then look for a newer one: no newer syntax.
import contextlib
import errno
import fcntl
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
STATE = VENV / "breaking-brokers.json"
SPARE = ROOT / ".venv.spare"  # on its way to become the environment, or to be deleted
OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT)
FOREIGN = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH",
           "PYTHONWARNINGS")  # fmt: skip
# Where pip looks for packages, in uv's words.
UV = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE",
      "find-links": "UV_FIND_LINKS", "no-index": "UV_NO_INDEX"}  # fmt: skip


def main() -> int:
    """Have ``.venv`` ready; 0 if it is, 1 if not, with the reason on standard error."""
    if sys.version_info < OLDEST:
        return _hand_over()
    try:
        if not _ready():
            with _alone() as lock:
                if not _ready():
                    _make(lock)
        return 0
    except (RuntimeError, OSError) as error:
        print(f"\n{refused(error) if isinstance(error, OSError) else error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. The next run takes it from here.", file=sys.stderr)
        return 130
    return 1


def _hand_over() -> int:
    """This Python is too old: go on in a newer one, if the machine has any."""
    for path in filter(None, map(shutil.which, NEWER_PYTHONS)):
        probe = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.call(probe, stderr=subprocess.DEVNULL) == 0:
            os.execv(path, [path, *sys.argv])
    print(
        "The course needs Python 3.11 or newer, and python3 is {}.{}. Install one, with apt, dnf "
        "or brew (`brew install python@3.13`), and run this again.".format(*sys.version_info),
        file=sys.stderr,
    )
    return 1


def refused(error: OSError) -> str:
    """What to do about a file that can't be written: whose it is, and the command that helps."""
    if error.errno in FULL:
        where = f" ({error.filename})" if error.filename else ""
        return (
            f"The disk is full{where}. Free some of it. What the brokers store can go to "
            "another: set BREAKING_BROKERS_CACHE to a directory there."
        )
    if error.errno not in NOT_OURS:
        return str(error)
    path = Path(error.filename or ROOT)
    there = next(place for place in (path, *path.parents) if os.path.lexists(str(place)))
    try:
        owner = there.owner()
    except (KeyError, OSError):
        owner = f"user {there.lstat().st_uid}"
    remedy = f'Work in a copy of your own:\n  cp -r "{ROOT}" ~/course'
    if ROOT.stat().st_uid == os.geteuid() != there.lstat().st_uid:
        remedy = f'Make it yours, and leave out sudo:\n  sudo chown -R "$(id -un)" "{there}"'
    return f"{path}: {error.strerror}. {there} belongs to {owner}. {remedy}"


def _ready() -> bool:
    return _state().get("made") == _wanted() and PYTHON.exists()


def _wanted() -> dict:
    """What the environment depends on. A new Python or a moved checkout makes a new environment."""
    inputs = [(ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    place = f"{ROOT} {os.path.realpath(str(PYTHON))}"
    return {"place": place, "inputs": hashlib.sha256(b"\0".join(inputs)).hexdigest()}


def _state() -> dict:
    try:
        return dict(json.loads(STATE.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _remember(folder: Path, **state: object) -> None:
    """Replace the state in one step, so that a crash leaves the old one or the new one."""
    draft = folder / "state.new"
    draft.write_text(json.dumps(state), encoding="utf-8")
    os.replace(str(draft), str(folder / STATE.name))


@contextlib.contextmanager
def _alone() -> Iterator:
    """One run at a time. The lock dies with the run, and with the installer that it may leave behind."""
    with open(str(ROOT / ".venv.lock"), "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another run is making the environment; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _make(lock: int) -> None:
    """Make the environment, or bring it up to date, and stamp it."""
    print("Setting up the course's Python environment in .venv (half a minute, once)", flush=True)
    before = _state()
    ours = bool(before.get("ours")) or not os.path.lexists(str(VENV))
    whole = before.get("made", {}).get("place") == _wanted()["place"] and PYTHON.exists()
    if ours and not whole:
        _clear()
        _run(lock, sys.executable, "-m", "venv", "--without-pip", VENV)
    elif not PYTHON.exists():
        raise RuntimeError(
            f"{VENV} is no working environment, and was not made by the course. Move it away "
            "(mv .venv .venv.old) and run this again."
        )
    packages = _packages()
    _remember(VENV, ours=ours)
    try:
        _install(lock)
    except RuntimeError:
        if whole and _packages() == packages:  # nothing was fetched, so nothing was changed
            _remember(VENV, **before)
        raise
    _remember(VENV, ours=ours, made=_wanted())


def _packages() -> set:
    return {path.name for path in VENV.glob("lib/python*/site-packages/*.dist-info")}


def _clear() -> None:
    """Leave an empty environment that says it is ours; a crash in between leaves only the spare."""
    shutil.rmtree(str(SPARE), ignore_errors=True)
    if VENV.exists():
        os.replace(str(VENV), str(SPARE))
        shutil.rmtree(str(SPARE))
    SPARE.mkdir()
    _remember(SPARE, ours=True)
    os.replace(str(SPARE), str(VENV))


def _install(lock: int) -> None:
    """Have uv, or else pip, install what the lock names, and then the course itself."""
    with tempfile.TemporaryDirectory() as folder:
        pip = _pip(lock, Path(folder))
        by_pip = [*pip, "install", "--no-compile", "--no-deps"]
        uv_alone = Path(folder) / "uv.txt"
        packages = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        uv_alone.write_text("".join(re.findall(r"^uv==(?:.*\\\n)*.*", packages, re.MULTILINE)))
        try:
            _run(lock, *by_pip, "--only-binary=:all:", "-r", uv_alone)
            by_uv = [VENV / "bin/uv", "pip", "install", "--python", PYTHON, "--no-deps"]
            _install_by(lock, by_uv, _routes(lock, pip))
        except (RuntimeError, OSError) as error:
            print(f"{error}\nNow pip does it, in a minute or two.", flush=True)
            _install_by(lock, by_pip, {})


def _install_by(lock: int, installer: list, settings: dict) -> None:
    """What the lock names, each file with its sum, and then the course's own helpers."""
    _run(lock, *installer, "--require-hashes", "-r", "requirements.lock", **settings)
    _run(lock, *installer, "--no-index", "--no-build-isolation", "-e", ".", **settings)


def _pip(lock: int, folder: Path) -> list:
    """A pip for the new environment: this Python's own, or the one that it brings, or Debian's."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", PYTHON]
    if importlib.util.find_spec("ensurepip"):
        _run(lock, PYTHON, "-m", "ensurepip")
        return [PYTHON, "-m", "pip"]
    try:  # Debian's Python, which has neither without python3-venv
        _neighbour("debian").unpack("python3-pip-whl", folder / "root", lambda _: None)
    except (RuntimeError, OSError) as error:
        raise RuntimeError(
            f"This Python has no pip, and it could not be fetched ({error}). Install it "
            "(Debian, Ubuntu: `sudo apt install python3-venv`) and run this again."
        ) from error
    (wheel,) = folder.glob("root/usr/share/python-wheels/pip-*.whl")
    return [PYTHON, wheel / "pip"]


def _routes(lock: int, pip: list) -> dict:
    """Where pip is told to look for packages, for uv, which reads settings of its own only."""
    pairs = re.findall(r"\.([a-z-]+)='(.*)'", _run(lock, *pip, "config", "list"))
    return {UV[name]: value.replace("\\n", " ") for name, value in pairs if name in UV}


def _run(lock: int, *command: object, **settings: str) -> str:
    """Run one step, saying what it is busy with once it takes long; returns its last words."""
    tail = [""]
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    progress = _neighbour("progress_line").Progress("Installing packages")
    with progress, subprocess.Popen(
        [str(part) for part in command], cwd=str(ROOT), pass_fds=[lock],
        env={**settings, **kept, "PIP_USER": "0"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    ) as step:  # fmt: skip
        for line in step.stdout or ():
            tail = [*tail[-20:], line]
            if line.lstrip().startswith(("Download", "Collecting")):
                progress.update(" ".join(line.split()[:2]))
    if step.returncode:
        raise RuntimeError(
            f"`{' '.join(map(str, command[:4]))} …` ended with {step.returncode}:\n{''.join(tail)}"
            "Is there a network? The first run needs it. Then run this again."
        )
    return "".join(tail)


def _neighbour(name: str) -> Any:
    """A module of helpers/brokers that needs no package, from its file: a script finds no others."""
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / f"helpers/brokers/{name}.py"))
    module = types.ModuleType(name)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
