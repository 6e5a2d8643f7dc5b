"""A Kafka in docker with the listeners of MSK and some broken ones, its own CA, users and ACLs."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.support.stack import COMPOSE

IMAGE = re.findall(
    r"^ARG KAFKA_IMAGE=(.+)$", (COMPOSE / "kafka" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
)[0]
HOST = "kafka"
PORTS = {
    "CONTROLLER": 9093,
    "PLAINTEXT": 9092,
    "MTLS": 9094,
    "SCRAM512": 9096,
    "SCRAM256": 9097,
    "IAM": 9098,
    "OTHERNAME": 9193,
    "TLS": 9194,
    "EXPIRED": 9195,
}
"""The listeners: MSK's ports where MSK has such a listener."""
NOBODY = 9999
"""A port at which nothing listens."""
PASSWORD = "p\"w$d #\\ '1"  # noqa: S105  it opens nothing
"""With all that a file could take for something else."""
TOPIC, GROUP = "orders", "billing"
WRITTEN, READ = 10, 4
"""Messages in the topic's one partition, and how many of them the group has read."""
SERVER = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:9093
controller.listener.names=CONTROLLER
inter.broker.listener.name=MTLS
log.dirs=/tmp/kafka
auto.create.topics.enable=false
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:kafka
ssl.principal.mapping.rules=RULE:^.*CN=([a-z-]+).*$/$1/,DEFAULT
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.location=/auth/kafka.pem
ssl.truststore.location=/auth/ca.pem
ssl.client.auth=required
listener.name.tls.ssl.client.auth=none
listener.name.scram512.ssl.client.auth=none
listener.name.scram256.ssl.client.auth=none
listener.name.iam.ssl.client.auth=none
listener.name.expired.ssl.client.auth=none
listener.name.othername.ssl.client.auth=none
listener.name.expired.ssl.keystore.location=/auth/expired.pem
listener.name.othername.ssl.keystore.location=/auth/othername.pem
listener.name.scram512.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram256.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.scram512.scram-sha-512.sasl.jaas.config={scram}
listener.name.scram256.scram-sha-256.sasl.jaas.config={scram}
listener.name.iam.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.iam.oauthbearer.sasl.jaas.config={oauth}
"""
ADMIN = """
security.protocol=SSL
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.location=/auth/kafka.pem
ssl.truststore.location=/auth/ca.pem
"""
LOGIN = "org.apache.kafka.common.security"
OAUTH = f'{LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="nobody";'
START = """
set -eu
export LOG_DIR=/tmp/logs PATH=$PATH:/opt/kafka/bin KAFKA_HEAP_OPTS="-Xms256m -Xmx512m"
kafka-storage.sh format --cluster-id YnVycm93LWF1dGgtZTJl --config /auth/server.properties {scram}
exec kafka-server-start.sh /auth/server.properties
"""
ACLS = {
    "topics": "--operation Describe --topic '*'",
    "offsets": "--operation Read --topic __consumer_offsets",
    "groups": "--operation Describe --group '*'",
}
"""The smallest with which Burrow works, as kafka-acls.sh wants them."""
USERS = ("burrow", "cluster", "nothing", *(f"no-{name}" for name in ACLS))
"""One with all of them, one with ``Describe`` on the cluster in place of the groups, one without any, and one for each
that is missing."""


def holders(name: str) -> list[str]:
    """Return the principals that have an ACL."""
    if name == "cluster":
        return ["cluster"]
    without = {"nothing", f"no-{name}"} | ({"cluster"} if name == "groups" else set())
    return sorted({"ANONYMOUS", *USERS} - without)


def write_certificates(folder: Path) -> None:
    """Write the authorities, the broker's certificates and the clients', as PEM."""
    own, other = trustme.CA(organization_name="own"), trustme.CA(organization_name="other")
    for name, authority in {"ca": own, "other-ca": other}.items():
        (folder / f"{name}.pem").write_bytes(authority.cert_pem.bytes())
    leaves = {
        "kafka": issue(own, "kafka", HOST),
        "othername": issue(own, "kafka", "b-1.orders.example"),
        "expired": issue(own, "kafka", HOST, days=-2),
        "burrow": issue(own, "burrow", "client.example"),
        "burrow-expired": issue(own, "burrow", "client.example", days=-2),
        "burrow-other": issue(other, "burrow", "client.example"),
    }
    for name, leaf in leaves.items():
        chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # what Kafka reads
        for ending, content in {"crt": chain, "key": pem, "pem": pem + chain}.items():
            (folder / f"{name}.{ending}").write_bytes(content)


def issue(authority: trustme.CA, user: str, host: str, days: int = 9) -> trustme.LeafCert:
    """Return a certificate of a user for a host, good for so many days from now."""
    now = datetime.now(UTC)
    return authority.issue_cert(
        host, common_name=user, not_before=now - timedelta(days=9), not_after=now + timedelta(days=days)
    )


def write_configuration(folder: Path) -> None:
    """Write the broker's configuration, that of its tools, and the script that starts it."""
    protocols = {name: "SASL_SSL" if name.startswith(("SCRAM", "IAM")) else "SSL" for name in PORTS}
    protocols["PLAINTEXT"] = "PLAINTEXT"
    clients = {name: port for name, port in PORTS.items() if name != "CONTROLLER"}
    lines = [
        SERVER.format(host=HOST, scram=f"{LOGIN}.scram.ScramLoginModule required;", oauth=OAUTH),
        "listeners=" + ",".join(f"{name}://:{port}" for name, port in PORTS.items()),
        "advertised.listeners=" + ",".join(f"{name}://{HOST}:{port}" for name, port in clients.items()),
        "listener.security.protocol.map=" + ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
    ]
    scram = " ".join(f"--add-scram {quote(each)}" for user in USERS for each in credentials(user))
    files = {
        "server.properties": "\n".join(lines),
        "admin.properties": ADMIN,
        "start.sh": START.format(scram=scram),
        "populate.sh": "\n".join(population()),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def open_up(folder: Path) -> None:
    """Let everyone read what is in a folder: the users in containers are others."""
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)


