"""The grader of the lab on the service bus tells right answers from wrong ones."""

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("artemis", "camel")
TRANSACTED = "?transacted=true"


def route(source, *steps):
    targets = [{"to": step} if isinstance(step, str) else step for step in steps]
    return {"route": {"from": {"uri": source, "steps": targets}}}


def apart(copy=TRANSACTED, each=TRANSACTED, name="{source}-{n}", more=1, of=None):
    """An answer that gets right what it is told to."""

    def routes(source, targets):
        chosen = list(targets)[:of]
        queues = [f"artemis:{name.format(source=source, n=n)}" for n in range(len(chosen))]
        pairs = zip(queues, chosen, strict=True)
        return [
            route(f"artemis:{source}{copy}", *(queues * more)),
            *(route(f"{queue}{each}", target) for queue, target in pairs),
        ]

    return routes


def by_multicast(source, targets):
    """Right too: the copies are a step of their own."""
    others = apart()(source, targets)[1:]
    steps = [{"to": f"artemis:{source}-{n}"} for n in range(len(targets))]
    return [route(f"artemis:{source}{TRANSACTED}", {"multicast": {"steps": steps}}), *others]


def together(source, targets):
    return [route(f"artemis:{source}{TRANSACTED}", *targets)]


def side_by_side(source, targets):
    steps = [{"to": target} for target in targets]
    at_once = {"multicast": {"parallelProcessing": True, "steps": steps}}
    return [route(f"artemis:{source}{TRANSACTED}", at_once)]


def one_straight(n):
    """All but one have a queue; that one hangs on the route which copies."""

    def routes(source, targets):
        copy, *others = apart()(source, targets)
        copy["route"]["from"]["steps"][n] = {"to": targets[n]}
        del others[n]
        return [copy, *others]

    return routes


def competing(source, targets):
    """A route each, from the same queue: an order comes to one of them."""
    return [route(f"artemis:{source}{TRANSACTED}", target) for target in targets]


def nonsense(source, targets):
    return [route(f"artemis:{source}{TRANSACTED}", f"pigeon:{source}")]


BY_CLIENT = "?acknowledgementModeName=CLIENT_ACKNOWLEDGE"
ANSWERS = {
    "1.5": Answers(
        right={
            "reference": apart(),
            "by multicast": by_multicast,
            "acknowledged after the route": apart(each=BY_CLIENT),
        },
        wrong={
            "one route": ("waits", together),
            "side by side in one route": ("waits", side_by_side),
            "the first goes straight": ("waits", one_straight(0)),
            "the last goes straight": ("waits", one_straight(-1)),
            "from one queue": ("waits", competing),
            "taken for good": ("lost", apart(each="")),
            "copied without a transaction": ("not_in_a_transaction", apart(copy="")),
            "the same names": ("mixed_up", apart(name="queue-{n}")),
            "copied twice": ("twice", apart(more=2)),
            "two of them": ("forgotten", apart(of=2)),
            "a place that is not there": ("not_started", nonsense),
            "no list": ("no_routes", lambda source, targets: f"{source} to {targets}"),
            "a generator": ("no_routes", lambda *given: (one for one in apart()(*given))),
            "nothing": ("no_routes", lambda _source, _targets: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
