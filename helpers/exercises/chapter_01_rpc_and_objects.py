"""The grader of the lab on calls between objects: may a CORBA call be made again?"""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NoReturn

import psutil

from ..programs import COURSE
from ..waiting import wait_until
from .answers import NotAttempted, Wrong, ask
from .grading import grader

Find = Callable[[], Any]
Answer = Callable[[Find, int], str]

TRIES = 5
WAIT = 500  # milliseconds that a till's caller waits
WORDS = ("charged", "not charged", "unknown")
ONCE = "Call again only while `error.completed` is `CORBA.COMPLETED_NO`."
FIVE = "Five tries in all, each with the name asked for anew."

# A till that does for each order what is said on the command line, as "7=die": one thing a call, the last
# one for ever. It prints "asked 7" for a call, and "charged 7" for a card.
TILL = """
import os, signal, sys, threading
from omniORB import CORBA
from helpers.extras.corba import compile_idl
compile_idl(sys.argv[1])
import Shop__POA
plans = {int(o): words.split(",") for o, _, words in (given.partition("=") for given in sys.argv[2:])}
STATES = {"no": CORBA.COMPLETED_NO, "maybe": CORBA.COMPLETED_MAYBE, "yes": CORBA.COMPLETED_YES}
def say(word, order): os.write(1, f"{word} {order}\\n".encode())
class Till(Shop__POA.Till):
    def charge(self, order, cents, currency):
        say("asked", order)
        plan = plans.get(order, ["charge"])
        what = plan.pop(0) if len(plan) > 1 else plan[0]
        if (cents, currency) != (1250, "EUR"): say("odd", order)
        if what in ("charge", "die", "yes", "charge-maybe"): say("charged", order)
        if what == "die": os.kill(os.getpid(), signal.SIGKILL)
        if what != "charge": raise CORBA.NO_RESOURCES(0, STATES[what.removeprefix("charge-")])
        return f"receipt {order}"
orb = CORBA.ORB_init(["till", "-ORBendPoint", "giop:tcp:127.0.0.1:"])
adapter = orb.resolve_initial_references("RootPOA")
adapter._get_the_POAManager().activate()
till = Till()
reference = till._this()
threading.Timer(120, os._exit, [1]).start()  # ends by itself, should we forget it
os.write(1, orb.object_to_string(reference).encode() + b"\\n")
sys.stdin.read()
os._exit(0)
"""


