"""User name and password for a Burrow: how they are sent, and that they are not shown where an answer repeats them."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

WITHHELD = "[not shown, as it holds the credentials]"


class Credentials:
    """What basic authentication sends (RFC 7617), which nothing may show."""

    def __init__(self, username: str, password: str) -> None:
        token = b64encode(f"{username}:{password}".encode()).decode()
        self.header = f"Basic {token}"
        bare = token.rstrip("=")
        # Some write JSON with an escape before each slash.
        self._sent = {bare.encode(), bare.replace("/", "\\/").encode()}
        # As they are, and as they look in JSON or in a URL.
        forms = (bare, password, json.dumps(password)[1:-1], quote(password), quote(password, safe=""))
        self._forms = {form.casefold() for form in forms}

    def are_in(self, body: bytes) -> bool:
        """Tell whether an answer sends them back as they were sent.

        The password alone is not looked for: names of groups and topics may well hold a word that it is.
        """
        return any(sent in body for sent in self._sent)

    def shown(self, text: str) -> str:
        """Return words of Burrow's as they may be shown."""
        folded = text.casefold()
        return WITHHELD if any(form in folded for form in self._forms) else text
