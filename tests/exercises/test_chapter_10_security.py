"""The grader of the lab on security tells right answers from wrong ones."""

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.exercises.answers import Answers, ignoring, stub

CODES = {10: "expired", 62: "wrong name"}


def inspect_with(
    *,
    codes=CODES,
    check_name=True,
    closes=True,
    patience=lambda seconds: seconds,
    left=lambda end: (end - time.time()) / 86400,
    late=lambda left, days: left < days,
    no_tls="no TLS",
    silent="silent",
    by_text=False,
    otherwise="unknown authority",
    trust_all=False,
):
    """A right answer, but for what it is told."""

    def inspect(port, name, authority, days, seconds):
        context = ssl.create_default_context(cafile=authority)
        context.check_hostname = check_name
        if trust_all:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), timeout=patience(seconds))
        secured = None
        try:
            secured = context.wrap_socket(
                plain, server_hostname=name, do_handshake_on_connect=False
            )
            secured.do_handshake()
            shown = secured.getpeercert()
            end = ssl.cert_time_to_seconds(shown["notAfter"]) if shown else time.time() + 10**9
        except ssl.SSLCertVerificationError as error:
            if by_text:
                words = {"expired": "expired", "not valid for": "wrong name"}
                found = [word for text, word in words.items() if text in str(error)]
                return (found or ["unknown authority"])[0]
            return codes.get(error.verify_code, otherwise)
        except TimeoutError:
            return silent
        except OSError:
            return no_tls
        finally:
            if closes:
                (secured or plain).close()
            else:
                LEFT.append(secured or plain)
        return "ends soon" if late(left(end), days) else "good"

    return inspect


LEFT = []  # connections that an answer forgets to close, and nobody collects


def inspect_by_two_steps(port, name, authority, days, seconds):
    """Another right answer: the date from an object of its own, the errors in one place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    try:
        plain = socket.create_connection(("127.0.0.1", port), seconds)
        try:
            secured = context.wrap_socket(plain, server_hostname=name)
            with secured:
                shown = secured.getpeercert()["notAfter"]
        finally:
            plain.close()
    except OSError as error:
        if isinstance(error, ssl.SSLCertVerificationError):
            by = {10: "expired", 62: "wrong name", 64: "wrong name"}
            return by.get(error.verify_code, "unknown authority")
        return "silent" if isinstance(error, TimeoutError) else "no TLS"
    end = datetime.strptime(shown, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    left = (end - datetime.now(UTC)).total_seconds()
    return "good" if left >= days * 86400 else "ends soon"


def inspect_by_asyncio(port, name, authority, days, seconds):
    """Right too, and otherwise: one coroutine, which has so many seconds."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authority)

    async def look():
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=name
        )
        try:
            return writer.get_extra_info("peercert")["notAfter"]
        finally:
            writer.transport.abort()

    async def look_in_time():
        return await asyncio.wait_for(look(), seconds)

    try:
        end = ssl.cert_time_to_seconds(asyncio.run(look_in_time()))
    except TimeoutError:
        return "silent"
    except ssl.CertificateError as error:
        return CODES.get(error.verify_code, "unknown authority")
    except (OSError, EOFError):
        return "no TLS"
    return ("good", "ends soon")[end < time.time() + timedelta(days=days).total_seconds()]


def inspect_without_date(port, name, authority, days, seconds):
    said = inspect_with()(port, name, authority, days, seconds)
    return "good" if said == "ends soon" else said


def inspect_by_issuer(port, name, authority, days, seconds):
    """Reads the certificate unchecked, and compares names."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    first = inspect_with(trust_all=True)(port, name, authority, days, seconds)
    if first in ("no TLS", "silent"):
        return first
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=seconds)
    shown = x509.load_pem_x509_certificate(pem.encode())
    ours = x509.load_pem_x509_certificate(Path(authority).read_bytes())
    left = (shown.not_valid_after_utc - datetime.now(UTC)).total_seconds()
    if shown.issuer != ours.subject:
        return "unknown authority"
    if shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value != name:
        return "wrong name"
    return "expired" if left < 0 else "ends soon" if left < days * 86400 else "good"


def constant(*_):
    return "good"


ANSWERS = {
    "10.5": Answers(
        right={
            "reference": inspect_with(),
            "by two steps": inspect_by_two_steps,
            "asyncio": inspect_by_asyncio,
        },
        wrong={
            "not begun": ("not_attempted", stub),
            "for ever": ("no_deadline", ignoring()),
            "constant": ("never_asked", constant),
            "name unchecked": ("wrong_name", inspect_with(check_name=False)),
            "nothing checked": ("ends_soon", inspect_with(trust_all=True)),
            "date unread": ("ends_soon", inspect_without_date),
            "by the issuer's name": ("unknown_authority", inspect_by_issuer),
            "by the text": ("wrong_name", inspect_with(by_text=True)),
            "whole days": ("good", inspect_with(late=lambda left, days: int(left) <= days)),
            "one code": (
                "unknown_authority",
                inspect_with(codes=CODES | {20: "unknown authority"}, otherwise="no TLS"),
            ),
            "two codes": (
                "unknown_authority",
                inspect_with(
                    codes=CODES | dict.fromkeys((7, 20), "unknown authority"), otherwise="no TLS"
                ),
            ),
            "left open": ("left_open", inspect_with(closes=False)),
            "own patience": ("gave_up_early", inspect_with(patience=lambda _: 0.1)),
            "silence is no TLS": ("silent", inspect_with(silent="no TLS")),
            "no TLS is no authority": ("no_tls", inspect_with(no_tls="unknown authority")),
        },
    )
}


def test_answers(case):
    case.judge()
