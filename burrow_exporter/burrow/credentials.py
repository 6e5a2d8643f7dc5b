"""User name and password for a Burrow, and their redaction in responses that repeat them."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

WITHHELD = "[not shown, as it holds the credentials]"


class Credentials:
    """Credentials for basic authentication (RFC 7617), which must not appear in any output."""

    def __init__(self, username: str, password: str) -> None:
        token = b64encode(f"{username}:{password}".encode()).decode()
        self.header = f"Basic {token}"
        bare = token.rstrip("=")
        # Some JSON encoders escape slashes.
        self._sent = {bare.encode(), bare.replace("/", "\\/").encode()}
        # The plain forms, and those in JSON and in URLs.
        forms = (bare, password, json.dumps(password)[1:-1], quote(password), quote(password, safe=""))
        self._forms = {form.casefold() for form in forms}

    def are_in(self, body: bytes) -> bool:
        """Return whether a response repeats the credentials as they were sent.

        Does not search for the password alone: names of groups and topics may contain the same word.
        """
        return any(sent in body for sent in self._sent)

    def shown(self, text: str) -> str:
        """Return text from Burrow with the credentials redacted."""
        folded = text.casefold()
        return WITHHELD if any(form in folded for form in self._forms) else text
