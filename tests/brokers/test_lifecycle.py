"""The life of brokers: started once, found again, killed, swept; and what is not ours, untouched."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pika
import psutil
import pytest

from conftest import _free_offset, containers
from helpers import brokers, clients, settings
from helpers.brokers import compose, lifecycle, locks, marks, native, ports, rabbitmq
from helpers.brokers.places import SPOKEN, epmd_port, members, single
from helpers.waiting import wait_until

BACKEND = settings.forced_backend() or "native"
UP = "import sys; from helpers import up; up(*sys.argv[1:]); print('up')"


@pytest.fixture(autouse=True)
def own_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ports and a run directory for one test; whatever it started is gone afterwards."""
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", BACKEND)
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(_free_offset()))
    monkeypatch.setenv("BREAKING_BROKERS_OWNER", marks.identity())
    run = settings.run_dir()
    yield
    if BACKEND == "compose":
        compose.down(delete_data=True)
    marks.end([p for p, mark in marks.ours() if mark.node.startswith(str(run))], timeout=0)
    shutil.rmtree(run, ignore_errors=True)


@pytest.fixture
def seen_by_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test starts bears another variable than ours do: tests beside it sweep, too."""
    monkeypatch.setattr(marks, "NODE", f"{marks.NODE}_OF_{os.getpid()}")


def child(*names: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", UP, *names],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def alive() -> set[int | str]:
    """This test's brokers: the pids of processes, or the ids of containers."""
    if BACKEND == "compose":
        return containers(settings.port_offset())
    return {p.pid for p, mark in marks.ours() if mark.node.startswith(str(settings.run_dir()))}


@pytest.mark.native_files
def test_the_port_of_the_port_mapper_is_refused_at_once_too():
    with socket.socket() as stranger:
        stranger.bind((settings.HOST, epmd_port()))
        stranger.listen()
        with pytest.raises(brokers.BrokerError, match=rf"Port {epmd_port()} .*pid {os.getpid()}"):
            brokers.up("rabbitmq")


@pytest.mark.native_files
def test_a_disk_from_which_no_program_runs_is_named(monkeypatch):
    mounted = SimpleNamespace(f_flag=os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda _: mounted)
    with pytest.raises(brokers.BrokerError, match="noexec"):
        native.obtain(["rabbitmq"])


@pytest.mark.native_files
def test_rabbitmq_is_whole_where_the_cache_has_a_letter_beyond_ascii(monkeypatch, tmp_path):
    elsewhere = tmp_path / "für Łukasz"
    elsewhere.mkdir()
    (elsewhere / "rabbitmq").symlink_to(settings.cache_dir() / "rabbitmq")
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(elsewhere))
    for start in ("first", "hurried"):
        page = brokers.up("rabbitmq", quiet=True).management
        for address in (page, f"{native.metrics(single('rabbitmq'))}/metrics"):
            with urllib.request.urlopen(address, timeout=10) as answer:
                assert answer.status == 200, start
        native.ctl(single("rabbitmq"), "set_disk_free_limit", "100000GB")
        assert "disk" in native.ctl(single("rabbitmq"), "eval", "rabbit_alarm:get_alarms()."), start
        hurried = (settings.run_dir() / "rabbitmq/preload").is_file()
        assert hurried == (start == "hurried")
        assert brokers.down() == ["rabbitmq"]


def test_a_second_up_finds_the_first_ones_brokers():
    brokers.up()
    before = alive()
    second = child()
    output, errors = second.communicate(timeout=60)
    assert "Kafka and RabbitMQ are up." in output, errors
    assert alive() == before
    assert sorted(brokers.down()) == ["kafka", "rabbitmq"]
    assert alive() == set()


@pytest.mark.native_files
def test_rabbitmq_loads_at_once_what_it_loaded_before(monkeypatch, tmp_path):
    noted = tmp_path / "modules"
    monkeypatch.setattr(rabbitmq, "modules_file", lambda place: noted)
    brokers.up("rabbitmq")
    names = noted.read_text().split()
    assert {"rabbit", "rabbit_mgmt_app", "lists"} < set(names)
    node = native.node(single("rabbitmq"))
    node.kill()
    noted.write_text(f"no_such_module shell_docs {noted.read_text()}")
    brokers.up("rabbitmq")
    asked = ("eval", "code:is_loaded(shell_docs).")  # no node loads it by itself
    assert "shell_docs" in native.ctl(single("rabbitmq"), *asked)
    assert noted.read_text().startswith("no_such_module")
    [broker] = [p for p in node.processes() if p.name() == "beam.smp"]
    assert broker.pid == marks.recall(node.directory).pid
    assert len(" ".join(broker.cmdline())) < 2000


