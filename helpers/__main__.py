"""The command line: ``python -m helpers up``, and what else ``python -m helpers --help`` lists."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import audit, brokers, claims, extras, notes, settings
from .brokers import tools
from .brokers.locks import LockError
from .brokers.progress_line import accept_any_console
from .upkeep import doctor, lab, progress
from .upkeep.bootstrap import FULL, NOT_OURS, refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit status: 0 for success, 1 for a failure that is explained."""
    accept_any_console()
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return chosen.run(chosen) or 0
    except (brokers.BrokerError, settings.SettingsError, LockError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads has seen enough, as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (*NOT_OURS, *FULL):
            raise
        print(refused(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("install", _install, "Obtain the brokers, if this machine has them not.")
    add("extras", _extras, "Obtain the other systems, which only some labs need.")
    add("up", _up, "Start Kafka and RabbitMQ, or find them running.")
    down = add("down", _down, "Stop every broker that the course started.")
    down.add_argument(
        "--delete-data", action="store_true", help="also delete what they have stored"
    )
    add("status", _status, "List the brokers that run.")
    add("audit", _audit, "Check the brokers that run against what the course has shown to fail.")
    add(
        "doctor",
        lambda _: doctor.main(),
        "Check this machine, and name the remedy for what it lacks.",
    )
    add("scorecard", _scorecard, "Print the table of claims and verdicts.")
    add("progress", _progress, "Say what you have done in this workbook, and what is next.")
    add("lab", lambda _: lab.main(), "Open the learner's workbook in JupyterLab.")
    accept = add(
        "accept", _accept, "Try a project's system: it is broken, and has to keep its promises."
    )
    accept.add_argument("project", help="as task_queue")
    accept.add_argument(
        "--mine", default="starter", help="the folder of its services; else your starter"
    )
    accept.add_argument("--seed", type=int, help="repeats an earlier trial")
    refresh = add("refresh", _refresh, "Run notebooks again and store their outputs.")
    refresh.add_argument("notebooks", nargs="*", help="which; all if none is named")

    def add_tool(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        """What begins with a dash after its name is the tool's, be it ``--help``."""
        command = commands.add_parser(name, help=text, prefix_chars="\0", add_help=False, **options)
        command.set_defaults(run=_tool, broker="rabbitmq", tool=name)
        return command

    kafka = add_tool("kafka", "Run one of Kafka's tools: topics, consumer-groups, configs, …")
    kafka.set_defaults(broker="kafka")
    kafka.add_argument("tool", choices=tools.KAFKA, metavar="tool")
    ours = [kafka, *(add_tool(name, f"Run RabbitMQ's {name}.") for name in tools.RABBITMQ)]
    for command in ours:
        command.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _install(_: argparse.Namespace) -> None:
    if settings.forced_backend() in (None, "native"):
        brokers.native.install()


def _extras(_: argparse.Namespace) -> int:
    return int(not extras.obtain())


def _up(_: argparse.Namespace) -> None:
    brokers.up()
    _status(_)


def _down(chosen: argparse.Namespace) -> None:
    ended = brokers.down(delete_data=chosen.delete_data)
    print(f"Stopped: {', '.join(ended)}." if ended else "Nothing was running.")


def _status(_: argparse.Namespace) -> None:
    rows = brokers.status()
    for row in rows:
        print(
            f"{row['name']:12} {row['state']:8} {row['address']:22} {row['memory']:>8}  {row['backend']}"
        )
    if not rows:
        print("No broker is running. `python -m helpers up` starts them.")


def _audit(_: argparse.Namespace) -> int:
    findings = audit.audit(brokers.found())
    print(audit.report(findings))
    return audit.exit_status(findings)


def _scorecard(_: argparse.Namespace) -> None:
    print(claims.scorecard(settings.NOTEBOOKS))


def _progress(_: argparse.Namespace) -> None:
    if Path.cwd() == settings.CHECKOUT and notes.WORKBOOK.is_dir():
        os.chdir(notes.WORKBOOK)  # asked for in the course's folder: what is meant is the workbook
    print(progress.report())


def _accept(chosen: argparse.Namespace) -> int:
    from . import accept

    try:
        report = accept.accept(chosen.project, chosen.mine, seed=chosen.seed)
    except accept.NoProject as error:
        print(error, file=sys.stderr)
        return 2
    print(report)
    return int(not report.kept)


def _tool(chosen: argparse.Namespace) -> None:
    """Become the tool: what it prints, what it is told by Ctrl-C and how it ends are its own."""
    command, environment = brokers.tool(chosen.broker, chosen.tool, chosen.arguments)
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)


def _refresh(chosen: argparse.Namespace) -> int:
    from .upkeep import refresh  # takes seconds, and is seldom needed

    return refresh.main(chosen.notebooks)


if __name__ == "__main__":
    sys.exit(main())
