"""Receivers for Alertmanager: a local endpoint for webhooks of every kind, and one for mail."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler
from typing import Any


class Received:
    """Received messages by the endpoint's path; mails under ``mail``. Each is JSON, or a mail's subject and bodies."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._messages: dict[str, list[Any]] = {}

    def add(self, name: str, message: object) -> None:
        """Store a message."""
        with self._arrived:
            self._messages.setdefault(name, []).append(message)
            self._arrived.notify_all()

    def take(self, name: str, seconds: float = 30) -> Any:
        """Wait for the next message and return it."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._messages.get(name), seconds), f"nothing for {name}"
            return self._messages[name].pop(0)

    def names(self) -> set[str]:
        """Return the endpoints with messages not taken yet."""
        with self._arrived:
            return {name for name, messages in self._messages.items() if messages}


class Quiet(socketserver.ThreadingTCPServer):
    """A server that logs nothing when clients hang up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def endpoints() -> Iterator[tuple[Received, int, int]]:
    """Listen for webhooks and mail until the end of the block; yield received messages and both ports."""
    received = Received()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.add(self.path.strip("/").partition("/")[0], json.loads(body))
            answer = b"ok" if "slack" in self.path else b"{}"
            self.send_response(202 if "pagerduty" in self.path else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            lines: list[str] | None = None
            for line in iter(self.rfile.readline, b""):
                text = line.decode().rstrip("\r\n")
                if lines is None:
                    self.say("354 go on" if text == "DATA" else "250 well")
                    lines = [] if text == "DATA" else None
                elif text == ".":
                    received.add("mail", read_mail("\n".join(lines)))
                    self.say("250 well")
                    lines = None
                else:
                    lines.append(text.removeprefix("."))

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with (
        Quiet(("127.0.0.1", 0), Hook) as hooks,
        Quiet(("127.0.0.1", 0), Mail) as mail,
    ):
        for server in (hooks, mail):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield received, hooks.server_address[1], mail.server_address[1]
        finally:
            hooks.shutdown()
            mail.shutdown()


def read_mail(text: str) -> dict[str, str]:
    """Return subject, addressee and bodies of a mail."""
    mail = message_from_string(text, policy=policy.default)
    bodies = {
        part.get_content_type(): part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"
    }
    return {"subject": str(mail["Subject"]), "to": str(mail["To"]), **bodies}