@pytest.mark.native_files
def test_a_rabbitmq_that_does_not_tell_its_modules_is_up_all_the_same(monkeypatch, tmp_path):
    def refuse(*_: object, **__: object) -> str:
        raise brokers.BrokerError("rabbitmqctl eval failed")

    noted = tmp_path / "modules"
    monkeypatch.setattr(rabbitmq, "modules_file", lambda place: noted)
    monkeypatch.setattr(rabbitmq, "ctl", refuse)
    brokers.up("rabbitmq")
    assert rabbitmq.answers(single("rabbitmq").port)
    assert not noted.exists()


def test_two_at_once_start_one():
    both = [child("kafka"), child("kafka")]
    for one in both:
        output, errors = one.communicate(timeout=90)
        assert "Kafka is up." in output, errors
    assert len(alive()) == 1


def test_killed_while_starting_again_and_again(pytestconfig):
    seeded = random.Random(3)
    for n in range(20 if pytestconfig.getoption("all_answers") else 5):
        starting = child(*(() if n % 10 == 0 else ("kafka",)))  # RabbitMQ takes 6 s to stop
        time.sleep(seeded.uniform(0.1, 2.0))
        starting.kill()
        starting.wait()
        starting.stdout.close()
        starting.stderr.close()
        began = time.monotonic()
        brokers.down(delete_data=True)
        # seconds; a native node that does not listen is given 30, a container 60
        assert time.monotonic() - began < 50
        assert alive() == set()
    brokers.up("kafka")
    assert len(alive()) == 1


def test_a_port_that_is_taken_is_named_and_left_alone():
    port = single("kafka").port
    listen = f"socket.create_server(('127.0.0.1', {port}))"
    code = f"import socket, time; s = {listen}; print(1, flush=True); time.sleep(60)"
    foreign = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    foreign.stdout.readline()
    try:
        with pytest.raises(brokers.BrokerError, match=rf"Port {port} .*pid {foreign.pid}"):
            brokers.up("kafka")
        assert foreign.poll() is None
        assert alive() == set()
    finally:
        foreign.kill()
        foreign.communicate()


@pytest.mark.native_files
def test_a_stale_pid_file_is_ignored_and_its_process_untouched():
    node = native.node(single("kafka"))
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        marks.remember(psutil.Process(bystander.pid), "token", marks.own(node.directory))
        assert not node.running()
        brokers.up("kafka")
        brokers.down()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.native_files
@pytest.mark.parametrize("name", ["kafka", "rabbitmq"])
def test_the_data_of_another_version_is_refused_and_kept(name):
    node = native.node(single(name))
    node.data.mkdir(parents=True)
    (node.data / "meta.properties").write_text("version=1\n")
    (node.data / "version").write_text("1.0.0")
    said = rf"written by {SPOKEN[name]} 1\.0\.0.*--delete-data"
    with pytest.raises(brokers.BrokerError, match=said):
        brokers.up(name)
    assert (node.data / "version").read_text() == "1.0.0"
    assert (node.data / "meta.properties").exists()


@pytest.mark.native_files
def test_a_full_disk_is_said(monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(brokers.BrokerError, match="Only 1 MB are free"):
        brokers.up("kafka")


def test_another_copys_brokers_are_left_alone(monkeypatch, tmp_path):
    brokers.up("kafka")
    before = alive()
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)
    for deed in (lambda: brokers.up("kafka"), brokers.down):
        with pytest.raises(brokers.BrokerError, match="another copy of the course"):
            deed()
    assert alive() == before


def test_a_cluster_is_not_started_beside_another_copys_brokers_at_the_same_ports(
    monkeypatch, tmp_path
):
    brokers.up("rabbitmq")
    before = alive()
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)
    with pytest.raises(brokers.BrokerError, match="another copy of the course"):
        brokers.rabbitmq_cluster(1)
    assert alive() == before


@pytest.mark.usefixtures("seen_by_nobody_else")
def test_brokers_do_not_outlive_their_owner(monkeypatch):
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setenv("BREAKING_BROKERS_OWNER", marks.identity(psutil.Process(owner.pid)))
    brokers.up("kafka")
    owner.kill()
    owner.wait()
    run = settings.run_dir()
    assert (compose if BACKEND == "compose" else marks).sweep() == ["kafka"]
    marks.sweep()
    assert not run.exists()
    assert alive() == set()


