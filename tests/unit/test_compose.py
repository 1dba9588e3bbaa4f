"""The compose backend where Docker fails or is missing, and the compose file against the code.

That it works, tests/brokers shows on a real engine: BREAKING_BROKERS_BACKEND=compose. What a machine
without an engine can show, a ``docker`` that fails as the real one does, is here.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import conftest
from helpers import brokers, settings
from helpers.brokers import compose, kafka, lifecycle, native, rabbitmq, rabbitmq_install
from helpers.brokers.errors import BrokerError
from helpers.brokers.places import SPOKEN, every_place, members, single

FILE = settings.CHECKOUT / "docker-compose.yml"
HERE = "context) echo unix:///var/run/docker.sock;; version) echo 28.2.2;;"

pytestmark = pytest.mark.usefixtures("no_brokers_asked_for")


@pytest.fixture(autouse=True)
def run_dir(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(settings, "run_dir", lambda: run)
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", "200")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for asked in (compose.why_not, compose._address):
        asked.cache_clear()
    yield run
    for asked in (compose.why_not, compose._address):
        asked.cache_clear()


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Sets what ``docker`` does: the branches of a shell's ``case`` on its first word, before ``HERE``."""
    folder = tmp_path / "bin dir"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def does(branches: str) -> None:
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\ncase "$1" in {branches} {HERE} esac\n')
        program.chmod(0o755)

    return does


@pytest.fixture
def no_docker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


# --- why it can't serve -------------------------------------------------------------------------


@pytest.mark.usefixtures("no_docker")
def test_without_docker_nothing_runs_and_the_error_says_how_to_do_without():
    assert "no `docker`" in compose.why_not()
    assert not compose.running()
    with pytest.raises(BrokerError, match="BREAKING_BROKERS_BACKEND=native"):
        lifecycle.up(compose, ["kafka"])


@pytest.mark.parametrize(
    ("branches", "reason"),
    [
        ("compose) case $2 in version) echo 2.36.2;; esac;;", ""),
        ("context) echo tcp://10.0.0.7:2376;;", "another machine"),
        ("context) echo unix:///x;; version) echo 'Cannot connect to the Docker daemon' >&2; exit 1;;",
         "`docker info`"),
        ("compose) echo \"docker: 'compose' is not a docker command.\" >&2; exit 1;;",
         "docs.docker.com/compose/install"),
        ("compose) case $2 in version) echo 2.19.0;; *) exit 15;; esac;;", "2.23.1 or newer"),
        ("context) exec sleep 5;;", "gave no answer"),
    ],
    ids=["it can", "remote", "no engine", "no compose", "old compose", "hangs"],
)  # fmt: skip
def test_a_docker_that_cannot_serve_says_why(docker, monkeypatch, branches, reason):
    if "sleep" in branches:
        monkeypatch.setattr(compose, "ANSWER_TIMEOUT", 0.5)
    docker(branches)
    assert reason in compose.why_not()
    assert bool(reason) == bool(compose.why_not())


def test_an_engine_elsewhere_is_not_used_whatever_the_context_says(docker, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "ssh://build@example.org")
    docker("")
    assert "another machine (ssh://build@example.org)" in compose.why_not()


def test_an_engine_that_does_not_answer_runs_nothing(docker):
    docker("ps) echo 'Cannot connect to the Docker daemon' >&2; exit 1;;")
    assert not compose.running()


def test_an_engine_elsewhere_runs_nothing_of_ours(docker):
    docker(f"context) echo tcp://10.0.0.7:2376;; ps) echo 'kafka\trunning\t{settings.CHECKOUT}';;")
    assert not compose.running()
    with pytest.raises(BrokerError, match=r"another machine \(tcp://10.0.0.7:2376\)"):
        lifecycle.up(compose, ["kafka"])


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "info"),
        ("Bind for 127.0.0.1:9292 failed: port is already allocated", "PORT_OFFSET=100"),
        ("Get https://registry/v2/: dial tcp: lookup registry: no such host", "docker pull"),
        ("toomanyrequests: You have reached your pull rate limit", "docker pull"),
        ("error setting rlimits for ready process: operation not permitted", "nofile"),
        ("something new", "docker compose -p breaking-brokers-200 logs"),
    ],
)
def test_a_failure_says_what_docker_said_and_what_to_do(docker, words, next_step):
    docker(f"compose) echo '{words}' >&2; exit 1;;")
    with pytest.raises(BrokerError) as caught:
        compose.start(members("kafka"))
    assert words in str(caught.value)
    assert next_step in str(caught.value).partition(words)[2]


