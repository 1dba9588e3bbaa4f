"""The suite of the task queue: the reference keeps every promise, and each wrong solution breaks one."""

from tests.projects.solutions import Solutions

WORKER, SUBMIT, PROGRESS, JOBS = "worker.py", "submit.py", "progress.py", "jobs.py"
ACK = "    channel.basic_ack(method.delivery_tag)\n"
COUNT = "partial(count, database)"
AUTOMATIC = 'basic_consume(f"{args.name}.{jobs.JOBS}", partial(work, args), auto_ack=True)'


ANSWERS = {
    "task_queue": Solutions(
        {
            "automatic acknowledgement": (
                "nothing_lost",
                (WORKER, ACK, ""),
                (
                    WORKER,
                    'basic_consume(f"{args.name}.{jobs.JOBS}", partial(work, args))',
                    AUTOMATIC,
                ),
            ),
            "acknowledged before the work": (
                "nothing_lost",
                (WORKER, ACK, ""),
                (
                    WORKER,
                    "    try:\n        path = image_of",
                    "    channel.basic_ack(method.delivery_tag)\n    try:\n        path = image_of",
                ),
            ),
            "no confirms": (
                "nothing_lost",
                (SUBMIT, "    channel.confirm_delivery()\n", ""),
            ),
            "gives up when the queue is full": (
                "nothing_lost",
                (SUBMIT, "            channel.connection.sleep(FULL)\n", "            return\n"),
            ),
            "no prefetch": (
                "shared",
                (WORKER, "    channel.basic_qos(prefetch_count=1)", "    #"),
            ),
            "written in place": (
                "never_half",
                (WORKER, "    small.save(draft", "    small.save(target"),
                (WORKER, "    draft.replace(target)\n", ""),
            ),
            "what can't be done is dropped": (
                "bad_is_parked",
                (
                    WORKER,
                    'channel.basic_publish("", f"{args.name}.{jobs.PARKED}", body, why, mandatory=True)',
                    "print(why)",
                ),
            ),
            "parked without a reason": (
                "says_why",
                (WORKER, 'headers={"reason": str(error)}', "headers={}"),
            ),
            "any file may be read": (
                "bad_is_parked",
                (WORKER, "path.parent != folder or path.name != name or ", ""),
            ),
            "counts messages": (
                "counted_once",
                (PROGRESS, "INSERT OR IGNORE", "INSERT"),
                (PROGRESS, "image TEXT PRIMARY KEY", "image TEXT"),
            ),
            "counts in memory": (
                "counted_once",
                (PROGRESS, "sqlite3.connect(args.database)", 'sqlite3.connect(":memory:")'),
            ),
            "progress acknowledges automatically": (
                "counted_once",
                (PROGRESS, COUNT, f"{COUNT}, auto_ack=True"),
                (PROGRESS, ACK, ""),
            ),
            "progress acknowledges before it has noted": (
                "counted_once",
                (PROGRESS, ACK, ""),
                (PROGRESS, "    with database:\n", f"{ACK}    with database:\n"),
            ),
            "what nests too deep ends the worker": (
                "says_why",
                (WORKER, "KeyError, RecursionError, OSError)", "KeyError, OSError)"),
            ),
            "the name as it is not written": (
                "bad_is_parked",
                (WORKER, "path.name != name", 'path.name in ("", "..")'),
            ),
            "what is done is dropped when it came back often": (
                "counted_once",
                (JOBS, 'f"{name}.{DONE}", patient', 'f"{name}.{DONE}", {}'),
            ),
            "a classic queue": (
                "drained",
                (JOBS, "        kind = {", "        kind = {} and {"),
            ),
        }
    )
}


def test_answers(case, own_ports):
    case.judge()
