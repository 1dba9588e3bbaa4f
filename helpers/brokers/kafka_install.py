"""Kafka made ready for a fast start: its jars, formatted data directories, and Java's AOT cache."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

from ..settings import Place
from . import jars, java, kafka, ports, process
from .errors import BrokerError
from .lifecycle import wait_ready
from .places import members, single
from .progress_line import Progress


def installed() -> bool:
    """Are the jars there in their full size, and the AOT cache and the templates made?

    The sums were checked when the files came; ``doctor`` checks them again."""
    return (kafka.home() / "complete").is_file() and all(
        jar.path().is_file() and jar.path().stat().st_size == jar.size for jar in jars.locked()
    )


def install() -> None:
    """Fetch what is missing or damaged, format the data directories, build the AOT cache.

    Raises:
        BrokerError: a jar can't be had, or Java does not run.
    """
    if not installed():
        jars.fetch()
        home = kafka.home()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "java").write_text(str(java.java()))
        java.write_class_path(kafka.class_path(), jars.locked())
        with Progress("Preparing Kafka for a fast start (once)"):
            for place in (single("kafka"), *members("kafka")):
                _format(place)
            _train()
        (home / "complete").touch()
        _forget_other_homes()


def _forget_other_homes() -> None:
    for other in kafka.home().parent.iterdir():
        note = other / "java"
        gone = note.is_file() and not Path(note.read_text()).exists()
        if other != kafka.home() and (
            gone or (note.is_file() and note.read_text() == str(java.java()))
        ):
            shutil.rmtree(other, ignore_errors=True)


def _format(place: Place) -> None:
    properties = kafka.home() / f"{place.name}.properties"
    kafka.write_properties(properties, place, kafka.template(place))
    tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
    options = ["--cluster-id", kafka.CLUSTER_ID, "--config", str(properties)]
    command = java.command(kafka.class_path(), "format")
    _run([*command, *tool, *options], "format its data directory")


def _train() -> None:
    """Boot once, stop cleanly; Java then writes what it loaded and linked into the AOT cache."""
    directory = kafka.home() / "training"
    port, controller = ports.free(2)
    place = dataclasses.replace(single("kafka"), port=port, inner=controller)
    node = kafka.node(place, directory, f"-XX:AOTCacheOutput={kafka.aot_cache()}")
    try:
        node.start()
        wait_ready(node, lambda: kafka.brokers_known(port) == 1, timeout=120)
    finally:
        node.stop(timeout=180)
    if not kafka.aot_cache().is_file():
        raise BrokerError(f"Java wrote no AOT cache. What it said:\n{node.log_tail()}")
    shutil.rmtree(directory)


def _run(command: list[str | Path], purpose: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        env=process.clean_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise BrokerError(
            f"Kafka could not {purpose} (exit status {done.returncode}). What it said:\n"
            + "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        )
