"""The grader of the lab on Redis Streams tells right answers from wrong ones."""

from tests.cases import needs
from tests.exercises.answers import Answers, stub

pytestmark = needs("redis")

MINUTE = 60_000


def set_aside(redis, stream, group, number, fields):
    with redis.pipeline() as both:
        both.xadd(f"{stream}.aside", fields)
        both.xack(stream, group, number)
        both.execute()


def add_then_acknowledge(redis, stream, group, number, fields):
    redis.xadd(f"{stream}.aside", fields)
    redis.xack(stream, group, number)


def acknowledge_then_add(redis, stream, group, number, fields):
    redis.xack(stream, group, number)
    redis.xadd(f"{stream}.aside", fields)


def acknowledge_only(redis, stream, group, number, fields):
    redis.xack(stream, group, number)


def add_other_fields(redis, stream, group, number, fields):
    set_aside(redis, stream, group, number, {"order": fields[b"order"], "why": "deadly"})


def rescue_with(
    *, aside=set_aside, idle=MINUTE, claim_idle=None, most=10, pages=99, early=False, late=True,
    names=None, known_as=None,
):  # fmt: skip
    """A right answer, but for what it is told."""

    def rescue(redis, stream, group, name, handle):
        stream, group = names or (stream, group)
        name, least = known_as or name, idle if claim_idle is None else claim_idle
        first = "-"
        for _ in range(pages):
            found = redis.xpending_range(stream, group, first, "+", 100, idle=idle)
            if not found:
                return
            for entry in found:
                for number, fields in redis.xclaim(
                    stream, group, name, least, [entry["message_id"]]
                ):
                    if entry["times_delivered"] > most:
                        aside(redis, stream, group, number, fields)
                        continue
                    if early:
                        redis.xack(stream, group, number)
                    handle(fields)
                    if late:
                        redis.xack(stream, group, number)
            first = "(" + found[-1]["message_id"].decode()

    return rescue


def rescue_by_worker(redis, stream, group, name, handle):
    """Asks for each worker's list, and takes one at a time until nothing is left."""
    for worker in redis.xinfo_consumers(stream, group):
        while found := redis.xpending_range(
            stream, group, "-", "+", 1, worker["name"], idle=MINUTE
        ):
            [entry] = found
            [(number, fields)] = redis.xclaim(stream, group, name, MINUTE, [entry["message_id"]])
            if entry["times_delivered"] > 10:
                set_aside(redis, stream, group, number, fields)
            else:
                handle(fields)
                redis.xack(stream, group, number)


def rescue_from_the_front(redis, stream, group, name, handle):
    """Lists what is old first, and then claims it."""
    old, first = {}, "-"
    while found := redis.xpending_range(stream, group, first, "+", 50, idle=MINUTE):
        old |= {entry["message_id"]: entry["times_delivered"] for entry in found}
        first = b"(" + found[-1]["message_id"]
    for number, times in old.items():
        claimed = redis.xclaim(stream, group, name, MINUTE, [number])
        for number, fields in claimed:
            if times > 10:
                set_aside(redis, stream, group, number, fields)
            else:
                handle(fields)
                redis.xack(stream, group, number)


def rescue_by_autoclaim(redis, stream, group, name, handle):
    """Claims a page first, and counts afterwards: its own claim is one more."""
    first = "0-0"
    while True:
        first, claimed, _ = redis.xautoclaim(stream, group, name, MINUTE, first, count=100)
        for number, fields in claimed:
            [entry] = redis.xpending_range(stream, group, number, number, 1)
            if entry["times_delivered"] > 11:
                set_aside(redis, stream, group, number, fields)
            else:
                handle(fields)
                redis.xack(stream, group, number)
        if first == b"0-0":
            return


def rescue_without_a_claim(redis, stream, group, name, handle):
    """Reads the entries where they are, in the dead workers' hands."""
    first = "-"
    while found := redis.xpending_range(stream, group, first, "+", 100, idle=MINUTE):
        for entry in found:
            [(number, fields)] = redis.xrange(stream, entry["message_id"], entry["message_id"])
            if entry["times_delivered"] > 10:
                set_aside(redis, stream, group, number, fields)
            else:
                handle(fields)
                redis.xack(stream, group, number)
        first = b"(" + found[-1]["message_id"]


def rescue_whole_pages(redis, stream, group, name, handle):
    """Acknowledges a hundred at a time."""
    first = "-"
    while found := redis.xpending_range(stream, group, first, "+", 100, idle=MINUTE):
        times = {entry["message_id"]: entry["times_delivered"] for entry in found}
        done = []
        for number, fields in redis.xclaim(stream, group, name, MINUTE, list(times)):
            if times[number] > 10:
                set_aside(redis, stream, group, number, fields)
            else:
                handle(fields)
                done.append(number)
        if done:
            redis.xack(stream, group, *done)
        first = "(" + found[-1]["message_id"].decode()


def rescue_everything_new(redis, stream, group, name, handle):
    """Reads what is new, as a worker does."""
    for _, entries in redis.xreadgroup(group, name, {stream: ">"}, count=100) or []:
        for number, fields in entries:
            handle(fields)
            redis.xack(stream, group, number)


ANSWERS = {
    "3.4": Answers(
        right={
            "reference": rescue_with(),
            "worker by worker": rescue_by_worker,
            "lists first": rescue_from_the_front,
            "claims pages": rescue_by_autoclaim,
        },
        wrong={
            "not attempted": ("not_attempted", stub),
            "acknowledges before": ("lost", rescue_with(early=True, late=False)),
            "never acknowledges": ("left", rescue_with(late=False)),
            "one page": ("left", rescue_with(pages=1)),
            "takes what is young": ("took_young", rescue_with(idle=0)),
            "takes what is a second old": ("took_young", rescue_with(idle=1000)),
            "takes what another has claimed": ("took_young", rescue_with(claim_idle=0)),
            "never claims": ("not_claimed", rescue_without_a_claim),
            "claims by another name": ("not_claimed", rescue_with(known_as="rescuer")),
            "knows the names": ("raised", rescue_with(names=("orders", "packers"))),
            "handles what is deadly": ("deadly", rescue_with(most=1000)),
            "handles what came eleven times": ("deadly", rescue_with(most=11)),
            "sets aside too early": ("aside_wrong", rescue_with(most=2)),
            "sets aside what came ten times": ("aside_wrong", rescue_with(most=9)),
            "appends other fields": ("other_fields", rescue_with(aside=add_other_fields)),
            "adds, then acknowledges": ("aside_twice", rescue_with(aside=add_then_acknowledge)),
            "acknowledges, then adds": ("aside_lost", rescue_with(aside=acknowledge_then_add)),
            "drops what is deadly": ("aside_lost", rescue_with(aside=acknowledge_only)),
            "acknowledges whole pages": ("repeated", rescue_whole_pages),
            "reads what is new": ("left", rescue_everything_new),
        },
    ),
}


def test_answers(case):
    case.judge()
