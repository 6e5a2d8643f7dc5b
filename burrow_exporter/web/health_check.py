"""The health check for containers: whether the exporter on this machine is healthy."""

from __future__ import annotations

import http.client
import ssl

from burrow_exporter.burrow.failures import error_text
from burrow_exporter.settings.validation import LARGEST_PORT
from burrow_exporter.web.listener import LISTEN_ADDRESS

TIMEOUT = 5
HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def ask_healthy(listen_address: str, *, may_be_tls: bool = False) -> str:
    """Query ``/-/healthy`` of the exporter on ``listen_address``; return the error, or an empty string.

    Set ``may_be_tls`` if there is a web config file. The file is not read, because the exporter stays healthy with the
    previous one if a change is invalid. Raises ``ValueError`` for an invalid listen address.
    """
    match = LISTEN_ADDRESS.fullmatch(listen_address)
    if match is None or not 0 < int(match["port"]) <= LARGEST_PORT:
        message = f"{listen_address!r} is not a listen address such as ':9254'"
        raise ValueError(message)
    host = match["ipv6"] or match["host"]
    host, port = HERE.get(host, host), int(match["port"])
    plain = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    if not may_be_tls:
        return ask(plain)[1]
    answered, complaint = ask(http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=any_server()))
    if answered or not complaint.startswith(NOT_TLS):
        return complaint
    answered, complaint_without_tls = ask(plain)
    return complaint_without_tls if answered else complaint


NOT_TLS = "TLS: "


def ask(connection: http.client.HTTPConnection) -> tuple[bool, str]:
    """Send the request; return whether there was a response, and the error if any."""
    try:
        connection.request("GET", "/-/healthy")
        response = connection.getresponse()
        text = response.read(200).decode(errors="replace").strip()
    except ssl.SSLError as error:
        return False, f"{NOT_TLS}{error_text(error)}"
    except (OSError, http.client.HTTPException) as error:
        return False, error_text(error)
    finally:
        connection.close()
    return True, "" if response.status == http.client.OK else f"{response.status} {text}"


def any_server() -> ssl.SSLContext:
    """Return a context that accepts any certificate; no secrets are sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
