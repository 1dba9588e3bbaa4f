"""The compose backend against a stand-in ``docker`` that records and answers as the real one does.

No container runs here: what is tested is what Docker is asked, and what is made of its answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import conftest
from helpers import brokers, settings
from helpers.brokers import compose, kafka, rabbitmq, rabbitmq_install
from helpers.brokers.errors import BrokerError

FILE = settings.CHECKOUT / "docker-compose.yml"

# Keeps the containers in containers.json; does what fail.json says instead of the verb it names.
STAND_IN = """import json, os, pathlib, sys, time
here = pathlib.Path({here!r})
args = sys.argv[1:]
ports = {{k: v for k, v in os.environ.items() if k.endswith("_PORT")}}
with (here / "calls").open("a") as file:
    file.write(json.dumps({{"args": args, "ports": ports}}) + "\\n")
failures = json.loads((here / "fail.json").read_text())
if args[0] == "compose" and args[1] != "version":
    assert args[1] == "-f" and args[3] == "-p" and args[5:7] == ["--profile", "cluster"], args
    verb, rest = args[7], [a for a in args[8:] if not a.startswith("-")]
else:
    verb, rest = " ".join(args[:2]), []
if verb in failures:
    time.sleep(failures[verb].get("seconds", 0))
    sys.stderr.write(failures[verb].get("words", ""))
    sys.exit(failures[verb].get("status", 1))
path = here / "containers.json"
states = json.loads(path.read_text())
becomes = {{"up": "running", "start": "running", "stop": "exited", "kill": "exited",
           "pause": "paused", "unpause": "running"}}
if verb == "version --format":
    print("28.2.2")
elif verb == "compose version":
    print("Docker Compose version v2.36.2")
elif verb in becomes:
    states.update((name, becomes[verb]) for name in rest)
elif verb == "rm":
    states = {{name: state for name, state in states.items() if name not in rest}}
elif verb == "down":
    states = {{}}
elif verb == "ps":
    rows = [{{"Name": f"{{args[4]}}-{{name}}-1", "Project": args[4], "Service": name,
             "State": state, "Health": "healthy"}} for name, state in states.items()]
    if (here / "old").exists():
        print(json.dumps(rows))
    else:
        for row in rows:
            print(json.dumps(row))
elif verb == "logs":
    print("line 1\\nline 2")
elif verb == "exec":
    print(json.dumps([{{"name": "orders", "leader": "rabbit-2@rabbitmq-2"}}]))
else:
    sys.exit(f"unknown docker command: {{args}}")
path.write_text(json.dumps(states))
"""


class StandIn:
    def __init__(self, here: Path) -> None:
        self.here = here
        self.bin = here / "bin dir"
        self.bin.mkdir()
        program = self.bin / "docker"
        answers = here / "docker.py"
        answers.write_text(STAND_IN.format(here=str(here)))
        # through a shell: a path with a space can't stand behind #!
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{answers}" "$@"\n')
        program.chmod(0o755)
        self.has({})
        self.fails({})

    def has(self, states: dict[str, str]) -> None:
        (self.here / "containers.json").write_text(json.dumps(states))

    def fails(self, verbs: dict[str, dict]) -> None:
        (self.here / "fail.json").write_text(json.dumps(verbs))

    def calls(self) -> list[dict]:
        path = self.here / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def verbs(self) -> list[list[str]]:
        """What Compose was told to do, questions left out."""
        told = [call["args"][7:] for call in self.calls() if call["args"][3:4] == ["-p"]]
        return [args for args in told if args[0] not in ("ps", "logs")]

    def forget(self) -> None:
        (self.here / "calls").unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def run_dir(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(settings, "run_dir", lambda: run)
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", "200")
    return run


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A Docker whose containers serve at once."""
    found = StandIn(tmp_path)
    monkeypatch.setenv("PATH", str(found.bin))
    monkeypatch.setattr(kafka, "answers", lambda _port: True)
    monkeypatch.setattr(kafka, "brokers_known", lambda port: 1 if port == 9292 else 3)
    monkeypatch.setattr(rabbitmq, "answers", lambda _port: True)
    return found


