"""Where things are: ports, versions and directories, each overridable by one environment variable.

Variable                      Meaning                                             Default
----------------------------  --------------------------------------------------  -------------------------
BREAKING_BROKERS_CACHE        downloads and the brokers' data                     the user's cache directory
BREAKING_BROKERS_BACKEND      force ``compose``, ``native`` or ``external``       chosen by ``brokers``
BREAKING_BROKERS_RABBITMQ     series of the native RabbitMQ: ``4.3``, ``4.0``...  the newest to be had
BREAKING_BROKERS_PORT_OFFSET  added to every port, 0 to 7000                      0, or chosen (`neighbours`)
BREAKING_BROKERS_LEARNER      prefix of all names, for a class on one cluster     none
BREAKING_BROKERS_OWNER        the run that brokers must not outlive (``marks``)   none
KAFKA_BOOTSTRAP_SERVERS       a Kafka that someone else runs                      none
AMQP_URL                      a RabbitMQ that someone else runs                   none
RABBITMQ_MANAGEMENT_URL       the HTTP API of that one, for ``audit``             none
"""

import hashlib
import os
from pathlib import Path

import platformdirs

KAFKA_VERSION = "4.3.1"
HOST = "127.0.0.1"
CHECKOUT = Path(__file__).resolve().parent.parent
NOTEBOOKS = CHECKOUT / "notebooks"

RABBITMQ_SERIES = ("4.3", "4.0", "3.10")
BACKENDS = ("compose", "native", "external")
# Besides letters and digits, what a path may have in it: Kafka takes no comma, Java no colon, RabbitMQ
# no quotation mark, no backslash and nothing that is a wildcard, Erlang's script no dollar, apt no tab.
IN_A_PATH = "/._- #%!&;()@=+~^"
HIGHEST_SEED = 999_999  # of what is drawn for a check or a trial, when nobody says it
HIGHEST_OFFSET = 7000  # the highest port, 25691, stays below the ephemeral range at 32768


class SettingsError(ValueError):
    """An environment variable of the course holds something it can't."""


def port_offset() -> int:
    """``BREAKING_BROKERS_PORT_OFFSET``, else what was chosen for this checkout, else 0.

    Raises:
        SettingsError: not a whole number from 0 to 7000.
    """
    forced = forced_offset()
    if forced is not None:
        return forced
    try:
        return int(offset_note().read_text())
    except (OSError, ValueError):
        return 0


def forced_offset() -> int | None:
    """``BREAKING_BROKERS_PORT_OFFSET``, None if unset. Raises what ``port_offset`` raises."""
    text = variable("BREAKING_BROKERS_PORT_OFFSET")
    if not text:
        return None
    if not text.isdecimal() or int(text) > HIGHEST_OFFSET:
        raise SettingsError(
            f"BREAKING_BROKERS_PORT_OFFSET is {text!r}, but must be a whole number from 0 to "
            f"{HIGHEST_OFFSET}. Set it to 100, say, or unset it for the standard ports."
        )
    return int(text)


def offset_note() -> Path:
    """Where this user's runs of this checkout find the offset that was chosen for them."""
    checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    return cache_dir() / "run" / f"ports-{os.getuid()}-{checkout}"


def forced_backend() -> str | None:
    """``BREAKING_BROKERS_BACKEND``, or None where the choice is left to the course.

    Raises:
        SettingsError: no backend has that name.
    """
    return _one_of(BACKENDS, "BREAKING_BROKERS_BACKEND", "unset") or None


def rabbitmq_series() -> str:
    """``BREAKING_BROKERS_RABBITMQ``; empty where the course chooses.

    Raises:
        SettingsError: the course does not know that series.
    """
    otherwise = "unset for the newest that can be had"
    return _one_of(RABBITMQ_SERIES, "BREAKING_BROKERS_RABBITMQ", otherwise)


def learner() -> str:
    """``BREAKING_BROKERS_LEARNER``: goes in front of every name, so a class can share a cluster."""
    return variable("BREAKING_BROKERS_LEARNER")


def cache_dir() -> Path:
    """The one directory outside the checkout that the course writes to. Created if missing.

    Raises:
        SettingsError: there is no such place, or one that can't be used.
    """
    chosen = variable("BREAKING_BROKERS_CACHE")
    remedy = "Set BREAKING_BROKERS_CACHE to a directory that this user may write to."
    try:
        path = platformdirs.user_cache_path("breaking-brokers", appauthor=False)
        path = Path(chosen).expanduser().resolve() if chosen else path
        for character in str(path):
            if character not in IN_A_PATH and not (character.isalnum() and character < "\uffff"):
                raise SettingsError(
                    f"The directory for downloads and data would be {path}, but not every part "
                    f"of Kafka and RabbitMQ can cope with a path that has {character!r} in it. {remedy}"
                )
        path.mkdir(parents=True, exist_ok=True)
    except RuntimeError as error:
        reason = f"There is no place for downloads and data: {error}"
        raise SettingsError(f"{reason}. {remedy}") from error
    except OSError as error:
        reason = f"{error.filename} can't be used: {error.strerror}"
        raise SettingsError(f"{reason}. {remedy}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        owner = f"user {path.stat().st_uid}, and this is user {os.getuid()}"
        raise SettingsError(f"{path} can't be written to: it belongs to {owner}. {remedy}")
    return path


def variable(name: str) -> str:
    """An environment variable without the blanks around it; empty if it is unset."""
    return os.environ.get(name, "").strip()


def _one_of(known: tuple[str, ...], name: str, otherwise: str) -> str:
    """A variable that has few values; empty if it is unset. The error says ``otherwise``."""
    value = variable(name).lower()
    if value and value not in known:
        choice = f"one of {', '.join(known)}, or {otherwise}"
        raise SettingsError(f"{name} is {value!r}, but must be {choice}.")
    return value


def run_dir() -> Path:
    """State, logs and data of the brokers at this port offset. Created if missing."""
    path = cache_dir() / "run" / str(port_offset())
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