def test_what_to_do_follows_from_docker_s_words_and_not_from_ours(docker, monkeypatch, tmp_path):
    monkeypatch.setattr(compose, "FILE", tmp_path / "registry" / "docker-compose.yml")
    docker("compose) echo 'something new' >&2; exit 1;;")
    with pytest.raises(BrokerError, match="compose -p breaking-brokers-200 logs"):
        compose.start(members("kafka"))


def test_what_runs_in_containers_is_used_though_native_brokers_could_be_had(docker, monkeypatch):
    monkeypatch.setattr(native, "running", lambda: False)
    monkeypatch.setattr(native, "current", lambda: True)
    docker("")
    assert brokers.chosen_backend() == "native"
    docker(f"ps) printf 'kafka\\trunning\\t{settings.CHECKOUT}\\n';;")
    assert brokers.chosen_backend() == "compose"


def test_where_docker_was_chosen_and_fails_the_brokers_start_without_it(
    docker, monkeypatch, capsys
):
    docker("compose) case $2 in version) echo 2.36.2;; *) case \"$*\" in *config*) ;; *) "
           "echo 'toomanyrequests' >&2; exit 1;; esac;; esac;;")  # fmt: skip
    monkeypatch.setattr(native, "current", lambda: False)
    monkeypatch.setattr(native, "running", lambda: False)
    started = []
    up = lifecycle.up
    monkeypatch.setattr(
        lifecycle,
        "up",
        lambda backend, names: started.append(names) if backend is native else up(backend, names),
    )
    assert brokers.up("kafka").backend == "native"
    assert started == [("kafka",)]
    assert capsys.readouterr().out.startswith(
        "Docker could not start the brokers, so they are started without it: toomanyrequests\n"
    )


@pytest.mark.parametrize("backend", ["compose", "native"])
def test_tests_have_ports_of_their_own_and_delete_nothing_else(
    docker, monkeypatch, tmp_path, backend
):
    docker(f'ps | compose) echo "$@" >> "{tmp_path}/calls";;')
    path = os.environ["PATH"]
    monkeypatch.undo()
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(conftest, "_spaces", [])  # the whole run's, which isn't over
    monkeypatch.setattr(conftest, "_ends", [])  # nor are the brokers of this worker
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", backend)
    for changed in ("BREAKING_BROKERS_PORT_OFFSET", "BREAKING_BROKERS_OWNER"):
        monkeypatch.setenv(changed, "")
    conftest._use_own_ports()
    offset, run = settings.port_offset(), settings.run_dir()
    conftest._leave_nothing()
    assert settings.forced_backend() == backend
    assert offset >= 1000
    assert not run.exists()
    ended = [line for line in (tmp_path / "calls").read_text().splitlines() if "--volumes" in line]
    assert [f"-p breaking-brokers-{offset} " in line for line in ended] == (
        [True] if backend == "compose" else []
    )


def test_what_containers_stored_is_deleted_though_none_of_them_runs(docker, monkeypatch, tmp_path):
    docker(f'ps | compose) echo "$@" >> "{tmp_path}/calls";;')
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))  # no run that died is in there
    assert brokers.down() == []
    assert "--volumes" not in (tmp_path / "calls").read_text()
    assert brokers.down(delete_data=True) == []
    assert "--profile cluster down --volumes\n" in (tmp_path / "calls").read_text()


def test_logs_that_cannot_be_had_hide_no_failure(docker, monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "compose")
    up = f"kafka\trunning\t{settings.CHECKOUT}"
    docker(f"ps) echo '{up}';; compose) echo 'Cannot connect to the Docker daemon' >&2; exit 1;;")
    assert "Cannot connect to the Docker daemon" in conftest._last_words()["no broker"]


# --- docker-compose.yml -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described() -> dict:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(described) -> dict[str, dict]:
    return described["services"]


