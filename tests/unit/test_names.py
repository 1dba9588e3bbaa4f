"""Fresh names, and whose names a clean-up deletes."""

import subprocess
import sys
import threading

import pytest

from helpers import names, settings
from helpers.names import Registry, fresh

OTHER_PROCESS = """
import sys
from pathlib import Path
from helpers.names import Registry
Registry(Path(sys.argv[1])).add(sys.argv[2])
print("noted", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "run_dir", lambda: tmp_path)
    monkeypatch.delenv("BREAKING_BROKERS_LEARNER", raising=False)
    names._registry.cache_clear()
    return tmp_path


def other_process(directory, name) -> subprocess.Popen:
    """A process that has noted a name and lives until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(directory), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "noted\n"
    return process


def offered(registry: Registry, *, kept: tuple[str, ...] = ()) -> list[str]:
    """Clean up with a broker that deletes all but ``kept``; returns what it was asked to delete."""
    asked: list[str] = []

    def delete(names: list[str]) -> set[str]:
        asked.extend(names)
        return set(kept)

    registry.remove(delete)
    return asked


def test_a_fresh_name_says_what_it_is_for_and_is_new():
    made = {fresh("orders") for _ in range(200)}
    assert len(made) == 200
    assert all(name.startswith("orders-") for name in made)


def test_a_fresh_name_is_valid_everywhere():
    name = fresh("A.b_c-9")
    assert len(name) <= 249  # Kafka's limit for topics
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@pytest.mark.parametrize("bad", ["", "or ders", "bücher", "a/b", "-a", ".", "x" * 101, "amq.x"])
def test_what_a_broker_refuses_is_refused_at_once(bad, run_dir):
    with pytest.raises(ValueError, match=r"fresh\(\)"):
        fresh(bad)
    assert not list(run_dir.rglob("*.txt"))


def test_the_learner_comes_first(monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_LEARNER", "ada")
    assert fresh("orders").startswith("ada-orders-")


def test_a_bad_learner_is_named(monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_LEARNER", "Ada L.")
    with pytest.raises(ValueError, match="BREAKING_BROKERS_LEARNER got 'Ada L"):
        fresh("orders")


def test_a_name_is_on_disk_before_it_is_used(run_dir):
    name = fresh("orders")
    (file,) = (run_dir / "names").glob("*.txt")
    assert file.read_text() == name + "\n"


def test_own_names_are_offered_once(tmp_path):
    registry = Registry(tmp_path)
    registry.add("a")
    registry.add("b")
    assert offered(registry) == ["a", "b"]
    assert offered(registry) == []


def test_names_still_in_use_are_offered_again(tmp_path):
    registry = Registry(tmp_path)
    registry.add("a")
    registry.add("b")
    offered(registry, kept=("b",))
    assert [file.read_text() for file in tmp_path.glob("*.txt")] == ["b\n"]
    assert offered(registry) == ["b"]


def test_nothing_is_forgotten_when_deleting_fails(tmp_path):
    registry = Registry(tmp_path)
    registry.add("a")

    def unreachable(_):
        raise ConnectionError("no broker")

    with pytest.raises(ConnectionError):
        registry.remove(unreachable)
    assert offered(registry) == ["a"]


def test_names_of_a_living_process_are_left_alone(tmp_path):
    process = other_process(tmp_path, "theirs")
    registry = Registry(tmp_path)
    registry.add("mine")
    try:
        assert offered(registry) == ["mine"]
    finally:
        process.kill()
        process.wait()


def test_names_of_a_killed_process_are_taken_over(tmp_path):
    process = other_process(tmp_path, "orphan")
    process.kill()
    process.wait()
    registry = Registry(tmp_path)
    assert offered(registry, kept=("orphan",)) == ["orphan"]
    assert offered(registry) == ["orphan"]
    assert offered(registry) == []
    assert not list(tmp_path.iterdir())


def test_names_of_a_killed_process_stay_noted_until_both_brokers_were_looked_at(tmp_path):
    process = other_process(tmp_path, "orphan")
    process.kill()
    process.wait()
    asked: list[str] = []
    Registry(tmp_path).remove(lambda names: set(asked.extend(names) or ()), on_both=False)
    assert asked == ["orphan"]
    assert offered(Registry(tmp_path)) == ["orphan"]


def test_two_clean_ups_at_once_do_not_take_the_same_names(tmp_path):
    process = other_process(tmp_path, "orphan")
    process.kill()
    process.wait()
    seen_by_the_second: list[str] = []

    def delete(names):
        seen_by_the_second.extend(offered(Registry(tmp_path)))
        assert names == ["orphan"]
        return set()

    Registry(tmp_path).remove(delete)
    assert seen_by_the_second == []


def test_a_deleted_registry_is_made_again(tmp_path):
    registry = Registry(tmp_path / "names")
    registry.add("a")
    for file in (tmp_path / "names").iterdir():
        file.unlink()
    (tmp_path / "names").rmdir()
    registry.add("b")
    assert [file.read_text() for file in (tmp_path / "names").glob("*.txt")] == ["a\nb\n"]


def test_threads_share_one_file(tmp_path):
    registry = Registry(tmp_path)
    threads = [threading.Thread(target=registry.add, args=(str(n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = tmp_path.iterdir()
    assert sorted(file.read_text().split(), key=int) == [str(n) for n in range(20)]
