"""Jars come with the sum of the lock or not at all; a server on this machine stands for Maven's."""

import hashlib
import http.server
import threading

import pytest

from helpers.brokers import BrokerError, jars

WHOLE = b"a jar" * 1000


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serves ``content`` under any name; the first answer of each run says that it is busy."""

    class Maven(http.server.BaseHTTPRequestHandler):
        content = WHOLE
        asked: list[str] = []  # noqa: RUF012

        def do_GET(self):
            self.asked.append(self.path)
            self.send_response(503 if len(self.asked) == 1 else 200)
            self.send_header("Content-Length", str(len(self.content)))
            self.end_headers()
            self.wfile.write(self.content)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Maven) as running:
        threading.Thread(target=running.serve_forever).start()
        monkeypatch.setattr(jars, "_address", lambda: f"http://127.0.0.1:{running.server_port}/m")
        yield Maven
        running.shutdown()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text(f"org.example:a:1 {len(WHOLE)} {hashlib.sha256(WHOLE).hexdigest()}\n")
    return path


def test_a_jar_is_fetched_once_and_a_busy_server_is_asked_again(server, lock):
    for _ in range(2):
        jars.fetch(lock, "a thing")
    (jar,) = jars.locked(lock)
    assert jar.path().read_bytes() == WHOLE
    assert server.asked == ["/m/org/example/a/1/a-1.jar"] * 2


@pytest.mark.parametrize("harm", [b"", b"x" * len(WHOLE)], ids=["truncated", "corrupt"])
def test_a_jar_that_is_damaged_is_fetched_again(server, lock, harm):
    (jar,) = jars.locked(lock)
    jar.path().parent.mkdir(parents=True)
    jar.path().write_bytes(harm)
    jars.fetch(lock, "a thing")
    assert jar.path().read_bytes() == WHOLE


def test_a_jar_with_another_sum_is_refused_and_not_kept(server, lock):
    server.content = WHOLE[::-1]
    with pytest.raises(BrokerError, match=r"a thing .*a-1\.jar came with another SHA-256 sum"):
        jars.fetch(lock, "a thing")
    (jar,) = jars.locked(lock)
    assert not list(jar.path().parent.parent.rglob("*.*ar*"))


def test_a_jar_is_called_by_all_that_tells_it_apart(tmp_path):
    lock = tmp_path / "two.lock"
    lock.write_text("org.example:a:1 9 00\norg.example:b:2:test 9 00\n")
    assert [jar.path().name for jar in jars.locked(lock)] == ["a-1.jar", "b-2-test.jar"]