@pytest.mark.native_files
def test_a_clock_that_is_set_does_not_make_strangers_of_our_brokers(monkeypatch):
    brokers.up("kafka")
    before, boot = alive(), psutil.boot_time()
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: boot + 3)
    monkeypatch.setattr(psutil._psplatform, "BOOT_TIME", None, raising=False)
    assert native.node(single("kafka")).running()
    brokers.up("kafka")
    assert alive() == before


@pytest.mark.native_files
@pytest.mark.usefixtures("seen_by_nobody_else")
def test_a_node_whose_directory_is_gone_is_ended_and_its_neighbours_data_is_kept():
    neighbour = native.node(single("rabbitmq"))
    neighbour.data.mkdir(parents=True)
    (neighbour.data / "queues").write_text("stored")
    brokers.up("kafka")
    native.node(single("kafka")).pause()  # it writes files as fast as they are deleted
    shutil.rmtree(native.node(single("kafka")).directory)
    assert marks.sweep() == ["kafka"]
    assert alive() == set()
    assert (neighbour.data / "queues").read_text() == "stored"


def test_what_a_dead_run_left_is_deleted_and_a_learners_run_is_not(monkeypatch):
    run = settings.run_dir()
    (run / "owner").write_text("1000000:1f")
    marks.sweep()
    assert not run.exists()
    monkeypatch.delenv("BREAKING_BROKERS_OWNER")
    settings.run_dir()
    marks.claim_run()
    (run / "kafka").mkdir()
    marks.sweep()
    assert (run / "kafka").exists()


def test_a_copy_of_the_course_that_is_gone_owns_nothing(monkeypatch, tmp_path):
    here, moved = settings.CHECKOUT, tmp_path / "moved"
    moved.mkdir()
    monkeypatch.setattr(compose, "FILE", shutil.copy(compose.FILE, moved))
    monkeypatch.setattr(settings, "CHECKOUT", moved)
    brokers.up("kafka")
    before = alive()
    monkeypatch.setattr(settings, "CHECKOUT", here)
    brokers.up("kafka")
    assert alive() == before
    assert brokers.down() == ["kafka"]


@pytest.mark.native_files
def test_only_this_user_reads_what_a_run_writes():
    brokers.up("kafka")
    run = settings.run_dir()
    for folder in (run, run / "kafka"):  # nobody gets past these
        assert folder.stat().st_mode & 0o077 == 0, folder


STAY = """
import os, sys
where, folder = sys.argv[1:]
if where == "a chroot": os.chroot(folder)
if where == "another user": os.setuid(65534)
print("there", flush=True), sys.stdin.read()
"""


