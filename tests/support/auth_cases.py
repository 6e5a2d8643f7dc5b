"""Right and wrong ways to connect to a Kafka, and the resulting messages; `docs/msk.md` quotes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.auth_broker import NOBODY, PASSWORD, PORTS

NO_BROKER = "kafka: client has run out of available brokers to talk to"
HUNG_UP = ("EOF", "write: broken pipe")
"""How it sounds when a broker closes the connection; which it is depends on who was faster."""
NOT_ALLOWED = "kafka server: The client is not authorized to access this topic"
SEEN = "published: 1 ERR"
"""Of the one group, which has stopped with messages left to read."""
NO_COMMIT = "Burrow has read no commits"
NO_TOPIC = "Burrow sees no topic except __consumer_offsets"
NO_GROUP = "no group except Burrow's own"
BY_HAND = ("i/o timeout", "Burrow is still connecting to Kafka")
"""Seen with a firewall that drops packets, which not every machine can be asked for."""
FORGETS_AFTER = 45
"""Seconds after which Burrow has certainly looked for deleted groups (``groups-reaper-refresh``)."""


@dataclass(frozen=True)
class Case:
    """One `.env`, and what comes of it.

    ``says`` are messages of which Burrow logs one at the level that is rendered; none where it stays silent. It then
    ends, or goes on and ``check`` is what `burrow-exporter check` says of it, ``after`` so many seconds. ``without``
    is left out of what is rendered, a line each, and ``more`` goes into Burrow's environment.
    """

    name: str
    settings: dict[str, str]
    says: tuple[str, ...] = ()
    check: str = ""
    after: int = 0
    without: tuple[str, ...] = ()
    more: dict[str, str] = field(default_factory=dict)

    @property
    def ends(self) -> bool:
        """Whether Burrow ends by itself."""
        return not self.check


def broker(listener: str, **settings: str) -> dict[str, str]:
    """Return the settings for one listener; those that are empty are left out."""
    given = {"CLUSTER": "orders", "BROKERS": f"kafka:{PORTS[listener]}", "KAFKA_CA_FILE": "ca.pem", **settings}
    return {name: value for name, value in given.items() if value}


def scram(listener: str = "SCRAM512", user: str = "burrow", **settings: str) -> dict[str, str]:
    """Return the settings for a listener with SCRAM."""
    return broker(listener, **{"KAFKA_USERNAME": user, "KAFKA_PASSWORD": PASSWORD, **settings})


def mutual(name: str, **settings: str) -> dict[str, str]:
    """Return the settings with a client certificate."""
    return broker("MTLS", KAFKA_CERT_FILE=f"{name}.crt", KAFKA_KEY_FILE=f"{name}.key", **settings)


IAM = broker("IAM", AWS_REGION="eu-central-1")
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/burrow"}
NO_ROLE = {"AWS_EC2_METADATA_DISABLED": "true"}
DEBUG = {"BURROW_LOGGING_LEVEL": "debug"}
WRONG_KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wrong"}
PLAINTEXT = broker("PLAINTEXT", KAFKA_CA_FILE="", KAFKA_AUTH="plaintext")
SHA_256 = {"KAFKA_AUTH": "scram-sha-256"}
UNKNOWN = ("x509: certificate signed by unknown authority",)
REFUSED = ("Authentication failed during authentication due to invalid credentials",)
NO_SUCH_MECHANISM = ("The broker does not support the requested SASL mechanism",)
NO_SASL = ("Request is not valid given the current SASL state",)
NO_CERTIFICATE = ("remote error: tls: certificate required", *HUNG_UP)
BAD_CERTIFICATE = ("remote error: tls: unknown certificate", "remote error: tls: certificate required", *HUNG_UP)

RIGHT = (
    Case("SCRAM-SHA-512", scram(), check=SEEN),
    Case("SCRAM-SHA-256", scram("SCRAM256", **SHA_256), check=SEEN),
    Case("mutual TLS", mutual("burrow"), check=SEEN),
    Case("TLS", broker("TLS"), check=SEEN),
    Case("plaintext", PLAINTEXT, check=SEEN),
    Case("unverified", scram(KAFKA_CA_FILE="other-ca.pem", KAFKA_TLS_SKIP_VERIFY="true"), check=SEEN),
    Case("all ACLs, deleted groups looked for", scram(), check=SEEN, after=FORGETS_AFTER),
    Case("Describe on the cluster, not on groups", scram(user="cluster"), check=SEEN, after=FORGETS_AFTER),
)
WRONG = (
    Case("another authority", scram(KAFKA_CA_FILE="other-ca.pem"), UNKNOWN),
    Case("no authority", scram(KAFKA_CA_FILE=""), UNKNOWN),
    Case("another host's certificate", broker("OTHERNAME", KAFKA_AUTH="tls"), ("x509: certificate is valid for",)),
    Case("expired certificate", broker("EXPIRED", KAFKA_AUTH="tls"), ("x509: certificate has expired",)),
    Case("wrong password", scram(KAFKA_PASSWORD="wrong"), REFUSED),
    Case("unknown user", scram(user="somebody"), REFUSED),
    Case("SHA-256 where there is 512", scram(**SHA_256), (f'{NO_BROKER}"',)),
    Case("SHA-256 where there is 512, at debug", scram(**SHA_256), NO_SUCH_MECHANISM, more=DEBUG),
    Case("SHA-512 where there is 256", scram("SCRAM256", KAFKA_AUTH="scram-sha-512"), (f'{NO_BROKER}"',)),
    Case("SCRAM where there is none", scram("TLS", KAFKA_AUTH="scram-sha-512"), (f'{NO_BROKER}"',)),
    Case("SCRAM where there is none, at debug", scram("TLS", KAFKA_AUTH="scram-sha-512"), NO_SASL, more=DEBUG),
    Case("SCRAM where there is no TLS", scram("PLAINTEXT", KAFKA_AUTH="scram-sha-512"), HUNG_UP),
    Case("plaintext to SCRAM's port", PLAINTEXT | {"BROKERS": "kafka:9096"}, HUNG_UP),
    Case("plaintext to TLS's port", PLAINTEXT | {"BROKERS": "kafka:9194"}, HUNG_UP),
    Case("TLS to SCRAM's port", broker("SCRAM512", KAFKA_AUTH="tls"), HUNG_UP),
    Case("TLS to plaintext's port", broker("PLAINTEXT", KAFKA_AUTH="tls"), HUNG_UP),
    Case("no client certificate", broker("MTLS"), NO_CERTIFICATE),
    Case("client certificate of another authority", mutual("burrow-other"), BAD_CERTIFICATE),
    Case("expired client certificate", mutual("burrow-expired"), BAD_CERTIFICATE),
    Case("no such port", PLAINTEXT | {"BROKERS": f"kafka:{NOBODY}"}, ("connection refused",)),
    Case("no such host", PLAINTEXT | {"BROKERS": "kafka-2:9092"}, ("no such host",)),
    Case("trap: no handshake-first", scram(), HUNG_UP, without=("handshake-first",)),
    Case("trap: certfile without cafile", mutual("burrow"), UNKNOWN, without=("cafile",)),
    Case(
        "trap: certfile without cafile, unverified",
        mutual("burrow", KAFKA_TLS_SKIP_VERIFY="true"),
        NO_CERTIFICATE,
        without=("cafile",),
    ),
    Case("IAM without credentials", IAM, ("no EC2 IMDS role found",), more=NO_ROLE),
    Case("IAM with a role, without credentials", IAM | ROLE, ("unable to assume role",), more=NO_ROLE),
    Case("IAM with credentials that are refused", IAM, REFUSED, more=WRONG_KEY),
    Case("no ACL at all", scram(user="nothing"), (NOT_ALLOWED,)),
    Case("no Describe on topics", scram(user="no-topics"), check=NO_TOPIC),
    Case("no Read on __consumer_offsets", scram(user="no-offsets"), (NOT_ALLOWED,), NO_COMMIT),
    Case("no Describe on groups", scram(user="no-groups"), check=NO_GROUP, after=FORGETS_AFTER),
)