@pytest.fixture
def no_docker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


BOTH = ("kafka", "rabbitmq")


# --- is there a Docker? -------------------------------------------------------------------------


def test_available_where_client_engine_and_compose_answer(docker):
    assert compose.available()
    assert docker.calls()[0]["args"] == ["version", "--format", "{{.Server.Version}}"]


@pytest.mark.parametrize("missing", ["version --format", "compose version"])
def test_not_available_without_engine_or_compose(docker, missing):
    docker.fails({missing: {"words": "Cannot connect to the Docker daemon at unix:///x."}})
    assert not compose.available()


def test_not_available_where_the_engine_hangs(docker, monkeypatch):
    monkeypatch.setattr(compose, "ANSWER_TIMEOUT", 0.3)
    docker.fails({"version --format": {"seconds": 5}})
    assert not compose.available()


@pytest.mark.usefixtures("no_docker")
def test_without_docker_nothing_is_available_or_runs(run_dir):
    (run_dir / "compose").write_text(str(settings.CHECKOUT))
    assert not compose.available()
    assert not compose.running()


@pytest.mark.usefixtures("no_docker")
def test_without_docker_up_says_how_to_do_without():
    with pytest.raises(BrokerError, match=r"no `docker` .*BREAKING_BROKERS_BACKEND=native"):
        compose.up(BOTH)


def test_running_does_not_ask_docker_before_up_used_it(docker):
    docker.has({"kafka": "running"})
    assert not compose.running()
    assert docker.calls() == []


# --- up, status, down ---------------------------------------------------------------------------


def test_up_starts_and_waits_with_the_ports_of_the_run(docker):
    compose.up(BOTH)
    assert docker.verbs() == [["up", "-d", "--wait", "kafka", "rabbitmq"]]
    call = docker.calls()[-1]
    assert call["args"][2:5] == [str(FILE), "-p", "breaking-brokers-200"]
    assert call["ports"]["KAFKA_PORT"] == "9292"
    assert call["ports"]["MANAGEMENT_PORT"] == "15872"
    assert call["ports"]["RABBITMQ_3_PORT"] == "5875"
    assert compose.running()


def test_up_again_starts_nothing(docker):
    compose.up(BOTH)
    docker.forget()
    compose.up(BOTH)
    assert docker.verbs() == []


def test_up_wakes_what_is_paused(docker, run_dir):
    (run_dir / "compose").write_text(str(settings.CHECKOUT))
    docker.has({"kafka": "paused"})
    compose.up(("kafka",))
    assert docker.verbs() == [["unpause", "kafka"], ["up", "-d", "--wait", "kafka"]]


@pytest.mark.usefixtures("docker")
def test_up_waits_until_the_broker_answers(monkeypatch):
    answers = iter([0, 0, 1])
    monkeypatch.setattr(kafka, "brokers_known", lambda _port: next(answers))
    compose.up(("kafka",))
    assert next(answers, "asked three times") == "asked three times"


@pytest.mark.usefixtures("docker")
def test_a_broker_that_never_answers_is_told_with_its_log(monkeypatch):
    monkeypatch.setattr(compose, "START_TIMEOUT", 0.2)
    monkeypatch.setattr(rabbitmq, "answers", lambda _port: False)
    with pytest.raises(BrokerError, match=r"(?s)did not serve.*line 2.*docker compose -p .* logs"):
        compose.up(("rabbitmq",))


def test_a_container_that_ends_is_told_at_once(docker, monkeypatch):
    def dies(_port):
        docker.has({"kafka": "exited"})
        return 0

    monkeypatch.setattr(kafka, "brokers_known", dies)
    with pytest.raises(BrokerError, match=r"(?s)kafka ended while starting.*line 2"):
        compose.up(("kafka",))


def test_status_has_a_row_for_each_container_that_is_up(docker):
    docker.has({"kafka": "running", "kafka-2": "paused", "kafka-3": "exited"})
    rows = {row["name"]: (row["state"], row["address"]) for row in compose.status()}
    assert rows == {
        "kafka": ("running", "127.0.0.1:9292"),
        "kafka-2": ("paused", "127.0.0.1:19293"),
    }