HIDE = """
import os, sys
os.mkdir(sys.argv[1])
print("there", flush=True), sys.stdin.read()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can move a process elsewhere")
@pytest.mark.usefixtures("seen_by_nobody_else")
@pytest.mark.parametrize(
    ("where", "ours"), [("a chroot", False), ("another user", False), ("here", True)]
)
def test_only_what_runs_here_and_for_this_user_is_swept(tmp_path, where, ours):
    node = settings.run_dir() / "kafka"
    node.mkdir(mode=0o700)
    marked = subprocess.Popen(
        [sys.executable, "-c", STAY, where, str(tmp_path)],
        env=marks.Mark(str(node), "", owner="1000000:1f").environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert marked.stdout.readline() == b"there\n"
    marks.sweep()
    assert (marked.poll() is None) == (not ours)
    assert node.exists() == (not ours)
    marked.kill()
    marked.communicate()


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0,
    reason="this user can have no file system of his own",
)
@pytest.mark.usefixtures("seen_by_nobody_else")
def test_what_has_a_file_system_of_its_own_is_not_swept():
    node = settings.run_dir() / "kafka"
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"']
    elsewhere = subprocess.Popen(  # as a service of systemd with PrivateTmp
        [*hidden, str(settings.run_dir()), sys.executable, "-c", HIDE, str(node)],
        env={"PATH": os.environ["PATH"], **marks.Mark(str(node), "", "1000000:1f").environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert elsewhere.stdout.readline() == b"there\n"
    assert not node.exists()
    marks.sweep()
    assert elsewhere.poll() is None
    elsewhere.kill()
    elsewhere.communicate()


@pytest.mark.parametrize(
    ("variable", "value", "names", "said"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "kafka", r" at 127\.0\.0\.1:1 \("),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://127.0.0.1:9092", "kafka", "host:port"),
        ("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/", "rabbitmq", r" at 127\.0\.0\.1:1 \("),
        ("AMQP_URL", "127.0.0.1:5672", "rabbitmq", "can't be read"),
    ],
)
def test_a_wrong_address_is_said_within_ten_seconds(monkeypatch, variable, value, names, said):
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    monkeypatch.setenv(variable, value)
    began = time.monotonic()
    with pytest.raises(brokers.BrokerError, match=said) as caught:
        brokers.up(names)
    assert variable in str(caught.value)
    assert time.monotonic() - began < 10


def test_programs_are_told_the_addresses_of_external_brokers_as_one_word(monkeypatch):
    own = brokers.up("kafka").kafka
    address = own["bootstrap_servers"]
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"{address}, {address}")
    external = brokers.up("kafka")
    assert external.kafka["bootstrap_servers"] == f"{address},{address}"
    clients.make_topic(external, "orders")
    assert clients.read_topic(external, "orders") == []


def test_a_cluster_whose_nodes_end_at_once_has_not_started(own_ports):
    class Ended:
        name = "kafka-2"

        def running(self):
            return False

        paused = running

        def ending(self):
            return ""

        log_tail = ending

    class Machine:
        def start(self, places):
            pass

        settle = start

        def node(self, _place):
            return Ended()

    with pytest.raises(brokers.BrokerError, match="ended while starting"):
        lifecycle._start(Machine(), members("kafka"), "Starting three Kafka nodes")


def test_external_brokers_are_not_killed(monkeypatch):
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    with pytest.raises(brokers.NotOurs, match="somebody else"):
        brokers.kafka_cluster()


def test_a_cluster_that_did_not_start_is_held_by_nobody(monkeypatch):
    def in_vain(*_arguments):
        raise brokers.BrokerError("it did not start")

    monkeypatch.setattr(lifecycle, "kafka_cluster", in_vain)
    with pytest.raises(brokers.BrokerError, match="did not start"):
        brokers.kafka_cluster()
    with locks.held(settings.run_dir() / "kafka-cluster.lock", "Waiting", timeout=1):
        pass


HOLD = """
import sys
from helpers import brokers
brokers._hold("kafka-cluster")
print("held", flush=True), sys.stdin.read()
"""


def test_a_cluster_has_one_kernel_at_a_time(monkeypatch):
    monkeypatch.setattr(brokers, "HOLD_TIMEOUT", 0.2)
    monkeypatch.setattr(lifecycle, "kafka_cluster", lambda *_: None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD], text=True, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(brokers.BrokerError, match=rf"process {other.pid} still has it"):
            brokers.kafka_cluster()
        other.kill()
    brokers.kafka_cluster()
    brokers._let_go("kafka-cluster")


def test_three_kafka_nodes_lose_a_leader_and_get_it_back():
    from kafka import KafkaAdminClient, KafkaProducer

    cluster = brokers.kafka_cluster()
    try:
        shape = {"assignments": {0: [2, 3]}, "configs": {"min.insync.replicas": 1}}
        with KafkaAdminClient(**cluster.kafka) as admin:
            admin.create_topics({"t": shape}, wait_for_metadata=True)
        assert (cluster.leader_of("t"), cluster.in_sync("t")) == (2, [2, 3])
        assert cluster.tool(1, "topics", "--list").stdout.split() == ["t"]
        with KafkaProducer(**cluster.kafka, acks="all") as producer:
            producer.send("t", b"1").get(timeout=10)
            cluster.kill(2)
            assert not ports.taken(members("kafka")[1].port)  # to the last thread
            assert cluster.running() == [1, 3]
            producer.send("t", b"2").get(timeout=20)
        assert cluster.leader_of("t") == 3
        cluster.restart(2)
        cluster.pause(3)
        assert cluster.running() == [1, 2]
        cluster.resume(3)
        assert cluster.running() == [1, 2, 3]
        with pytest.raises(brokers.BrokerError, match="no node 4"):
            cluster.kill(4)
    finally:
        brokers.down()


@pytest.mark.parametrize("name", ["kafka", "rabbitmq"])
def test_who_asks_for_a_cluster_has_a_new_and_empty_one(name):
    """Also where one was left in part: a page is begun again, or its kernel was killed."""
    make = getattr(brokers, f"{name}_cluster")

    def names(cluster):
        if name == "kafka":
            return cluster.tool(2, "topics", "--list").stdout
        return cluster.ctl(2, "list_queues", "name")

    try:
        first = make()
        if name == "kafka":
            clients.make_topic(first, "left")
        else:
            with pika.BlockingConnection(first.rabbitmq(1)) as connection:
                clients.declare_queue(connection.channel(), "left")
        assert "left" in names(first)
        first.nodes[1].kill()
        first.nodes[3].pause()
        second = make()
        assert second.running() == [1, 2, 3]
        assert "left" not in names(second)
    finally:
        brokers.down()


def test_a_kafka_node_advertises_what_it_is_told_until_it_is_told_otherwise():
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaConnectionError

    def ask(cluster):
        with KafkaAdminClient(**cluster.kafka) as admin:
            return {b["broker_id"]: b["host"] for b in admin.describe_cluster()["brokers"]}

    def told(cluster):
        """A request may go to the node that can't be reached: then it is put again."""
        return wait_until(lambda: ask(cluster), "an answer", tolerate=(KafkaConnectionError,))

    try:
        assert told(brokers.kafka_cluster({3: "kafka-3.invalid:9092"}))[3] == "kafka-3.invalid"
        assert told(brokers.kafka_cluster())[3] == settings.HOST
        with pytest.raises(ValueError, match="2 and 3"):
            brokers.kafka_cluster({1: "kafka-1.invalid:9092"})
    finally:
        brokers.down()


