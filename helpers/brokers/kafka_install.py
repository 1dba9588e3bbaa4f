"""Kafka made ready for a fast start: its jars, formatted data directories, and Java's AOT cache."""

import dataclasses
import shutil
from pathlib import Path

from . import jars, java, kafka, ports, process
from .errors import BrokerError
from .lifecycle import wait_ready
from .places import Place, members, single
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
    """Delete what was built for this Java before, and for one that is gone."""
    for note in kafka.home().parent.glob("*/java"):
        program = Path(note.read_text())
        if note.parent != kafka.home() and (program == java.java() or not program.exists()):
            shutil.rmtree(note.parent, ignore_errors=True)


def _format(place: Place) -> None:
    properties = kafka.home() / f"{place.name}.properties"
    kafka.write_properties(properties, place, kafka.template(place))
    tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
    options = ["--cluster-id", kafka.CLUSTER_ID, "--config", str(properties)]
    command = java.command(kafka.class_path(), "format")
    process.output("Kafka's StorageTool", [*command, *tool, *options])


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
