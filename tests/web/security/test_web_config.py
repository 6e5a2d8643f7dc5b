"""The web config file: every key, every error, and no secret in any message."""

from __future__ import annotations

import pytest

from burrow_exporter.web.security.web_config import CIPHER_SUITES, TLS13_SUITES, parse
from tests.support.secured import bcrypt_hash

PAIR = "cert_file: a, key_file: b"
HASH = "$2y$10$" + "abcdefghijklmnopqrstu." + "a" * 31
CA = f"{PAIR}, client_ca_file: c"
POLICIES = (
    "(client certificates must be verified); must be one of NoClientCert, VerifyClientCertIfGiven, "
    "RequireAndVerifyClientCert"
)
ALL = f"""
tls_server_config:
  cert_file: /etc/cert.pem
  key: inline
  client_ca: inline
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [{", ".join((*CIPHER_SUITES, *TLS13_SUITES))}]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    Strict-Transport-Security: max-age=31536000
    X-Content-Type-Options: nosniff
    X-Frame-Options: deny
    X-XSS-Protection:
basic_auth_users:
  no: {HASH}
  007: {HASH}
rate_limit:
  interval: 1m0.5s
  burst: 20
"""


def refusal(text: str) -> str:
    """Return the error for an invalid file."""
    with pytest.raises(ValueError, match=r"^\w+") as refused:
        parse(text.encode())
    return str(refused.value)


def test_every_key() -> None:
    """Every key of the toolkit is taken, names of users as they are written, and blank headers are not set."""
    file = parse(ALL.encode())
    tls = file.tls_server_config

    assert tls is not None
    assert ("/etc/cert.pem", "", "", "inline", "", "inline") == (
        *(tls.cert_file, tls.key_file, tls.client_ca_file),
        *(tls.key, tls.cert, tls.client_ca),
    )
    assert (("prometheus", "10.0.0.1"), "TLS12", "TLS13") == (tls.client_allowed_sans, tls.min_version, tls.max_version)
    assert (13, False, ("CurveP384",)) == (
        len(tls.cipher_suites),
        tls.prefer_server_cipher_suites,
        tls.curve_preferences,
    )
    assert {"no": HASH, "007": HASH} == file.basic_auth_users
    assert (60.5, 20) == (file.rate_limit.seconds, file.rate_limit.burst)
    assert [
        "content-security-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
    ] == list(file.headers)


@pytest.mark.parametrize("text", ["", "# nothing\n", "tls_server_config:\n", "tls_server_config: {}\nrate_limit: {}\n"])
def test_nothing(text: str) -> None:
    """An empty file, or empty sections, ask for nothing."""
    file = parse(text.encode())

    assert (None, {}, {}, 0.0) == (file.tls_server_config, file.basic_auth_users, file.headers, file.rate_limit.seconds)


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
def test_hashes(prefix: str) -> None:
    """The hashes of htpasswd and of every bcrypt are taken."""
    digest = bcrypt_hash("x").replace("2b", prefix)

    assert {"a": digest} == parse(f"basic_auth_users: {{a: {digest}}}".encode()).basic_auth_users


