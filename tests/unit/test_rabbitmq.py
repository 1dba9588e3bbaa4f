"""RabbitMQ's settings, as its version wants them."""

import os
import shutil
import stat
import subprocess

import pytest

from helpers import brokers, settings
from helpers.brokers import clients, native, process, rabbitmq, rabbitmq_install
from helpers.brokers.places import members, single
from helpers.brokers.ports import free as free_ports
from helpers.brokers.ports import taken
from helpers.waiting import wait_until

NODE = members("rabbitmq")[0]
PERMITTED = "deprecated_features.permit.transient_nonexcl_queues = true"


@pytest.mark.parametrize(
    ("version", "release", "permits", "journal"),
    [
        ("3.10.8", (3, 10), False, "raft"),
        ("4.0.5", (4, 0), True, "raft"),
        ("4.3.0", (4, 3), True, "quorum_queue"),
        ("unknown", None, False, "raft"),
    ],
)
def test_a_setting_is_written_as_the_version_knows_it(
    monkeypatch, tmp_path, version, release, permits, journal
):
    monkeypatch.setattr(rabbitmq_install, "version", lambda: version)
    assert rabbitmq_install.release() == release
    rabbitmq.write_config(NODE, tmp_path, peers=())
    lines = (tmp_path / "rabbitmq.conf").read_text().splitlines()
    assert (PERMITTED in lines) == permits
    assert f"{journal}.wal_max_size_bytes = 64000000" in lines


def test_the_cookie_is_never_readable_by_others(monkeypatch, tmp_path):
    modes, opened = [], os.open

    def spy(*how):
        descriptor = opened(*how)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", spy)
    before = os.umask(0)
    try:
        for _ in range(2):
            rabbitmq.environment(NODE, tmp_path / "node")
    finally:
        os.umask(before)
    cookie = tmp_path / "home/.erlang.cookie"
    assert modes == [0o400]
    assert stat.S_IMODE(cookie.stat().st_mode) == 0o400
    assert stat.S_IMODE(cookie.parent.stat().st_mode) == 0o700
    assert len(cookie.read_text()) == 32


def test_what_a_node_reads_of_the_systems_is_nothing(monkeypatch, tmp_path):
    env = rabbitmq.environment(NODE, tmp_path / "node")
    paths = [value for name, value in env.items() if name.endswith(("_FILE", "_FILES", "_BASE"))]
    assert "RABBITMQ_CONFIG_FILES" in env  # else /etc/rabbitmq/conf.d
    assert all(path.startswith((str(tmp_path), os.devnull)) for path in paths)


def test_what_erlang_mutters_is_not_taken_for_an_answer(monkeypatch, tmp_path):
    tool = tmp_path / "rabbitmqctl"
    tool.write_text("""#!/bin/sh
printf '=ESOCK WARNING MSG==== 25-Nov-2026::21:24:52 ===\\n\\n[UNIX-ESSIO] Failed\\n\\n<pid>\\n'
""")
    tool.chmod(0o755)
    monkeypatch.setattr(rabbitmq_install, "scripts", lambda: tmp_path)
    assert rabbitmq.ctl({}, "list_connections", "pid") == "<pid>\n"


def test_a_tool_that_hangs_is_given_up(tmp_path):
    tool = tmp_path / "rabbitmqctl"
    tool.write_text("#!/bin/sh\nexec sleep 30\n")
    tool.chmod(0o755)
    with pytest.raises(brokers.BrokerError, match=r"rabbitmqctl gave no answer in 1 s"):
        process.output("rabbitmqctl", [tool], timeout=1)


def test_no_connection_is_closed_while_its_reader_thinks():
    assert clients.rabbitmq_parameters(5672).heartbeat == 0


@pytest.mark.parametrize("name", ["Jane Doe", "a & Müller; #1"])
def test_unpacked_packages_run_from_a_path_with_a_blank(tmp_path, name):
    tool = rabbitmq_install.scripts()
    if tool is None or not tool.is_relative_to(settings.cache_dir()):
        pytest.skip("this machine's own RabbitMQ is in use")
    unpacked = next(folder for folder in tool.parents if folder.name == "root")
    root = tmp_path / name / "root"
    shutil.copytree(unpacked, root, symlinks=True)
    rabbitmq_install._relocate(root)
    [port] = free_ports(1)
    [epmd] = root.glob("usr/lib/erlang/erts-*/bin/epmd")  # as the course, which starts it by itself
    mapper = subprocess.Popen([epmd, "-port", str(port)])
    try:
        wait_until(lambda: taken(port), "the port mapper")
        done = subprocess.run(
            [root / "usr/lib/rabbitmq/bin/rabbitmqctl", "version"],
            env={
                "PATH": f"{root}/usr/bin:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "LANG": "C.UTF-8",
                "ERL_EPMD_PORT": str(port),
            },
            capture_output=True,
            text=True,
        )
    finally:
        mapper.kill()
        mapper.wait()
    assert done.stdout.strip() == rabbitmq_install.version(), done.stderr


def test_the_page_of_settings_names_each_of_rabbitmqs(monkeypatch, tmp_path):
    page = (settings.CHECKOUT / "notebooks" / "SETTINGS.md").read_text(encoding="utf-8")
    monkeypatch.setattr(rabbitmq_install, "version", lambda: "4.3.6")
    rabbitmq.write_config(single("rabbitmq"), tmp_path, peers=())
    for line in (tmp_path / "rabbitmq.conf").read_text().splitlines():
        name, _, value = line.partition(" = ")
        if not name.startswith(("listeners.", "management.")):
            assert f"| `{name}` | {value} |" in page or f"`{name}` ({value})" in page, line


def test_a_template_of_another_version_is_no_template(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "_template", lambda: tmp_path)
    for part in ("1", "2", "3", "complete"):  # as the course once named them
        (tmp_path / part).mkdir()
    assert not native._is_kept(members("rabbitmq"))
    for place in members("rabbitmq"):
        (tmp_path / place.name).mkdir()
    assert native._is_kept(members("rabbitmq"))
