"""RabbitMQ as native processes: where it is installed, its settings, its environment, when it is ready."""

import os
import re
import secrets
import shutil
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .. import settings
from . import files, ports, process, rabbitmq_install
from .errors import BrokerError
from .places import Place, epmd_port, members, single

CLUSTER_NAME = "breaking-brokers"  # by which another user's course is known
PLUGINS = ("rabbitmq_management", "rabbitmq_consistent_hash_exchange")
METRICS = "rabbitmq_prometheus"
# Erlang 29 without libsctp says so on standard output.
MUTTER = re.compile(r"=ESOCK WARNING MSG====.*?\n\n.*?\n\n", re.DOTALL)
AT_ONCE = 30  # modules; all 960 at once are no faster, and leave a node 100 MB larger instead of 10
HERE = Path("/proc/self/cwd")  # Linux: what a process runs in, and what it starts
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, section 4.2.2


# --- settings -----------------------------------------------------------------------------------


# Tables, threads and spare memory for a classroom instead of a data centre. Measured: 15 MB less
# resident, and 15 to 30 more by a smaller cache of freed memory segments (+MMmcs, else 30).
LEAN = "+P 65536 +t 1048576 +MIscs 64 +SDio 1 +SDcpu 1:1 +MMmcs 4"


def nodename(place: Place) -> str:
    """What Erlang calls a node: ``rabbit@localhost``, ``rabbit-1@localhost``."""
    return place.name.replace("rabbitmq", "rabbit") + "@localhost"


def environment(place: Place, folder: Path) -> dict[str, str]:
    """The environment of a node, or of a tool that talks to it: nothing of the system's is used.

    The home beside ``folder`` has the Erlang cookie that all nodes of a run share."""
    home = folder.parent / "home"
    cookie = home / ".erlang.cookie"
    if not cookie.is_file():
        files.write(cookie, secrets.token_hex(16), mode=0o400)
    path, unpacked = os.environ.get("PATH", "/usr/bin:/bin"), rabbitmq_install.root()
    if unpacked:
        path = f"{unpacked}/usr/bin:{path}"
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port()),
        "ERL_EPMD_ADDRESS": settings.HOST,
        "ERL_CRASH_DUMP_SECONDS": "0",  # else a tool that can't start leaves one where it was called
        "RABBITMQ_NODENAME": nodename(place),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "data" / "feature_flags"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_DIST_PORT": str(place.inner),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes Erlang, and forks nothing
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{loopback} {LEAN}",
        "RABBITMQ_CTL_ERL_ARGS": f"{loopback} -start_epmd false",
    }


def write_config(
    place: Place,
    folder: Path,
    peers: Sequence[Place],
    own: Mapping[str, object] | None = None,
    more: Sequence[str] = (),
) -> None:
    """Write ``rabbitmq.conf``, with settings of its ``own``, and the list of plugins of one node, with
    some ``more``."""
    release = rabbitmq_install.release() or (0, 0)
    journal = "quorum_queue" if release >= (4, 3) else "raft"  # 4.3 ignores the older name
    lines: dict[str, object] = {
        "listeners.tcp.1": place.address,
        "vm_memory_high_watermark.absolute": "256MB",
        "disk_free_limit.absolute": "50MB",
        f"{journal}.wal_max_size_bytes": "64000000",
        "collect_statistics_interval": "1000",
        "log.console.level": "info",
        "cluster_partition_handling": "ignore",
        "cluster_name": CLUSTER_NAME,
    }
    if release >= (4, 0):  # 4.3 refuses them otherwise; 3.10 does not know the key
        lines["deprecated_features.permit.transient_nonexcl_queues"] = "true"
    if place.management:
        lines["management.tcp.ip"] = settings.HOST
        lines["management.tcp.port"] = str(place.management)
    if peers:
        lines["cluster_formation.peer_discovery_backend"] = "classic_config"
        for number, peer in enumerate(peers, 1):
            lines[f"cluster_formation.classic_config.nodes.{number}"] = nodename(peer)
    lines |= own or {}
    files.write(folder / "rabbitmq.conf", "".join(f"{k} = {v}\n" for k, v in lines.items()))
    plugins = [p for p in PLUGINS if place.management or p != "rabbitmq_management"]
    files.write(folder / "enabled_plugins", f"[{','.join([*plugins, *more])}].\n")


