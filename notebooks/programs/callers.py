"""The callers of `tills.py`: the same call in three ways, and what each of them gets.

A function that makes a call is given an order, cents and a currency, and returns a receipt. It raises
ConnectionRefusedError if nobody is there, TimeoutError if no answer has come in time, and what its library
calls an error if the till says no; CORBA's errors are all its own.
"""

import http.client
import json
import xmlrpc.client
from contextlib import suppress
from functools import partial
from itertools import count

from omniORB import CORBA

from helpers import Ledger, Program, wait_until

SECONDS = 0.5  # for an answer
numbers = count(1000)


class Patient(xmlrpc.client.Transport):
    """Waits so many seconds for an answer, and no longer."""

    def make_connection(self, host):
        connection = super().make_connection(host)
        connection.timeout = SECONDS
        return connection


def by_xmlrpc(port, order, cents, currency):
    """Three values, one after the other."""
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}", Patient()) as till:
        return till.charge(order, cents, currency)


def by_http(port, order, cents, currency):
    """Three values, each with its name, as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        body = {"order": order, "cents": cents, "currency": currency}
        connection.request("POST", "/charge", json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(text)
    return text


def start_till(names, find, *options):
    """A till, and three functions that call it; `find` asks the naming service for CORBA's object."""
    till = Program("tills.py", names.address, *options)
    _, _, port_xmlrpc, port_http = till.wait_for("ready").split()
    http_and_xml = {"XML-RPC": partial(by_xmlrpc, port_xmlrpc), "HTTP": partial(by_http, port_http)}
    return till, {"CORBA": find().charge, **http_and_xml}


def send(ledger, charge, orders):
    """Send each order once. Returns what went wrong: the errors' names, and what CORBA's add."""
    errors = []
    for order in orders:
        ledger.attempt(order)
        try:
            charge(order, 1250, "EUR")
            ledger.acknowledge(order)
        except (CORBA.SystemException, OSError) as error:
            done = getattr(error, "completed", "")  # only CORBA's errors say
            if done == CORBA.COMPLETED_NO or isinstance(error, ConnectionRefusedError):
                ledger.refuse(order)
            errors.append(f"{type(error).__name__} {done}".strip())
    return errors


def charge_in_yen(names, find, interface):
    """What callers get from a till with this interface, in each way; after an error, also how many cards
    were charged all the same."""
    till, ways = start_till(names, find, "--interface", interface)
    said = {}
    for way, charge in ways.items():
        before = len(till.handled())
        try:
            said[way] = charge(7, 1250, "JPY")
        except Exception as error:  # each library has its own
            said[way] = f"{type(error).__name__}, {len(till.handled()) - before} charged"
    till.close()
    return said


def call_again(names, find, title, break_it, *options):
    """Send nine orders to a till that is broken, and the same again when there is one that answers."""
    till, ways = start_till(names, find, *options)
    for charge in ways.values():
        charge(0, 1250, "EUR")  # all is well
    ledger, tills = Ledger(title), [till]
    orders = [(way, next(numbers)) for way in 3 * list(ways)]
    break_it(till)
    for way, order in orders:
        ledger.attempt(order)
        with suppress(CORBA.SystemException, OSError):  # no answer
            ways[way](order, 1250, "EUR")
    till.resume()
    if not till.running():
        another, ways = start_till(names, find, *options)
        tills.append(another)
    for way, order in orders:
        ways[way](order, 1250, "EUR")
        ledger.acknowledge(order)
    wait_until_done(tills, 3 + len(orders) * (1 if len(tills) == 2 else 2))
    for order in [order for one in tills for _, order in one.handled() if order != "0"]:
        ledger.read(int(order))
    ledger.finish("the tills have nothing more to do")
    return ledger


def wait_until_done(tills, calls):
    """Wait until the tills have answered so many calls, whether they charged a card or knew the order."""
    words = ("handled", "repeated")
    wait_until(
        lambda: sum(len(till.said(word)) for till in tills for word in words) == calls,
        f"{calls} calls to be answered",
        timeout=20,
    )
