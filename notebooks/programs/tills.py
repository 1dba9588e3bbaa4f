"""A till with three doors: other programs call it by CORBA, by XML-RPC or by HTTP, to charge a card.

It prints "ready at" with its two ports, XML-RPC's and HTTP's, when it can be called, and "handled ORDER TIME"
for each card charged, TIME in seconds of a clock that all processes share. Where it is for CORBA, the
naming service knows.
"""

import argparse
import inspect
import json
import re
import threading
from functools import wraps
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

import CosNaming
from omniORB import CORBA

from helpers.extras.corba import compile_idl
from helpers.programs import say

HOST = "127.0.0.1"
IDL = Path(__file__).with_name("till.idl")
TYPES = {
    "order": "long",
    "cents": "long",
    "amount": "long",
    "currency": "string",
    "email": "string",
}


def charge_card(order, cents, currency):
    """Where the work is done."""
    say("handled", order)
    return f"order {order}: {cents} {currency}"  # the receipt


# The interface, as one till or another has it. Its callers know the first of these, and no other.


def as_agreed(order, cents, currency):
    return charge_card(order, cents, currency)


def one_more(order, cents, currency, email):
    return charge_card(order, cents, currency) + f", sent to {email}"


def one_less(order, cents):
    return charge_card(order, cents, "EUR")  # does anybody pay in anything else?


def other_order(cents, order, currency):
    return charge_card(order, cents, currency)


def other_name(order, amount, currency):
    return charge_card(order, amount, currency)


INTERFACES = (as_agreed, one_more, one_less, other_order, other_name)


def remembering(charge):
    """Charge as before, but each order once: for an order that it knows, it has the same receipt."""
    receipts, one_at_a_time = {}, threading.Lock()

    @wraps(charge)
    def charge_once(order, *rest):
        with one_at_a_time:
            if order in receipts:
                say("repeated", order)
            else:
                receipts[order] = charge(order, *rest)
            return receipts[order]

    return charge_once


def serve_corba(charge, names):
    """Be an object that others can call, and tell the naming service where it is."""
    compile_idl(idl_of(charge))
    import Shop__POA

    class Till(Shop__POA.Till):
        def charge(self, *values):
            return charge(*values)

    orb = CORBA.ORB_init(["till", "-ORBendPoint", f"giop:tcp:{HOST}:"])
    adapter = orb.resolve_initial_references("RootPOA")
    adapter._get_the_POAManager().activate()
    till = Till()
    root = orb.string_to_object(names)._narrow(CosNaming.NamingContext)
    root.rebind([CosNaming.NameComponent("till", "")], till._this())


def idl_of(charge):
    """The interface file as this till has it: the same, with other parameters."""
    takes = ", ".join(f"in {TYPES[name]} {name}" for name in inspect.signature(charge).parameters)
    return re.sub(r"charge\(.*\)", f"charge({takes})", IDL.read_text())


def serve_xmlrpc(charge):
    """The arguments come as a list, in their order. Returns the port."""
    server = SimpleXMLRPCServer((HOST, 0), logRequests=False)
    server.register_function(charge, "charge")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def serve_http(charge):
    """The arguments come as JSON, each with its name, and it takes what it needs. Returns the port."""

    class Till(BaseHTTPRequestHandler):
        def do_POST(self):
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                needed = [given[name] for name in inspect.signature(charge).parameters]
            except KeyError as missing:
                self.answer(400, f"{missing} is missing")
            else:
                self.answer(200, charge(*needed))

        def answer(self, status, text):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """Nothing for each request."""

    server = HTTPServer((HOST, 0), Till)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    """Serve until somebody ends us."""
    known = {charge.__name__: charge for charge in INTERFACES}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", help="where the naming service is")
    parser.add_argument("--interface", choices=known, default="as_agreed")
    parser.add_argument("--remembers", action="store_true", help="charges each order once")
    args = parser.parse_args()
    charge = known[args.interface]
    if args.remembers:
        charge = remembering(charge)
    ports = serve_xmlrpc(charge), serve_http(charge)
    serve_corba(charge, args.names)
    print("ready at", *ports, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
