"""RabbitMQ's settings, as its version wants them."""

import shutil
import subprocess

import pika
import pytest

from helpers import brokers, settings
from helpers.brokers import rabbitmq, rabbitmq_install

PERMITTED = "deprecated_features.permit.transient_nonexcl_queues = true"


@pytest.mark.parametrize(
    ("version", "release", "permits"),
    [
        ("3.10.8", (3, 10), False),
        ("4.0.5", (4, 0), True),
        ("4.3.0", (4, 3), True),
        ("unknown", None, False),
    ],
)
def test_queues_that_are_not_durable_are_permitted_where_that_is_a_setting(
    monkeypatch, tmp_path, version, release, permits
):
    monkeypatch.setattr(rabbitmq_install, "version", lambda: version)
    assert rabbitmq_install.release() == release
    rabbitmq.write_config(tmp_path, amqp=5672, management=None, peers=())
    assert (PERMITTED in (tmp_path / "rabbitmq.conf").read_text().splitlines()) == permits


def test_what_erlang_mutters_is_not_taken_for_an_answer(monkeypatch, tmp_path):
    tool = tmp_path / "rabbitmqctl"
    tool.write_text("""#!/bin/sh
printf '=ESOCK WARNING MSG==== 25-Nov-2026::21:24:52 ===\\n\\n[UNIX-ESSIO] Failed\\n\\n<pid>\\n'
""")
    tool.chmod(0o755)
    monkeypatch.setattr(rabbitmq_install, "scripts", lambda: tmp_path)
    assert rabbitmq.ctl({}, "list_connections", "pid") == "<pid>\n"


def test_a_tool_that_hangs_is_given_up(monkeypatch, tmp_path):
    tool = tmp_path / "rabbitmqctl"
    tool.write_text("#!/bin/sh\nexec sleep 30\n")
    tool.chmod(0o755)
    monkeypatch.setattr(rabbitmq_install, "scripts", lambda: tmp_path)
    with pytest.raises(brokers.BrokerError, match=r"no answer in 1 s"):
        rabbitmq.ctl({}, "status", timeout=1)


def test_no_connection_is_closed_while_its_reader_thinks():
    assert pika.URLParameters(brokers._amqp_url(5672)).heartbeat == 0


@pytest.mark.parametrize("name", ["Jane Doe", "a$b & Müller; #1"])
def test_unpacked_packages_run_from_a_path_with_a_blank(tmp_path, name):
    tool = rabbitmq_install.scripts()
    if tool is None or not tool.is_relative_to(settings.cache_dir()):
        pytest.skip("this machine's own RabbitMQ is in use")
    unpacked = next(folder for folder in tool.parents if folder.name == "root")
    root = tmp_path / name / "root"
    shutil.copytree(unpacked, root, symlinks=True)
    rabbitmq_install._relocate(root)
    done = subprocess.run(
        [root / "usr/lib/rabbitmq/bin/rabbitmqctl", "version"],
        env={"PATH": f"{root}/usr/bin:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == rabbitmq_install.version(), done.stderr
