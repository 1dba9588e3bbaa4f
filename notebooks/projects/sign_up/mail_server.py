"""A mail server for this machine: SMTP as far as a mailer needs it. Nothing leaves the machine.

It prints "listening PORT", "mail RECIPIENT MESSAGE-ID" for each mail that it keeps, and "again RECIPIENT
MESSAGE-ID" for one that it throws away: as large servers do, it remembers the Message-IDs of late, those
of the last 20 mails, and keeps one mail of each. It has no mailbox whose name begins with "no.mailbox".

By hand: python mail_server.py
"""

import argparse
import socketserver
from collections import deque
from email.parser import BytesHeaderParser

from helpers.programs import pause

REMEMBERED = 20  # mails


class MailServer(socketserver.ThreadingTCPServer):
    """Listens on this machine; each connection is a `Session`."""

    daemon_threads = True

    def __init__(self, port, pause_at):
        """``pause_at`` is the recipient at whose mail it stands still, before it says thank you."""
        super().__init__(("127.0.0.1", port), Session)
        self.pause_at = pause_at and pause_at.casefold()
        self.recent = deque(maxlen=REMEMBERED)


class Session(socketserver.StreamRequestHandler):
    """One connection: a command a line, each with an answer."""

    def handle(self):
        """Answer until the other side has had enough."""
        self.recipients = []
        self.answer("220 ready")
        for line in self.rfile:
            verb = line[:4].upper().strip()
            if verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                if recipient.startswith("no.mailbox"):
                    self.answer("550 no such mailbox")
                    continue
                self.recipients.append(recipient)
            if verb == b"DATA":
                self.answer("354 go on, and end with a dot")
                self.keep(b"".join(iter(self.rfile.readline, b".\r\n")))
            known = verb in (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"QUIT")
            self.answer(
                "502 not known" if not known else "221 bye" if verb == b"QUIT" else "250 OK"
            )
            if verb == b"QUIT":
                return

    def answer(self, line):
        """Say one line."""
        self.wfile.write(f"{line}\r\n".encode())

    def keep(self, mail):
        """Keep a mail, unless it came lately."""
        name = BytesHeaderParser().parsebytes(mail)["Message-ID"]
        word = "again" if name in self.server.recent else "mail"
        if name is not None:
            self.server.recent.append(name)
        for recipient in self.recipients:
            print(word, recipient, name, flush=True)
        if self.server.pause_at in (recipient.casefold() for recipient in self.recipients):
            self.server.pause_at = None
            pause()
        self.recipients = []


def main():
    """Serve until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="where; a free one, if not told")
    parser.add_argument("--pause-at", help="a recipient: stand still before his mail is answered")
    args = parser.parse_args()
    with MailServer(args.port, args.pause_at) as server:
        print("listening", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
