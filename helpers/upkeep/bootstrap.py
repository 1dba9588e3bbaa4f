"""Makes ``.venv`` with everything in requirements.txt, from nothing but Python 3.11 or newer.

``make`` runs this before anything else, as a plain script: standard library only. A second run sees
by a stamp that nothing changed, and ends at once. A run that was interrupted, at whatever moment,
is made good by the next one; only an environment that was made here is ever deleted.
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
LOCK = ROOT / ".venv.lock"
INPUTS = ("requirements.txt", "requirements.lock", "pyproject.toml")

OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.14", "python3.11")


class BootstrapError(Exception):
    """The environment can't be made; the text says why and what to do."""


def main() -> int:
    """Have ``.venv`` ready; 0 if it is, 1 if not, with the reason on standard error."""
    if sys.version_info < OLDEST:
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
    except KeyboardInterrupt:
        print("\nStopped. The next run takes it from here.", file=sys.stderr)
        return 130
    return 0


def _neighbour(name: str):
    """A module of helpers/brokers that needs no package, loaded from its file: where PYTHONSAFEPATH is
    set, a script does not find what lies beside it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "helpers" / "brokers" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def _ready() -> bool:
    """Was ``.venv`` finished, for this checkout, by this Python, with these requirements?"""
    return _state().get("stamp") == _stamp() and PYTHON.exists()


def _stamp() -> str:
    """What the environment depends on. A new Python or a moved checkout makes a new environment."""
    files = hashlib.sha256()
    for name in INPUTS:
        files.update((ROOT / name).read_bytes() + b"\0")
    return f"{files.hexdigest()} {_base()}"


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
    """One run at a time. The lock dies with the run, and with the pip that it may leave behind."""
    Progress = _neighbour("progress_line").Progress  # noqa: N806

    descriptor = os.open(str(LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with Progress("Another run is making the environment; waiting for it"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _make(lock: int) -> None:
    """Make the environment, or bring it up to date, and stamp it."""
    print("Setting up the course's Python environment in .venv (a minute or two, once)", flush=True)
    state = _state()
    ours = bool(state.get("ours")) or not os.path.lexists(str(VENV))
    usable = state.get("stamp", "").endswith(f" {_base()}") and PYTHON.exists()
    if ours and not usable:
        _clear()
        _create(lock)
    elif not PYTHON.exists():
        raise BootstrapError(
            f"{VENV} is no working environment, and was not made by the course. Move it away "
            "(mv .venv .venv.old) and run this again."
        )
    _install(lock, state if usable else {"ours": ours}, ours)
    _remember(ours=ours, stamp=_stamp())


def _clear() -> None:
    """Leave an empty environment that says it is ours; a crash in between leaves only the spare."""
    shutil.rmtree(str(SPARE), ignore_errors=True)
    if VENV.exists():
        os.replace(str(VENV), str(SPARE))
        shutil.rmtree(str(SPARE))
    SPARE.mkdir()
    _remember(SPARE / STATE.name, ours=True)
    os.replace(str(SPARE), str(VENV))


def _create(lock: int) -> None:
    """An environment with pip in it."""
    Progress = _neighbour("progress_line").Progress  # noqa: N806

    with Progress(f"Creating it with Python {sys.version.split()[0]}") as progress:
        if _has_ensurepip():
            _run(["-m", "venv", str(VENV)], lock)
            return
        _run(["-m", "venv", "--without-pip", str(VENV)], lock)
        _bring_pip(progress, lock)


def _has_ensurepip() -> bool:
    """Debian and Ubuntu leave it out, with their python3-venv."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


def _bring_pip(progress, lock: int) -> None:
    """Install pip into the environment from Debian's own package, unpacked for the moment."""
    debian = _neighbour("debian")

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        try:
            if not debian.available():
                raise debian.AptError("there is no apt here")
            debian.unpack(
                "python3-pip-whl", root, lambda what: progress.update(f"Fetching pip: {what}")
            )
            wheel = next((root / "usr/share/python-wheels").glob("pip-*.whl"))
        except (debian.AptError, StopIteration) as error:
            raise BootstrapError(
                "This Python has no ensurepip, so its environments have no pip, and Debian's "
                f"package of it could not be fetched: {error}\nInstall it and run this again:\n"
                "  Debian, Ubuntu:  sudo apt install python3-venv"
            ) from error
        _run([f"{wheel}/pip", "install", "--no-index", str(wheel)], lock, PYTHON)


def _install(lock: int, before: dict, ours: bool) -> None:
    """pip install -r requirements.txt, saying how far it is.

    As long as pip only fetches, nothing has happened: a failure then leaves what there was.
    """
    Progress = _neighbour("progress_line").Progress  # noqa: N806

    # Python compiles what is used on first use: done 20 s sooner, Lab's first start 0.5 s later. Where
    # PYTHONDONTWRITEBYTECODE is set it would compile at every use: 2 s for each kernel.
    lazily = [] if sys.dont_write_bytecode else ["--no-compile"]
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", *lazily]
    expected, fetched, tail, changing = _expected(), 0, [], False
    with Progress("Fetching packages") as progress, subprocess.Popen(
        [*command, "-r", "requirements.txt"],
        cwd=str(ROOT), env=_environment(), pass_fds=[lock], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    ) as pip:  # fmt: skip
        for line in pip.stdout:
            tail = [*tail[-20:], line]
            fetched += line.startswith("Collecting ")
            if line.startswith(("Collecting ", "  Downloading ")):
                what = _spoken(line)
                progress.update(f"Fetching packages: {fetched} of about {expected} ({what})")
            elif line.startswith("Installing collected packages"):
                changing = True
                _remember(ours=ours)
                progress.update(f"Installing {line.count(',') + 1} packages")
    if pip.returncode:
        if not changing and before.get("stamp"):
            _remember(**before)
        raise BootstrapError(
            "pip could not install what requirements.txt names. It ended with:\n"
            + "".join(tail)
            + "Is there a network? The first run needs it. Then run this again."
        )


def _spoken(line: str) -> str:
    """A package's name, and its size if it is large, out of a line of pip's."""
    name = re.split("[-=<>; ]", line.split()[1])[0]
    size = re.search(r"\(\d+\.\d MB\)", line)
    return f"{name}, {size.group().strip('()')}" if size else name


def _expected() -> int:
    """How many packages the lock has for a machine like this one, about."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    foreign = re.compile("win32|nt'|emscripten'$|darwin")
    return len({line.split("==")[0] for line in lines if "==" in line and not foreign.search(line)})


def _run(arguments: list, lock: int, python: object = sys.executable) -> None:
    done = subprocess.run(
        [str(python), *arguments], cwd=str(ROOT), env=_environment(), pass_fds=[lock],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    if done.returncode:
        raise BootstrapError(
            f"`{Path(str(python)).name} {' '.join(arguments)}` ended with {done.returncode}:\n"
            f"{done.stdout.strip()[-1000:]}"
        )


def _environment() -> dict:
    """pip must install into the environment, whatever the user's own settings prefer."""
    foreign = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


if __name__ == "__main__":
    sys.exit(main())