def test_ps_of_older_compose_is_one_list(docker):
    (docker.here / "old").touch()
    docker.has({"kafka": "running"})
    assert [row["name"] for row in compose.status()] == ["kafka"]


def test_down_keeps_what_was_stored_and_names_what_was_up(docker):
    compose.up(BOTH)
    docker.has({"kafka": "running", "rabbitmq": "exited", "kafka-1": "running"})
    docker.forget()
    assert compose.down() == ["kafka", "kafka-1"]
    assert docker.verbs() == [
        ["kill", "kafka-1"],
        ["rm", "--force", "--volumes", "kafka-1"],
        ["down"],
    ]
    assert not compose.running()
    assert compose.used(), "what the brokers stored is still there"


def test_down_deletes_volumes_only_when_told_to(docker):
    compose.up(BOTH)
    docker.forget()
    compose.down(delete_data=True)
    assert docker.verbs() == [["down", "--volumes"]]
    assert not compose.used()


def test_another_checkouts_containers_are_left_alone(docker, run_dir, tmp_path):
    (run_dir / "compose").write_text(str(tmp_path))
    docker.has({"kafka": "running"})
    for refused in (
        lambda: compose.up(BOTH),
        compose.down,
        lambda: compose.start_kafka_cluster({}),
    ):
        with pytest.raises(BrokerError, match=r"belong to the checkout .*PORT_OFFSET=100"):
            refused()
    assert docker.verbs() == []


def test_the_last_words_of_every_container_are_to_be_had(docker, run_dir):
    (run_dir / "compose").write_text(str(settings.CHECKOUT))
    docker.has({"kafka": "running", "rabbitmq-2": "exited"})
    assert brokers.logs(5) == {"kafka": "line 1\nline 2\n", "rabbitmq-2": "line 1\nline 2\n"}
    docker.fails({"ps": {"words": "Cannot connect to the Docker daemon"}})
    assert "Cannot connect" in conftest._last_words()["no broker"]


@pytest.mark.parametrize("backend", ["compose", "native"])
def test_tests_have_ports_of_their_own_and_delete_nothing_else(monkeypatch, tmp_path, backend):
    docker = StandIn(tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(docker.bin))
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
    ended = [
        call["args"][4] for call in docker.calls() if call["args"][-2:] == ["down", "--volumes"]
    ]
    assert ended == ([f"breaking-brokers-{offset}"] if backend == "compose" else [])


# --- when Docker can't --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "info"),
        ("Error response from daemon: Bind for 127.0.0.1:9292 failed: port is already allocated",
         "BREAKING_BROKERS_PORT_OFFSET=100"),
        ("docker: unknown command: docker compose", "docs.docker.com/compose/install"),
        ("Error response from daemon: manifest unknown", "docker compose -p breaking-brokers-200"),
    ],
)  # fmt: skip
def test_a_failure_says_what_docker_said_and_what_to_do(docker, words, next_step):
    docker.fails({"up": {"words": words, "status": 125}})
    with pytest.raises(BrokerError) as caught:
        compose.up(BOTH)
    assert words in str(caught.value)
    assert next_step in str(caught.value).partition(words)[2]
    assert "BREAKING_BROKERS_BACKEND=native" in str(caught.value)


def test_an_engine_that_hangs_is_told(docker, monkeypatch):
    monkeypatch.setattr(compose, "UP_TIMEOUT", 0.3)
    docker.fails({"up": {"seconds": 5}})
    with pytest.raises(BrokerError, match=r"did not end within .*docker info"):
        compose.up(BOTH)


def test_an_engine_that_went_away_runs_nothing(docker):
    compose.up(BOTH)
    docker.fails({"ps": {"words": "Cannot connect to the Docker daemon"}})
    assert not compose.running()


# --- three nodes --------------------------------------------------------------------------------


