"""Where a client comes from: this machine or another, and which network."""

from __future__ import annotations

import ipaddress

from burrow_exporter.web.messages import Peer

NETWORK_BITS = 64
"""What one host on IPv6 has at its disposal, as a rule: a whole /64."""


def is_local(peer: Peer) -> bool:
    """Tell whether a client is on this machine: at a loopback address, or at the very one that it connected to."""
    host = host_of(peer.client)
    return bool(host) and (host == host_of(peer.server) or ipaddress.ip_address(host).is_loopback)


def host_of(address: str) -> str:
    """Return an IP address without its zone, that of IPv4 where it is mapped to IPv6; an empty one as it is."""
    if not address:
        return ""
    host = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(host, "ipv4_mapped", None) or host)


def network_of(address: str) -> str:
    """Return what one client is known by: its IPv4 address, or the /64 of its IPv6 address."""
    host = host_of(address)
    return str(ipaddress.ip_network(f"{host}/{NETWORK_BITS}", strict=False)) if ":" in host else host
