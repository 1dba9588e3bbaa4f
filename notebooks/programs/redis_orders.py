"""Twelve orders on Redis: appended, taken over, and what is left of them after a kill. For the lab."""

from helpers import Program, wait_until

GROUP = "packers"


def append(redis, stream, ledger, **limit):
    """Append orders 1 to 12 to a stream; the server answers each with the number that it has given it."""
    for order in range(1, 13):
        ledger.attempt(order)
        if redis.xadd(stream, {"order": order}, **limit):
            ledger.acknowledge(order)


def take(redis, stream, worker):
    """All that is new in the stream for the group; its worker has it in hand then."""
    new = redis.xreadgroup(GROUP, worker, {stream: ">"}, count=100)
    return [int(fields[b"order"]) for _, entries in new or [] for _, fields in entries]


def kill_at_six(port, orders, *options):
    """A worker that handles orders 1 to 5, acknowledges 1 to 3, and is killed in the middle of 6."""
    worker = Program(
        *("worker_redis.py", port, orders, *options),
        *("--acknowledge-every", 3, "--pause-at", 6),
    )
    worker.wait_for("paused")
    worker.kill()
    return worker


def finish(ledger, workers):
    """End the workers, and note what each of them did."""
    for worker in workers.values():
        worker.stop()
    ledger.read_from(workers)
    ledger.finish("no worker runs, and no order is new")
    return ledger


def stored_after_a_kill(server, ledger):
    """Append twelve orders, kill the server, start it again: how many has it then?"""
    redis = server.client()
    append(redis, "orders", ledger)
    files = lambda: redis.info("persistence")  # noqa: E731
    if files()["aof_enabled"]:  # a slow disk may hold a write up; see that it doesn't
        wait_until(lambda: not files()["aof_buffer_length"], "the file to be written")
    server.kill()
    server.start()
    return redis.xlen("orders")