def test_the_file_keeps_to_the_compose_specification():
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_is_started_by_hand_is_called_as_the_course_calls_it(described, monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", "0")
    assert described["name"] == compose._project()


def test_ports_are_for_this_machine_only_and_what_the_code_expects(services, monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", "0")
    expected = {f"127.0.0.1:${{{name}:-{port}}}" for name, port in compose._variables().items()}
    published = {port.rpartition(":")[0] for s in services.values() for port in s["ports"]}
    assert published == expected


def test_images_are_pinned_and_the_kafka_is_the_native_one(services):
    images = {name: service["image"] for name, service in services.items()}
    assert all(":" in image and "latest" not in image for image in images.values())
    assert {image for name, image in images.items() if name.startswith("kafka")} == {
        f"apache/kafka:{settings.KAFKA_VERSION}"
    }
    assert {image.removesuffix("-management") for image in images.values()} == {
        f"apache/kafka:{settings.KAFKA_VERSION}",
        "rabbitmq:4.3",
    }


def test_only_the_single_brokers_are_health_checked_and_only_clusters_have_a_profile(services):
    assert set(services) == set(every_place())
    for name, service in services.items():
        assert ("healthcheck" in service) == (name in SPOKEN)
        assert service.get("profiles", []) == ([] if name in SPOKEN else ["cluster"])


def test_kafka_has_the_settings_of_the_native_one(services, tmp_path):
    differ = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    for place in every_place().values():
        if place.broker != "kafka":
            continue
        path = tmp_path / place.name
        kafka.write_properties(path, place, tmp_path)
        expected = dict(line.split("=", 1) for line in path.read_text().splitlines())
        given = {
            key.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
            for key, value in services[place.name]["environment"].items()
        }
        assert expected.keys() <= given.keys()
        assert {k: given[k] for k in expected if k not in differ} == {
            k: v for k, v in expected.items() if k not in differ
        }


def test_each_kafka_tells_its_clients_the_address_that_is_published(services):
    for name in ("kafka", "kafka-1", "kafka-2", "kafka-3"):
        host, inside = services[name]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
        published = services[name]["ports"][0].rpartition(":")[0]
        if name != "kafka":
            published = f"${{{name.upper().replace('-', '_')}_ADVERTISED:-{published}}}"
        assert host == f"HOST://{published}"
        assert inside == f"INSIDE://{name}:19092"


def test_rabbitmq_finds_its_data_and_its_peers_by_fixed_names(services, described):
    assert services["rabbitmq"]["hostname"] == "rabbitmq"
    peers = described["configs"]["rabbitmq-peers"]["content"]
    cookies = set()
    for number in (1, 2, 3):
        service = services[f"rabbitmq-{number}"]
        node = service["environment"]["RABBITMQ_NODENAME"]
        assert node == f"rabbit-{number}@{service['hostname']}"
        assert f"classic_config.nodes.{number} = {node}\n" in peers
        cookies.add(service["environment"]["RABBITMQ_ERLANG_COOKIE"])
    assert len(cookies) == 1


def test_rabbitmq_has_the_settings_of_the_native_one(described, tmp_path, monkeypatch):
    image = described["services"]["rabbitmq"]["image"]
    monkeypatch.setattr(rabbitmq_install, "version", lambda: image.partition(":")[2])
    rabbitmq.write_config(single("rabbitmq"), tmp_path, peers=())
    lines = (tmp_path / "rabbitmq.conf").read_text().splitlines()
    native_lines = [line for line in lines if not line.startswith(("listeners.", "management."))]
    assert described["configs"]["rabbitmq"]["content"].splitlines() == native_lines
    plugins = (tmp_path / "enabled_plugins").read_text()
    assert described["configs"]["rabbitmq-plugins"]["content"] == plugins


# --- the brokers' own tools ---------------------------------------------------------------------


def test_a_tool_runs_in_the_container_of_its_broker(docker):
    docker("compose) shift; printf '%s\\n' $KAFKA_PORT \"$@\";;")

    def run(place: str, tool: str, *arguments: str) -> list[str]:
        command, environment = compose.tool(single(place), tool, arguments)
        return subprocess.check_output(command, env=environment, text=True).splitlines()

    where = [str(single("kafka").port), "-f", str(FILE), "-p", "breaking-brokers-200"]
    where += ["--profile", "cluster", "exec", "-T"]
    topics, inside = "/opt/kafka/bin/kafka-topics.sh", ["--bootstrap-server", "kafka:19092"]
    assert run("kafka", "topics", "--list") == [*where, "kafka", topics, *inside, "--list"]
    named = ["--bootstrap-server", "kafka-2:19092", "--list"]
    assert run("kafka", "topics", *named) == [*where, "kafka", topics, *named]
    listing = ["rabbitmqctl", "-q", "list_queues"]
    assert run("rabbitmq", *listing) == [*where, "rabbitmq", *listing]
    listens = yaml.safe_load(FILE.read_text())["services"]["kafka"]["environment"][
        "KAFKA_LISTENERS"
    ]
    assert f"INSIDE://:{compose.INSIDE}" in listens