def test_a_kafka_cluster_starts_new_and_empty(docker):
    docker.has({"kafka-1": "exited", "kafka-2": "exited"})
    nodes = compose.start_kafka_cluster({})
    assert sorted(nodes) == [1, 2, 3]
    assert docker.verbs() == [
        ["rm", "--force", "--volumes", "kafka-1", "kafka-2"],
        ["up", "-d", "--wait", "kafka-1", "kafka-2", "kafka-3"],
    ]


def test_a_kafka_cluster_that_advertises_other_addresses_is_made_anew(docker, monkeypatch):
    docker.has({"kafka-1": "running", "kafka-2": "running", "kafka-3": "running"})
    compose.start_kafka_cluster({2: "kafka-2.invalid:9092"})
    assert ["kill", "kafka-1", "kafka-2", "kafka-3"] in docker.verbs()
    assert compose._variables()["KAFKA_2_ADVERTISED"] == "kafka-2.invalid:9092"
    assert "KAFKA_3_ADVERTISED" not in compose._variables()


def test_a_cluster_that_runs_is_healed_not_emptied(docker):
    docker.has({"rabbitmq-1": "running", "rabbitmq-2": "exited", "rabbitmq-3": "paused"})
    compose.start_rabbitmq_cluster(3)
    assert docker.verbs() == [
        ["unpause", "rabbitmq-3"],
        ["up", "-d", "--wait", "rabbitmq-1", "rabbitmq-2", "rabbitmq-3"],
    ]


def test_a_single_node_replaces_three(docker):
    docker.has({"rabbitmq-1": "running", "rabbitmq-2": "exited", "rabbitmq-3": "running"})
    assert list(compose.start_rabbitmq_cluster(1)) == [1]
    assert docker.verbs() == [
        ["kill", "rabbitmq-1", "rabbitmq-3"],
        ["rm", "--force", "--volumes", "rabbitmq-1", "rabbitmq-2", "rabbitmq-3"],
        ["up", "-d", "--wait", "rabbitmq-1"],
    ]


def test_ending_a_cluster_leaves_the_others(docker):
    docker.has({"kafka": "running", "kafka-1": "running", "kafka-2": "exited"})
    compose.end_cluster("kafka")
    assert docker.verbs() == [
        ["kill", "kafka-1"],
        ["rm", "--force", "--volumes", "kafka-1", "kafka-2"],
    ]


def test_waiting_leaves_out_nodes_that_are_down_or_paused(docker, monkeypatch):
    docker.has({"kafka-1": "running", "kafka-2": "paused", "kafka-3": "exited"})
    asked = []
    monkeypatch.setattr(kafka, "answers", lambda port: asked.append(port) or True)
    monkeypatch.setattr(kafka, "brokers_known", lambda port: asked.append(port) or 1)
    compose.wait_for_kafka()
    assert asked == [19292, 19292]


def test_the_verbs_of_a_node(docker):
    docker.has({"kafka-2": "running"})
    node = compose.ContainerNode("kafka-2")
    node.pause()
    assert (node.running(), node.paused()) == (True, True)
    node.resume()
    node.resume()
    node.kill()
    node.kill()
    assert not node.running()
    node.start()
    node.start()
    node.pause()
    node.stop()
    verbs = ["pause", "unpause", "kill", "start", "pause", "unpause", "stop"]
    assert docker.verbs() == [[verb, "kafka-2"] for verb in verbs]


def test_the_log_of_a_node(docker):
    assert compose.ContainerNode("kafka-2").log_tail(5) == "line 1\nline 2\n"
    assert docker.calls()[-1]["args"][-3:] == ["--tail", "5", "kafka-2"]


def test_the_data_of_a_node_is_inside():
    with pytest.raises(BrokerError, match=r"breaking-brokers-200 exec kafka-2 ls"):
        _ = compose.ContainerNode("kafka-2").data


def test_rabbitmqctl_runs_inside_a_node_without_a_terminal(docker):
    rows = json.loads(compose.rabbitmqctl(2, "list_queues", "--silent"))
    assert rows[0]["name"] == "orders"
    told = [["exec", "-T", "rabbitmq-2", "rabbitmqctl", "list_queues", "--silent"]]
    assert docker.verbs() == told