@pytest.mark.parametrize("nodes", [1, 3])
def test_rabbitmq_nodes_are_killed_and_come_back(nodes):
    cluster = brokers.rabbitmq_cluster(nodes)
    try:
        kind = {"x-queue-type": "quorum" if nodes == 3 else "classic"}
        with pika.BlockingConnection(cluster.rabbitmq(1)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q", durable=True, arguments=kind)
            channel.basic_publish("", "q", b"1", pika.BasicProperties(delivery_mode=2))
        leader = cluster.leader_of("q")
        if nodes == 1:  # 3.x writes a declaration to disk up to two seconds after its declare-ok
            cluster.ctl(1, "eval", "catch mnesia:sync_log().")
        cluster.kill(leader)
        assert leader not in cluster.running()
        if nodes == 3:
            other = cluster.running()[0]
            elected = lambda: cluster.leader_of("q") in cluster.running()  # noqa: E731
            wait_until(elected, "another leader", timeout=20)
            with pika.BlockingConnection(cluster.rabbitmq(other)) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.basic_publish("", "q", b"2", pika.BasicProperties(delivery_mode=2))
            assert cluster.leader_of("q") != leader
        cluster.restart(leader)
        assert cluster.running() == list(range(1, nodes + 1))
        with pika.BlockingConnection(cluster.rabbitmq(leader)) as connection:
            found = connection.channel().basic_get("q", auto_ack=True)
        assert found[2] == b"1"
        with pytest.raises(brokers.BrokerError, match="no node 4"):
            cluster.kill(4)
    finally:
        brokers.down()
    assert alive() == set()


def test_a_tool_of_a_rabbitmq_node_says_no_by_its_return_code():
    cluster = brokers.rabbitmq_cluster(1)
    try:
        assert cluster.tool(1, "rabbitmq-diagnostics", "ping").returncode == 0
        refused = cluster.tool(1, "rabbitmq-queues", "quorum_status", "no-such-queue")
        assert refused.returncode != 0
        assert re.search("not.found", refused.stdout + refused.stderr)
        with pytest.raises(brokers.BrokerError, match="no node 4"):
            cluster.tool(4, "rabbitmq-diagnostics", "ping")
    finally:
        brokers.down()


@pytest.mark.native_files
def test_no_ctrl_c_reaches_a_broker():
    """As in a terminal: SIGINT goes to all processes of the group that is in the foreground."""
    code = "import time; from helpers import up; up(); time.sleep(600)"
    group = subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE, process_group=0)
    assert any(b"are up" in line for line in group.stdout)
    running = [psutil.Process(pid) for pid in alive()]
    os.killpg(group.pid, signal.SIGINT)
    group.communicate(timeout=20)
    ended, left = psutil.wait_procs(running, timeout=5)
    assert ended == []
    assert len(left) >= 2
    assert native.running()