@pytest.mark.parametrize(
    ("expected", "tls"),
    [
        ("tls_server_config: cert_file (or cert) is missing", "min_version: TLS13"),
        ("tls_server_config: cert_file (or cert) is missing", "key_file: b"),
        ("tls_server_config: key_file (or key) is missing", "cert: a, key_file: ''"),
        ("tls_server_config.cert: cannot be used with cert_file", f"{PAIR}, cert: x"),
        ("tls_server_config.key: cannot be used with key_file", f"{PAIR}, key: x"),
        ("tls_server_config.client_ca: cannot be used with client_ca_file", f"{CA}, client_ca: x"),
        ("tls_server_config.certfile: unknown key; allowed keys: cert, key, client_ca, cert_file,", "certfile: a"),
        ("tls_server_config: must be a mapping, not a list", "a"),
        ("tls_server_config.cert_file: must be a string, not a list", "cert_file: [a]"),
        (
            "tls_server_config.prefer_server_cipher_suites: must be a boolean, not an integer",
            "prefer_server_cipher_suites: 7",
        ),
        *(
            (
                f"tls_server_config.client_auth_type: '{policy}' is not supported {POLICIES}",
                f"{CA}, client_auth_type: {policy}",
            )
            for policy in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert", "nonsense")
        ),
        (
            "tls_server_config.client_auth_type: must be VerifyClientCertIfGiven or RequireAndVerify",
            CA,
        ),
        (
            "tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file (or client_ca)",
            f"{PAIR}, client_auth_type: RequireAndVerifyClientCert",
        ),
        (
            "tls_server_config.client_allowed_sans: needs VerifyClientCertIfGiven or",
            f"{PAIR}, client_allowed_sans: [a]",
        ),
        (
            "tls_server_config.client_allowed_sans: must contain at least one name",
            f"{CA}, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []",
        ),
        (
            "tls_server_config.min_version: 'TLS10' is not supported (OpenSSL rejects older versions)",
            f"{PAIR}, min_version: TLS10",
        ),
        ("tls_server_config.max_version: 'TLS11' is not supported", f"{PAIR}, max_version: TLS11"),
        (
            "tls_server_config.min_version: must not be above max_version",
            f"{PAIR}, min_version: TLS13, max_version: TLS12",
        ),
        (
            "tls_server_config.cipher_suites: 'TLS_RSA_WITH_RC4_128_SHA' is not supported; must be one of TLS_ECDHE_",
            f"{PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
        ),
        (
            "tls_server_config.cipher_suites: must include a TLS 1.2 cipher suite if max_version is TLS12",
            f"{PAIR}, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]",
        ),
        (
            "tls_server_config.curve_preferences: 'P-256' is not supported; must be one of CurveP256, CurveP384",
            f"{PAIR}, curve_preferences: [P-256]",
        ),
        (
            "tls_server_config.curve_preferences: must name at most one curve (a limit of Python's ssl module)",
            f"{PAIR}, curve_preferences: [X25519, CurveP256]",
        ),
    ],
)
def test_refused_tls(expected: str, tls: str) -> None:
    """What TLS here cannot keep is refused by name, with what is allowed."""
    brackets = "[{}]" if tls == "a" else "{{{}}}"

    assert refusal(f"tls_server_config: {brackets.format(tls)}").startswith(expected)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            "tls_config: unknown key; allowed keys: tls_server_config, http_server_config, basic_auth_users,",
            "a",
        ),
        ("http_server_config.http2: HTTP/2 is not supported", "http_server_config: {http2: true}"),
        ("http_server_config.http3: unknown key; allowed keys: http2, headers", "http_server_config: {http3: true}"),
        (
            "http_server_config.headers.Server: cannot be set; allowed headers: Content-Security-Policy,",
            "http_server_config: {headers: {Server: x}}",
        ),
        (
            "http_server_config.headers.x-frame-options: cannot be set; allowed headers:",
            "http_server_config: {headers: {x-frame-options: deny}}",
        ),
        (
            "http_server_config.headers.X-Frame-Options: 'allow' is not supported; must be one of deny, sameorigin",
            "http_server_config: {headers: {X-Frame-Options: allow}}",
        ),
        (
            "http_server_config.headers.X-Content-Type-Options: 'sniff' is not supported; must be one of nosniff",
            "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        ),
        (
            "http_server_config.headers.X-XSS-Protection: must be one line of printable ASCII",
            'http_server_config: {headers: {X-XSS-Protection: "0\\r\\nSet-Cookie: a"}}',
        ),
        ("basic_auth_users: user 1: the name must be printable", f"basic_auth_users: {{'a:b': {HASH}}}"),
        ("basic_auth_users: user 2: the name must be printable", f"basic_auth_users: {{a: {HASH}, '': {HASH}}}"),
        ("basic_auth_users[...]: must be a string, not null", "basic_auth_users: {alice:}"),
        ("rate_limit.interval: is not a duration such as 1s or 100ms", "rate_limit: {interval: 1}"),
        ("rate_limit.interval: is not a duration such as 1s or 100ms", "rate_limit: {interval: -1s, burst: 1}"),
        ("rate_limit.interval: is not a duration such as 1s or 100ms", "rate_limit: {interval: 1s x, burst: 1}"),
        ("rate_limit.burst: must be at least 1 if interval is set", "rate_limit: {interval: 1s}"),
        ("rate_limit.burst: must be at least 1 if interval is set", "rate_limit: {burst: -1}"),
        ("rate_limit.burst: must be an integer, not a string", "rate_limit: {burst: many}"),
        ("rate_limit.rate: unknown key; allowed keys: interval, burst", "rate_limit: {rate: 1}"),
        ("the document: must be a mapping, not a list", "[]"),
        (
            "is not valid YAML: found a duplicate key in line 3, column 3",
            f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}",
        ),
        ("is not valid YAML: found unhashable key in line 1, column 2", "{[a]: b}"),
    ],
)
def test_refused(expected: str, text: str) -> None:
    """What cannot be kept is refused by name, with what is allowed."""
    assert refusal("tls_config: {}\n" if text == "a" else text).startswith(expected)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0"), (0, "0s"), (1, "1s"), (0.1, "100ms"), (90, "1m30s"), (5400, "1.5h"), (1e-6, "1us")]
)
def test_intervals(seconds: float, text: str) -> None:
    """Durations are written as in Go."""
    assert pytest.approx(seconds) == parse(f"rate_limit: {{interval: {text}, burst: 1}}".encode()).rate_limit.seconds


@pytest.mark.parametrize(
    "text",
    [
        "basic_auth_users: {a: secret}",
        "basic_auth_users: {a: [secret]}",
        "basic_auth_users: {a: *secret}",
        "basic_auth_users: {a: !secret secret}",
        "basic_auth_users: {a: 'secret}",
        "basic_auth_users:\n  a: secret: secret",
        "basic_auth_users: secret",
        "tls_server_config: {cert: secret, key: secret, cert_file: secret}",
        "tls_server_config:\n  key: |\n secret",
        "secret",
        "\x00secret",
        "basic_auth_users: {secret: \udcff}",
        'basic_auth_users: {secret: "\\ud800"}',
        'tls_server_config: {cert: "secret\\ud800", key: secret}',
        'tls_server_config: {"secret\\udfff": a}',
        "tls_server_config: &secret {cert: *secret}",
        f"basic_auth_users: {{a: {HASH}secret}}",
        "[" * 3000 + "secret",
    ],
)
def test_no_secret_in_messages(text: str) -> None:
    """No message quotes what may be a key, a hash or a password; nor does what was read show it."""
    with pytest.raises(ValueError, match=r"^\w+") as refused:
        parse(text.encode(errors="surrogateescape"))

    assert "secret" not in str(refused.value).lower()
    assert refused.value.__cause__ is None


def test_no_secret_in_representations() -> None:
    """What was read shows nothing of itself."""
    file = parse(ALL.encode())

    assert ("WebFile(...)", "TLS(...)") == (repr(file), repr(file.tls_server_config))