# --- docker-compose.yml -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]


def test_the_file_keeps_to_the_compose_specification():
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_ports_are_for_this_machine_only_and_what_the_code_expects(services, monkeypatch):
    monkeypatch.delenv("BREAKING_BROKERS_PORT_OFFSET")
    expected = {f"127.0.0.1:${{{name}:-{port}}}" for name, port in compose._variables().items()}
    published = {port.rpartition(":")[0] for s in services.values() for port in s["ports"]}
    assert published == expected


def test_images_are_pinned_and_the_kafka_is_the_native_one(services):
    images = {name: service["image"] for name, service in services.items()}
    assert all(":" in image and "latest" not in image for image in images.values())
    assert {image for name, image in images.items() if name.startswith("kafka")} == {
        f"apache/kafka:{settings.KAFKA_VERSION}"
    }


def test_every_service_is_health_checked_and_only_clusters_have_a_profile(services):
    assert set(services) == {*BOTH, *compose._members("kafka"), *compose._members("rabbitmq")}
    for name, service in services.items():
        assert service["healthcheck"]["test"]
        assert service["ulimits"]["nofile"] == 65536
        assert service.get("profiles", []) == ([] if name in BOTH else ["cluster"])


def test_kafka_has_the_settings_of_the_native_one(services, tmp_path):
    roles = {"kafka": kafka.SINGLE, "kafka-1": kafka.NODE_1, "kafka-2": kafka.NODE_2,
             "kafka-3": kafka.NODE_3}  # fmt: skip
    places = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    for name, role in roles.items():
        path = tmp_path / role
        kafka.write_properties(path, role, tmp_path, settings.ports())
        native = dict(line.split("=", 1) for line in path.read_text().splitlines())
        given = {
            key.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
            for key, value in services[name]["environment"].items()
        }
        assert native.keys() <= given.keys()
        assert {k: given[k] for k in native if k not in places} == {
            k: v for k, v in native.items() if k not in places
        }


def test_each_kafka_tells_its_clients_the_address_that_is_published(services):
    for name in ("kafka", "kafka-1", "kafka-2", "kafka-3"):
        host, inside = services[name]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
        published = services[name]["ports"][0].rpartition(":")[0]
        if name != "kafka":
            published = f"${{{name.upper().replace('-', '_')}_ADVERTISED:-{published}}}"
        assert host == f"HOST://{published}"
        assert inside == f"INSIDE://{name}:19092"


def test_rabbitmq_finds_its_data_and_its_peers_by_fixed_names(services):
    assert services["rabbitmq"]["hostname"] == "rabbitmq"
    configs = yaml.safe_load(FILE.read_text(encoding="utf-8"))["configs"]
    peers = configs["rabbitmq-peers"]["content"]
    cookies = set()
    for number in (1, 2, 3):
        service = services[f"rabbitmq-{number}"]
        node = service["environment"]["RABBITMQ_NODENAME"]
        assert node == f"rabbit-{number}@{service['hostname']}"
        assert f"classic_config.nodes.{number} = {node}\n" in peers
        cookies.add(service["environment"]["RABBITMQ_ERLANG_COOKIE"])
    assert len(cookies) == 1


def test_rabbitmq_has_the_settings_of_the_native_one(tmp_path, monkeypatch):
    described = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    configs, image = described["configs"], described["services"]["rabbitmq"]["image"]
    monkeypatch.setattr(rabbitmq_install, "version", lambda: image.partition(":")[2])
    rabbitmq.write_config(tmp_path, amqp=1, management=2, peers=())
    lines = (tmp_path / "rabbitmq.conf").read_text().splitlines()
    native = [line for line in lines if not line.startswith(("listeners.", "management."))]
    assert configs["rabbitmq"]["content"].splitlines() == native
    plugins = (tmp_path / "enabled_plugins").read_text()
    assert configs["rabbitmq-plugins"]["content"] == plugins