# --- nodes --------------------------------------------------------------------------------------


def epmd() -> process.Node:
    """Erlang's port mapper, one for all nodes of a run, so that no node's death takes it along."""
    folder = settings.run_dir() / "epmd"

    def command(_token: str) -> process.CommandLine:
        env = environment(single("rabbitmq"), folder)
        program = shutil.which("epmd", path=env["PATH"])
        if program is None:
            raise BrokerError(
                "Erlang's port mapper `epmd` is not on the PATH, although RabbitMQ is installed. "
                "Install Erlang as your package manager has it, and run this again."
            )
        return [program, "-port", str(epmd_port()), "-address", settings.HOST], env

    return process.Node("epmd", folder, command, main="epmd")


def node(place: Place, folder: Path) -> process.Node:
    """A RabbitMQ node: alone, or one of a cluster."""

    def command(token: str) -> process.CommandLine:
        words, env = serve(place, folder, token)
        return words, _in_ascii(env, folder)

    return process.Node(place.name, folder, command, main="beam.smp")


def serve(
    place: Place,
    folder: Path,
    token: str,
    own: Mapping[str, object] | None = None,
    more: Sequence[str] = (),
) -> process.CommandLine:
    """The command line and the environment of a node whose files in ``folder`` are made ready, with
    settings of its ``own``, and ``more`` plugins than usual.

    Raises:
        BrokerError: RabbitMQ is not installed, or the data is another version's."""
    server = rabbitmq_install.program("rabbitmq-server")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_data(folder / "data")
    write_config(place, folder, _peers(place, folder.parent), own, more)
    env = environment(place, folder)
    # a flag that Erlang does not know is kept, and ignored
    env["RABBITMQ_SERVER_START_ARGS"] = f"-breaking_brokers {token}"
    if not more:  # it is to see them
        _hurry(folder, modules_file(place), env)
    unpacked = rabbitmq_install.root()
    if unpacked and not str(unpacked).isascii() and "RABBITMQ_PLUGINS_DIR" not in env:
        installed = unpacked.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/*")
        _show_plugins(installed, folder / "plugins", env)
    return [server], env


def _peers(place: Place, run: Path) -> list[Place]:
    """Whom a node looks for when it starts for the first time: a single one nobody."""
    there = [member for member in members("rabbitmq") if (run / member.name).is_dir()]
    return there if place.number and len(there) > 1 else []


def _check_data(data: Path) -> None:
    now = rabbitmq_install.version()
    if (data / "version").is_file():
        process.refuse_other_version(data, "RabbitMQ", now)
    files.write(data / "version", now)


def ctl(
    environment: Mapping[str, str],
    *arguments: str,
    tool: str = "rabbitmqctl",
    folder: Path | None = None,
) -> str:
    """Run ``rabbitmqctl``, or another tool, for a node and return what it prints; in the node's ``folder``,
    if it looks into the node's files.

    Raises:
        BrokerError: it failed, with its own words, or gave no answer in a minute.
    """
    command = [str(rabbitmq_install.program(tool)), *arguments]
    name = " ".join([tool, *arguments])
    return MUTTER.sub("", process.output(name, command, environment, timeout=60, folder=folder))


def serve_metrics(place: Place, folder: Path) -> int:
    """Have a node that runs serve its numbers to Prometheus, until its next start; returns the port.

    Raises:
        BrokerError: it can't, with the tool's own words.
    """
    note = folder / "metrics-port"
    if not note.is_file():
        files.write(note, str(ports.free(1)[0]))
    port, there, env = int(note.read_text()), folder / "plugins", environment(place, folder)
    if first := next(there.glob("*"), None):  # it was started with those in sight that it uses
        for plugin in first.resolve().parent.iterdir():
            if not (there / plugin.name).exists():
                (there / plugin.name).symlink_to(plugin)
        env["RABBITMQ_PLUGINS_DIR"] = str(there)
    listener = f'[{{ip, "{settings.HOST}"}}, {{port, {port}}}], [{{persistent, true}}]'
    ctl(env, "eval", f"application:set_env({METRICS}, tcp_config, {listener}).")
    # whoever names the file of enabled plugins otherwise than the node is refused
    own = _in_ascii(env, folder)
    ctl(own, "enable", METRICS, tool="rabbitmq-plugins", folder=folder)
    return port


# --- a faster start -----------------------------------------------------------------------------


def modules_file(place: Place) -> Path:
    """Where is written what a node loads at its start, with or without the management plugin."""
    kind = "management" if place.management else "plain"
    return settings.cache_dir() / "rabbitmq-loaded" / f"{rabbitmq_install.version()}-{kind}"


def note_modules(node_environment: Mapping[str, str], file: Path) -> None:
    """Write down the modules that a node which serves has loaded, in one line, and its applications'
    directories, one a line, for the next one's start.

    Raises:
        BrokerError: ``rabbitmqctl`` failed.
    """
    modules = "[M || {M, _} <- lists:sort(code:all_loaded())]"
    places = (
        "[uri_string:quote(D) || {A, _, _} <- application:loaded_applications(), "
        "D <- [code:lib_dir(A)], is_list(D)]"
    )
    names, _, quoted = ctl(node_environment, "eval", f"{{{modules}, {places}}}.").partition('"')
    found = [urllib.parse.unquote(place) for place in re.findall(r'[^"\s,\]}]+', quoted)]
    folder = node_environment["RABBITMQ_LOG_BASE"]
    known = [str(Path(place.replace(str(HERE), folder)).resolve()) for place in found]
    files.write(file, "\n".join([" ".join(re.findall(r"[\w.@-]+", names)), *known]))


def _hurry(folder: Path, noted: Path, env: dict[str, str]) -> None:
    """Have a node load its modules many at once, before it boots, and see no plugins but those it uses.

    It would load the same modules one after another, while it looks through all of them for boot
    steps and feature flags, and before that read which settings each of 50 plugins has. Measured on
    RabbitMQ 4.3.6, processor time of a start, modules at once in both: 2.1 to 2.4 s with all plugins
    in sight, 1.3 to 1.5 s so; three nodes 5.6 to 6.1 s, and 2.8 to 3.3 s. A module's name that is no
    longer right does no harm; a plugin that is gone would, so then nothing is hurried."""
    modules, *places = noted.read_text().splitlines() if noted.is_file() else [""]
    plugins = [place for place in map(Path, places) if place.parent.name == "plugins"]
    if not plugins or not all(plugin.is_dir() for plugin in plugins):
        return
    names = [f"'{name}'" for name in modules.split()]
    batches = (names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE))
    steps = (f"code:ensure_modules_loaded([{','.join(batch)}])" for batch in batches)
    files.write(folder / "preload", ",\n".join(steps) + ".\n")
    env["RABBITMQ_BOOT_MODULE"] = "file eval preload -s rabbit"  # found in the node's directory
    _show_plugins(plugins, folder / "plugins", env)  # what is elsewhere is Erlang's own


def _show_plugins(plugins: Iterable[Path], folder: Path, env: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for plugin in plugins:
        (folder / plugin.name).symlink_to(plugin)
    env["RABBITMQ_PLUGINS_DIR"] = str(folder)


def _in_ascii(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of a process that runs in a node's ``folder``: with another name for that, if its
    path has a letter beyond ASCII.

    Else no release finds its management page, and RabbitMQ 3.10 has no disk alarm and cuts off no
    stream's beginning; with one beyond Latin-1 it does not start. (Seen on 3.10.8 and 4.3.6.)"""
    if str(folder).isascii() or not HERE.exists():
        return dict(env)
    run = str(folder.parent)
    named = {name: value.replace(str(folder), str(HERE)) for name, value in env.items()}
    return {name: value.replace(run, f"{HERE}/..") for name, value in named.items()}


# --- readiness ----------------------------------------------------------------------------------


def answers(port: int) -> bool:
    """Does a RabbitMQ on the port answer the AMQP protocol header with ``connection.start``?"""
    reply = ports.ask(port, PROTOCOL_HEADER, 11)
    return reply[:3] == b"\x01\x00\x00" and reply[7:11] == b"\x00\x0a\x00\x0a"
