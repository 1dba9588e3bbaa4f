"""Makes ``.venv`` with everything in requirements.lock, from nothing but Python 3.11 or newer.

``make`` runs this before anything else, as a plain script: standard library only. pip brings uv, and uv
the packages; where uv can't be had or does not run, pip does it all. A second run sees by a stamp that
nothing changed, and ends at once. A run that was interrupted, at whatever moment, is made good by the
next one; only an environment that was made here is ever deleted.
"""

# Read by older Pythons too, which then look for a newer one: no newer syntax, and no imports of the
# other helpers before that.
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = VENV / "breaking-brokers.json"
SPARE = ROOT / ".venv.spare"  # on its way to become the environment, or to be deleted
INPUTS = ("requirements.lock", "pyproject.toml")
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")


class BootstrapError(Exception):
    """The environment can't be made; the text says why and what to do."""


def main() -> int:
    """Have ``.venv`` ready; 0 if it is, 1 if not, with the reason on standard error."""
    if sys.version_info < (3, 11):
        return _hand_over()
    if _ready():
        return 0
    try:
        with _alone() as lock:
            if not _ready():
                _make(lock)
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n{refused(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next run takes it from here.", file=sys.stderr)
        return 130
    return 0


def _hand_over() -> int:
    """This Python is too old: go on in a newer one, if the machine has any."""
    for name in NEWER_PYTHONS:
        path = shutil.which(name)
        probe = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if path and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0:
            os.execv(path, [path, *sys.argv])
    print(
        "The course needs Python 3.11 or newer, and python3 is {}.{}. Install one, and run this "
        "again:\n"
        "  Debian, Ubuntu:  sudo apt install python3.11   (or a newer release of the system)\n"
        "  Fedora, RHEL:    sudo dnf install python3.12\n"
        "  macOS:           brew install python@3.13".format(*sys.version_info),
        file=sys.stderr,
    )
    return 1


def refused(error: OSError) -> str:
    """What to do about a file that can't be written: whose it is, and the command that helps."""
    path = Path(error.filename or ROOT)
    there = next(place for place in (path, *path.parents) if os.path.lexists(str(place)))
    try:
        owner = there.owner()
    except (KeyError, OSError):  # a user without a name
        owner = "somebody else"
    ours = ROOT.stat().st_uid == os.geteuid() and there.stat().st_uid != os.geteuid()
    remedy = f'sudo chown -R "$(id -un)" "{ROOT}"' if ours else f'cp -r "{ROOT}" ~/course'
    return (
        f"{path} can't be written ({error.strerror}); {there} belongs to {owner}. "
        + ("Make it yours" if ours else "Work in a copy of your own")
        + f", and run this again without sudo:\n  {remedy}"
    )


def _neighbour(name: str):
    """A module of helpers/brokers that needs no package, loaded from its file: where PYTHONSAFEPATH is
    set, a script does not find what lies beside it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "helpers" / "brokers" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ready() -> bool:
    """Was ``.venv`` finished, for this checkout, by this Python, with these requirements?"""
    return _state().get("stamp") == _stamp() and PYTHON.exists()


def _stamp() -> str:
    """What the environment depends on. A new Python or a moved checkout makes a new environment."""
    files = b"\0".join((ROOT / name).read_bytes() for name in INPUTS)
    return f"{hashlib.sha256(files).hexdigest()} {_base()}"


def _base() -> str:
    """Where the environment is, and of which Python it is made."""
    return f"{ROOT} {os.path.realpath(str(PYTHON))}"


def _state() -> dict:
    try:
        return dict(json.loads(STATE.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _remember(path: Path = STATE, **state: object) -> None:
    """Replace the state in one step, so that a crash leaves the old one or the new one."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state), encoding="utf-8")
    os.replace(str(draft), str(path))


@contextlib.contextmanager
def _alone():
    """One run at a time. The lock dies with the run, and with the installer that it may leave behind."""
    with open(str(ROOT / ".venv.lock"), "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another run is making the environment; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _make(lock: int) -> None:
    """Make the environment, or bring it up to date, and stamp it.

    As long as packages are only fetched, nothing has happened: a failure then leaves what there was.
    """
    print("Setting up the course's Python environment in .venv (half a minute, once)", flush=True)
    before = _state()
    ours = bool(before.get("ours")) or not os.path.lexists(str(VENV))
    usable = before.get("stamp", "").endswith(f" {_base()}") and PYTHON.exists()
    if ours and not usable:
        _clear()
        _run([sys.executable, "-m", "venv", "--without-pip", VENV], lock)
    elif not PYTHON.exists():
        raise BootstrapError(
            f"{VENV} is no working environment, and was not made by the course. Move it away "
            "(mv .venv .venv.old) and run this again."
        )
    packages = _packages()
    _remember(ours=ours)
    try:
        _install(lock)
    except BootstrapError:
        if usable and _packages() == packages:
            _remember(**before)
        raise
    _remember(ours=ours, stamp=_stamp())


def _packages() -> set:
    """What is installed: a directory for each package, with its version in the name."""
    return {path.name for path in VENV.glob("lib/python*/site-packages/*.dist-info")}


def _clear() -> None:
    """Leave an empty environment that says it is ours; a crash in between leaves only the spare."""
    shutil.rmtree(str(SPARE), ignore_errors=True)
    if VENV.exists():
        os.replace(str(VENV), str(SPARE))
        shutil.rmtree(str(SPARE))
    SPARE.mkdir()
    _remember(SPARE / STATE.name, ours=True)
    os.replace(str(SPARE), str(VENV))


def _install(lock: int) -> None:
    """Have uv, or else pip, install what the lock names, and the course itself."""
    # Python compiles what is used on first use. Where PYTHONDONTWRITEBYTECODE is set it would compile at
    # every use: 2 s for each kernel.
    lazily = not sys.dont_write_bytecode
    with tempfile.TemporaryDirectory() as folder:
        pip = [*_pip(Path(folder), lock), "install", *(["--no-compile"] * lazily)]
        text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(re.search(r"^uv==.*(?:\\\n.*)*", text, re.MULTILINE).group())
        try:
            _run([*pip, "--no-deps", "--only-binary=:all:", "-r", only_uv], lock)
            uv = [VENV / "bin/uv", "pip", "install", "--python", PYTHON]
            _install_with([*uv, *(["--compile-bytecode"] * (not lazily))], lock)
        except BootstrapError:
            _install_with(pip, lock)


def _install_with(installer: list, lock: int) -> None:
    _run([*installer, "--no-deps", "--require-hashes", "-r", "requirements.lock"], lock)
    _run([*installer, "--no-deps", "--no-build-isolation", "-e", "."], lock)


def _pip(folder: Path, lock: int) -> list:
    """A pip for the new environment: this Python's own, or the one that it brings, or Debian's."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", PYTHON]
    if importlib.util.find_spec("ensurepip"):
        _run([PYTHON, "-m", "ensurepip"], lock)
        return [PYTHON, "-m", "pip"]
    debian = _neighbour("debian")  # leaves both out, with its python3-venv
    try:
        if not debian.available():
            raise debian.AptError("there is no apt here")
        debian.unpack("python3-pip-whl", folder / "root", lambda _: None)
        return [PYTHON, next((folder / "root/usr/share/python-wheels").glob("pip-*.whl")) / "pip"]
    except (debian.AptError, StopIteration) as error:
        raise BootstrapError(
            "This Python has no pip and no ensurepip, and Debian's package of pip could not be "
            f"fetched: {error}\nInstall it and run this again:\n"
            "  Debian, Ubuntu:  sudo apt install python3-venv"
        ) from error


def _run(command: list, lock: int) -> None:
    """Run one step, saying what it is busy with once it takes long."""
    Progress = _neighbour("progress_line").Progress  # noqa: N806

    tail = []
    with Progress("Installing packages") as progress, subprocess.Popen(
        [str(part) for part in command],
        cwd=str(ROOT), env=_environment(), pass_fds=[lock], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    ) as done:  # fmt: skip
        for line in done.stdout:
            tail = [*tail[-20:], line]
            if line.lstrip().startswith(("Download", "Collecting")):
                progress.update("Installing packages: " + " ".join(line.split()[:3]))
    if done.returncode:
        raise BootstrapError(
            f"`{' '.join(map(str, command[:4]))} …` ended with {done.returncode}:\n{''.join(tail)}"
            "Is there a network? The first run needs it. Then run this again."
        )


def _environment() -> dict:
    """pip and uv must install into the environment, whatever the user's own settings prefer."""
    foreign = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


if __name__ == "__main__":
    sys.exit(main())
