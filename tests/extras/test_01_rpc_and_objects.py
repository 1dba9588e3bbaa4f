"""The grader of the lab on calls between objects tells right answers from wrong ones."""

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("corba")


def charge_safely_with(
    tries=5, again=("NO",), keep=False, find_again=True, not_found=True, yes="charged",
    in_doubt="unknown", call="charge", values=(1250, "EUR"), in_the_end="not charged", receipt="charged",
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def charge_safely(find, order):
        import CosNaming
        from omniORB import CORBA

        names = (CosNaming.NamingContext.NotFound,) if not_found else ()
        till = None
        for _ in range(tries):
            try:
                till = till if keep and till else find()
            except (CORBA.SystemException, *names) as error:
                if not find_again and getattr(error, "completed", "") != CORBA.COMPLETED_NO:
                    return "unknown"
                continue
            try:
                if call:
                    till.charge(order, *values)
                return receipt
            except CORBA.SystemException as error:
                if str(error.completed).rpartition("_")[2] in again:
                    continue
                return yes if error.completed == CORBA.COMPLETED_YES else in_doubt
        return in_the_end

    return charge_safely


def by_recursion(find, order, left=5):
    """Right too, and otherwise."""
    import CosNaming
    from omniORB import CORBA

    if not left:
        return "not charged"
    try:
        till = find()
    except (CORBA.Exception, CosNaming.NamingContext.NotFound):
        return by_recursion(find, order, left - 1)
    try:
        till.charge(order, 1250, "EUR")
    except CORBA.SystemException as error:
        words = {CORBA.COMPLETED_YES: "charged", CORBA.COMPLETED_MAYBE: "unknown"}
        return words.get(error.completed) or by_recursion(find, order, left - 1)
    return "charged"


def by_a_loop(find, order):
    """Right too: keeps count of what is certain."""
    from omniORB import CORBA

    tries, state = 0, CORBA.COMPLETED_NO
    while tries < 5 and state == CORBA.COMPLETED_NO:
        tries += 1
        till = None
        try:
            till = find()
            till.charge(order, 1250, "EUR")
            state = CORBA.COMPLETED_YES
        except CORBA.Exception as error:
            if till is not None:
                state = error.completed
    if state == CORBA.COMPLETED_YES:
        return "charged"
    return "not charged" if state == CORBA.COMPLETED_NO else "unknown"


def five_times_five(find, order):
    """For each of five calls, up to five questions to the naming service."""
    from omniORB import CORBA

    def found():
        for _ in range(5):
            try:
                return find()
            except CORBA.Exception:
                pass
        raise LookupError

    try:
        return charge_safely_with()(found, order)
    except LookupError:
        return "not charged"


def raises(find, order):
    find().charge(order, 1250, "EUR")
    return "charged"


def by_the_kind(find, order):
    """Goes by the error's name: TRANSIENT may be tried again."""
    from omniORB import CORBA

    for _ in range(5):
        try:
            find().charge(order, 1250, "EUR")
            return "charged"
        except CORBA.TRANSIENT:
            pass
        except CORBA.SystemException:
            return "unknown"
    return "not charged"


ANSWERS = {
    "1.3": Answers(
        right={"reference": charge_safely_with(), "recursion": by_recursion, "loop": by_a_loop},
        wrong={
            "again after maybe": ("guessed", charge_safely_with(again=("NO", "MAYBE"))),
            "again after everything": ("guessed", charge_safely_with(again=("NO", "MAYBE", "YES"))),
            "never again": ("knew_not", charge_safely_with(again=())),
            "once": ("guessed", charge_safely_with(tries=1)),
            "four times": ("guessed", charge_safely_with(tries=4)),
            "six times": ("tries", charge_safely_with(tries=6)),
            "five times five": ("tries", five_times_five),
            "keeps the address": ("guessed", charge_safely_with(keep=True)),
            "a name in doubt": ("knew_not", charge_safely_with(find_again=False)),
            "no name is an error": ("raised", charge_safely_with(not_found=False)),
            "yes is unknown": ("knew_not", charge_safely_with(yes="unknown")),
            "maybe is no": ("guessed", charge_safely_with(in_doubt="not charged")),
            "maybe is yes": ("guessed", charge_safely_with(in_doubt="charged")),
            "by the kind of error": ("knew_not", by_the_kind),
            "gives up in doubt": ("knew_not", charge_safely_with(in_the_end="unknown")),
            "never calls": ("guessed", charge_safely_with(call="")),
            "other values": ("odd_call", charge_safely_with(values=(1250, "USD"))),
            "another word": ("no_word", charge_safely_with(receipt="receipt")),
            "raises": ("raised", raises),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