def credentials(user: str) -> list[str]:
    """Return a user's password for both mechanisms, as kafka-storage.sh wants it."""
    return [f"SCRAM-SHA-{bits}=[name={user},password={PASSWORD}]" for bits in (256, 512)]


def population() -> Iterator[str]:
    """Yield the lines of a script that makes the topic, its messages, the group that has read some, and the ACLs."""
    yield from ("set -eu", "export PATH=$PATH:/opt/kafka/bin KAFKA_HEAP_OPTS=-Xmx128m")
    tools = f"--bootstrap-server {HOST}:{PORTS['MTLS']} --command-config /auth/admin.properties"
    yield f"kafka-topics.sh {tools} --create --topic {TOPIC} --partitions 1"
    clients = f"--bootstrap-server {HOST}:{PORTS['MTLS']} --topic {TOPIC}"
    yield f"seq {WRITTEN} | kafka-console-producer.sh {clients} --producer.config /auth/admin.properties"
    reads = f"--group {GROUP} --from-beginning --max-messages {READ}"
    yield f"kafka-console-consumer.sh {clients} --consumer.config /auth/admin.properties {reads}"
    for name, acl in {**ACLS, "cluster": "--operation Describe --cluster"}.items():
        principals = " ".join(f"--allow-principal User:{user}" for user in holders(name))
        yield f"kafka-acls.sh {tools} --add {principals} {acl}"


def docker(*arguments: str, check: bool = True) -> str:
    """Run docker and return what it says on both outputs; ``CalledProcessError`` if it fails."""
    command = ("docker", *arguments)
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


@contextmanager
def kafka(folder: Path, name: str) -> Iterator[None]:
    """Run a Kafka in a network ``name``, with all that it needs in ``folder``, until the end of the block."""
    write_certificates(folder)
    write_configuration(folder)
    open_up(folder)
    docker("network", "create", name)
    try:
        where = ("--network", name, "--hostname", HOST, "--network-alias", HOST, "--volume", f"{folder}:/auth:ro")
        docker("run", "--detach", "--name", f"{name}-kafka", "--memory", "1g", *where, IMAGE, "bash", "/auth/start.sh")
        wait_for_kafka(f"{name}-kafka")
        docker("exec", f"{name}-kafka", "bash", "/auth/populate.sh")
        yield
    finally:
        docker("rm", "--force", "--volumes", f"{name}-kafka", check=False)
        docker("network", "rm", name, check=False)


def wait_for_kafka(container: str, seconds: float = 240) -> None:
    """Return once the broker has started."""
    end = time.monotonic() + seconds
    while "Kafka Server started" not in (log := docker("logs", container)):
        if time.monotonic() > end or "running" not in docker("inspect", "--format", "{{.State.Status}}", container):
            message = f"Kafka did not start: {log[-2000:]}"
            raise AssertionError(message)
        time.sleep(1)
