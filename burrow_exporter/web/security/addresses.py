"""The origin of a client: this machine or another, and its network."""

from __future__ import annotations

import ipaddress

from burrow_exporter.web.messages import Peer

NETWORK_BITS = 64
"""The range that one IPv6 host usually has: a whole /64."""


def is_local(peer: Peer) -> bool:
    """Return whether a client is on this machine: at a loopback address, or at the address it connected to."""
    host = host_of(peer.client)
    return bool(host) and (host == host_of(peer.server) or ipaddress.ip_address(host).is_loopback)


def host_of(address: str) -> str:
    """Return an IP address without its zone, as IPv4 if it is IPv4-mapped; an empty one unchanged."""
    if not address:
        return ""
    host = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(host, "ipv4_mapped", None) or host)


def network_of(address: str) -> str:
    """Return the key of a client: its IPv4 address, or the /64 of its IPv6 address."""
    host = host_of(address)
    return str(ipaddress.ip_network(f"{host}/{NETWORK_BITS}", strict=False)) if ":" in host else host
