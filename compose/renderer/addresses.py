"""Parts of addresses in `.env`: hosts, IP addresses, ports."""

from __future__ import annotations

import ipaddress
import re

HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
"""A regular expression for a host name or address."""
LAST_PORT = (1 << 16) - 1


def is_ip_address(text: str) -> bool:
    """Return whether it is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_port(text: str, last: int = LAST_PORT) -> bool:
    """Return whether it is a port number from 1 to ``last``."""
    return bool(re.fullmatch("[0-9]{1,5}", text)) and 0 < int(text) <= last