class _Till:
    """A till in a process of its own, with a plan for some of its orders."""

    def __init__(self, plans: dict[int, list[str]]) -> None:
        idl = (COURSE / "programs" / "till.idl").read_text()
        words = [f"{order}={','.join(plan)}" for order, plan in plans.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-c", TILL, idl, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._address = ""
        self._said: list[str] | None = None

    def address(self) -> str:
        """Its reference, when it can be called."""
        if not self._address:
            assert self._process.stdout is not None
            self._address = self._process.stdout.readline().strip()
            if not self._address.startswith("IOR:"):
                raise RuntimeError("A till of the check did not start.")
        return self._address

    def find(self) -> Any:
        """What its caller needs."""
        import omniORB
        from omniORB import CORBA

        orb = CORBA.ORB_init([], CORBA.ORB_ID)
        till = orb.string_to_object(self.address())._narrow(_stubs().Till)
        omniORB.setClientCallTimeout(till, WAIT)
        return till

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Standing still, with a connection open."""
        self.find()._non_existent()
        mine = psutil.Process(self._process.pid)
        self._process.send_signal(signal.SIGSTOP)
        stands = lambda: mine.status() == psutil.STATUS_STOPPED  # noqa: E731
        wait_until(stands, "a till of the check to stand still")
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def said(self, word: str, order: int) -> int:
        """How often it has said so; it has ended after that."""
        if self._said is None:
            self.kill()
            assert self._process.stdout is not None
            self._said = self._process.stdout.read().splitlines()
        return self._said.count(f"{word} {order}")

    def __enter__(self) -> _Till:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@grader("1.3")
def charge_safely(answer: Answer, data: Random) -> str:
    """Tills that are well, moved, overloaded and back, frozen, dying; and a naming service with trouble.
    What is asked of each is counted by the till itself."""
    orders = data.sample(range(1, 10**6), 14)
    well, moved, shy, busy, never, half, odd, lost, done, cold, lame, late, both, frozen = orders
    few = data.randint(2, TRIES - 1)
    plans = {
        busy: ["no"] * few + ["charge"],
        never: ["no"],
        odd: ["maybe", "charge"],
        lost: ["charge-maybe", "charge"],
        done: ["yes"],
        lame: ["no"] * (few - 1) + ["maybe", "charge"],
        late: ["no"] * (TRIES - 1) + ["charge"],
        both: ["no"],
    }
    trouble = list(TROUBLES)
    data.shuffle(trouble)
    with _Till(plans) as till, _Till({}) as old, _Till({half: ["die"]}) as dying, _Till({}) as icy:
        old.address()
        old.kill()
        for order, expected, what, finds in (
            (well, "charged", "the till was well", [till.find]),
            (busy, "charged", f"the till was overloaded {few} times (COMPLETED_NO)", [till.find]),
            (late, "charged", f"the till was overloaded {TRIES - 1} times", [till.find]),
            (never, "not charged", "the till was overloaded each time (COMPLETED_NO)", [till.find]),
            (odd, "unknown", "the till said COMPLETED_MAYBE", [till.find]),
            (lost, "unknown", "the till charged, and said COMPLETED_MAYBE", [till.find]),
            (done, "charged", "the till said COMPLETED_YES", [till.find]),
            (lame, "unknown", "the till said NO, and then MAYBE", [till.find]),
            (moved, "charged", "the till had moved", [old.find, till.find]),
            (shy, "charged", "the naming service had trouble three times", [*trouble, till.find]),
            (cold, "not charged", "no till ever had the name", [data.choice(trouble)]),
            (both, "not charged", "no name twice, then NO each time", [*trouble[:2], till.find]),
            (half, "unknown", "the till charged and died", [dying.find, till.find]),
        ):
            _expect(answer, order, expected, what, finds)
        with icy.frozen():
            _expect(answer, frozen, "unknown", "the till was frozen", [icy.find, till.find])
        asked = {order: till.said("asked", order) for order in orders}
        charged = {order: till.said("charged", order) for order in orders}
        charged[half] += dying.said("charged", half)
        strange = [order for order in orders if till.said("odd", order)]
    times = dict.fromkeys((well, odd, lost, done, moved, shy), 1)
    times |= {busy: few + 1, late: TRIES, never: TRIES, both: TRIES - 2}
    times |= {lame: few, cold: 0, half: 0, frozen: 0}
    _expect_counts(asked, charged, times, {well, busy, late, lost, done, moved, shy, half})
    if strange:
        raise Wrong(
            "odd_call",
            f"order {strange[0]} was charged with other values.",
            'Call `till.charge(order, 1250, "EUR")`.',
        )
    return (
        "three words, each where it is true; tried again where nothing was done, and nowhere else."
    )


def _expect(answer: Answer, order: int, expected: str, what: str, finds: list[Find]) -> None:
    """The word for an order; `finds` are what the naming service does, the last one for ever."""
    left, calls = list(finds), 0

    def find() -> Any:
        nonlocal calls
        calls += 1
        return (left.pop(0) if len(left) > 1 else left[0])()

    said = ask(answer, find, order, may_raise=(Exception,))
    if isinstance(said, NotImplementedError):
        raise NotAttempted
    if isinstance(said, Exception):
        raise Wrong(
            "raised",
            f"{what}, and the function raised {type(said).__name__}.",
            "Say what you know in one of the three words. `find()` and `charge` may each raise; a name "
            "that is not there is no SystemException.",
        )
    if said not in WORDS:
        raise Wrong("no_word", f"{what}, and the function returned {said!r:.60}.", "Three words.")
    if said != expected:
        raise Wrong(
            "guessed" if said != "unknown" else "knew_not",
            f"{what}, and the function said {said!r}, not {expected!r}.",
            f"{ONCE} {FIVE}"
            if (said, expected) == ("not charged", "charged")
            else "`error.completed` says what became of the work. Of a question to the naming service "
            "it says nothing about the card.",
        )
    if expected == "not charged" and finds[0] in TROUBLES and calls != TRIES:
        raise Wrong("tries", f"{what}, and the name was asked for {calls} times.", FIVE)


def _expect_counts(
    asked: dict[int, int], charged: dict[int, int], wanted: dict[int, int], cards: set[int]
) -> None:
    for order, times in wanted.items():
        if charged[order] > 1:
            raise Wrong(
                "charged_twice",
                f"the card of order {order} was charged {charged[order]} times.",
                ONCE,
            )
        if asked[order] != times:
            raise Wrong(
                "tries",
                f"the till was asked about order {order} {asked[order]} times, expected {times}.",
                f"{ONCE} {FIVE}",
            )
        if (order in cards) != bool(charged[order]):
            raise Wrong("not_asked", f"order {order} was not charged.", "Call `till.charge`.")


def _stubs() -> Any:
    from ..extras.corba import compile_idl

    if "Shop" not in sys.modules:
        compile_idl((COURSE / "programs" / "till.idl").read_text())
    return importlib.import_module("Shop")


def _comm_failure() -> NoReturn:
    from omniORB import CORBA

    raise CORBA.COMM_FAILURE(0, CORBA.COMPLETED_MAYBE)


def _transient() -> NoReturn:
    from omniORB import CORBA

    raise CORBA.TRANSIENT(0, CORBA.COMPLETED_NO)


def _not_found() -> NoReturn:
    import CosNaming

    context = CosNaming.NamingContext
    raise context.NotFound(context.missing_node, [CosNaming.NameComponent("till", "")])


TROUBLES = (_comm_failure, _not_found, _transient)
