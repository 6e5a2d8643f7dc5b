"""Render ``generated`` from ``templates``, ``rules``, the dashboards and the settings: ``python -m compose.renderer``.

Generated secrets (a password, a key) are kept. Unchanged files are not written, so they keep the owner set by
``init.sh``; files that are no longer needed are removed.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from compose.renderer import env_file, runbook
from compose.renderer.hosts import TLS_NAME
from compose.renderer.settings import Settings, SettingsError, read_settings

HERE = Path(__file__).parents[1]
OWN_RULES = HERE / "rules.d"
"""Custom rules, loaded in addition to the stack's."""
BUCKET = HERE / "bucket.yaml"
"""Configuration of a custom object store, if any."""


def quoted(text: str) -> str:
    """Return a double-quoted string valid in TOML and YAML, with nothing that could be expanded.

    Other characters are escaped by number: line breaks, and ``$``, because Thanos expands ``$(NAME)`` before parsing
    YAML.
    """
    return f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter == "$" or not letter.isprintable():
        return f"\\u{ord(letter):04X}" if ord(letter) < 1 << 16 else f"\\U{ord(letter):08X}"
    return letter


TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  no HTML: templates quote for their own formats
    keep_trailing_newline=True,
)
TEMPLATES.filters["quoted"] = quoted


def render(settings: Settings, target: Path, bucket: Path = BUCKET) -> None:
    """Render everything for ``settings`` into ``target``; ``bucket`` may describe an object store.

    Raises SettingsError if the settings do so too, or if it is a dangling link.
    """
    if bucket.is_symlink() and not bucket.exists():
        raise SettingsError([f"compose/{bucket.name}: {env_file.LOST_LINK}"])
    own_bucket = bucket.read_text(encoding="utf-8") if bucket.exists() else ""
    if own_bucket and settings.s3_bucket:
        raise SettingsError(["S3_BUCKET: cannot be used with compose/bucket.yaml; keep one of the two"])
    if settings.hosts.several and not (own_bucket or settings.s3_bucket):
        raise SettingsError(["S3_BUCKET: missing; several hosts need one shared bucket"])
    if settings.profile == "sidecar" and not (own_bucket or settings.s3_bucket):
        raise SettingsError(["S3_BUCKET: missing; with PROFILE=sidecar set it to the bucket of your Thanos"])
    files = {f"secrets/{name}": text for name, text in secret_files(settings, target / "secrets", own_bucket)}
    files |= dict(public_files(settings))
    variables = {"profiles": profiles(settings, own_bucket), "digests": digests(files)}
    files["compose.env"] = fill("compose.env", settings, **variables)
    for path in target.rglob("*"):
        if path.is_file() and str(path.relative_to(target)) not in files:
            path.unlink()
    for name, text in files.items():
        write(target / name, text, 0o600 if name.startswith("secrets/") else 0o644)


def public_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield name and content of world-readable files."""
    for name in filled(settings):
        yield name, fill(name, settings)
    for replica in settings.replicas:
        yield f"prometheus/prometheus-{replica}.yml", fill("prometheus/prometheus.yml", settings, replica=replica)
    for name in settings.rules:
        yield f"prometheus/rules/{name}.yaml", rules(name, settings)
    for path in sorted(OWN_RULES.glob("*.y*ml")) if settings.hosts.collects else ():
        yield f"prometheus/rules/own-{path.stem}.yaml", path.read_text(encoding="utf-8")
    if settings.hosts.answers:
        yield "alertmanager/messages.tmpl", (HERE / "messages" / "burrow.tmpl").read_text(encoding="utf-8")
    yield "exporter/policy.yaml", policy(settings)
    if settings.hosts.answers:
        yield "grafana/dashboards/burrow-runbook.json", runbook.dashboard()
    for path in dashboards(settings):
        yield f"grafana/dashboards/{path.name}", path.read_text(encoding="utf-8")


def filled(settings: Settings) -> Iterator[str]:
    """Yield the names of templates rendered once, under their own name."""
    yield from (f"prometheus/targets/{job}.yaml" for job in settings.jobs)
    yield "prometheus/alertmanagers.yaml"
    if not settings.hosts.answers:
        return
    yield from ("alertmanager/alertmanager.yml", "amtool/config.yml")
    yield from ("grafana/datasources/prometheus.yaml", "grafana/dashboards/burrow.yaml")
    if settings.cloudwatch == "true":
        yield "grafana/datasources/cloudwatch.yaml"
    if settings.full:
        yield from ("thanos/endpoints.yaml", "thanos/cache.yaml")
    if settings.hosts.several:
        yield from ("alertmanager/web.yml", "amtool/http.yml")


def dashboards(settings: Settings) -> Iterator[Path]:
    """Yield the dashboard files for Grafana."""
    folder = HERE.parent / "grafana" / "dashboards"
    if settings.hosts.answers:
        yield from sorted(folder.glob("*.json"))
        yield from sorted(folder.glob("cloudwatch/*.json")) if settings.cloudwatch == "true" else ()


def secret_files(settings: Settings, folder: Path, own_bucket: str) -> Iterator[tuple[str, str]]:
    """Yield name and content of secrets readable by one service's user; all of them, used or not, for init.sh."""
    key = kept(folder / "object-store-key")
    yield "object-store-key", key
    yield "object-store.env", fill("secrets/object-store.env", settings, object_store_key=key)
    yield "bucket.yaml", own_bucket or fill("secrets/bucket.yaml", settings, object_store_key=key)
    yield "burrow/burrow.toml", fill("secrets/burrow/burrow.toml", settings) if settings.hosts.collects else ""
    yield from pem_files(settings)
    yield "grafana-admin-password", settings.grafana_admin_password or kept(folder / "grafana-admin-password")
    yield "slack-webhook-url", settings.slack_webhook_url
    yield "smtp-password", settings.smtp_password
    yield "webhook-url", settings.webhook_url
    yield "teams-webhook-url", settings.teams_webhook_url
    yield "pagerduty-routing-key", settings.pagerduty_routing_key


def pem_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield name and content of PEM files: Burrow's, next to burrow.toml, and those of this host."""
    yield "grpc/ca.pem", settings.hosts.authorities
    yield "grpc/cert.pem", settings.hosts.certificate
    yield "grpc/key.pem", settings.hosts.key
    for cluster in settings.clusters if settings.hosts.collects else ():
        access = cluster.access
        for name, text in (("ca", access.authorities), ("cert", access.certificate), ("key", access.key)):
            if text:
                yield f"burrow/{cluster.name}-{name}.pem", text


def policy(settings: Settings) -> str:
    """Return the policy file, relative to the checkout; an empty policy if unset."""
    if not settings.policy_file:
        return "groups: []\n"
    path = HERE.parent / settings.policy_file
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingsError([f"POLICY_FILE: {settings.policy_file} cannot be read: {reason.lower()}"]) from None


def profiles(settings: Settings, own_bucket: str) -> list[str]:
    """Return the compose profiles to run."""
    if settings.hosts.several:
        return [settings.hosts.role]
    store = ["object-store"] if settings.full and not own_bucket and not settings.s3_bucket else []
    return [settings.profile, *store, *(["demo"] if settings.demo else [])]


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """Return a digest for each folder, and for each secret, keyed because container labels are not secret.

    Compose does not check file content: a changed digest makes it recreate the container that reads the file.
    """
    found = {}
    for unit in sorted({"/".join(name.split("/")[: 1 + name.startswith("secrets/")]) for name in files}):
        digest = blake2b(digest_size=8, key=files["secrets/object-store-key"].encode())
        for name in sorted(files):
            if name == unit or name.startswith(f"{unit}/"):
                digest.update(f"{name}\0{files[name]}\0".encode())
        found[unit] = digest.hexdigest()
    return found


def fill(name: str, settings: Settings, **more: object) -> str:
    """Render a template with the settings, ``settings`` itself, and ``more``."""
    values: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(settings)}
    values |= {"settings": settings, "tls_name": TLS_NAME, **more}
    return TEMPLATES.get_template(name).render(values).lstrip("\n")


def rules(name: str, settings: Settings) -> str:
    """Return a rules file with links replaced, and each ``for`` if ALERT_FOR is set."""
    text = (HERE / "rules" / f"{name}.yaml").read_text(encoding="utf-8")
    grafana = settings.grafana_url.rstrip("/")  # the rules contain the default followed by a slash
    text = runbook.linked(text.replace(Settings.grafana_url, grafana), settings.runbook_url, grafana)
    return re.sub(r"(?m)^(\s+for:) .*$", rf"\g<1> {settings.alert_for}", text) if settings.alert_for else text


def kept(path: Path) -> str:
    """Return the content of the file, or a random secret if it does not exist."""
    return path.read_text(encoding="utf-8") if path.exists() else secrets.token_hex(16)


def write(path: Path, text: str, mode: int) -> None:
    """Write a file atomically unless unchanged; folders are readable, whatever the umask."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    for folder in reversed([each for each in path.parents if not each.exists()]):
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)


def main() -> int:
    """Render ``compose/generated`` from ``.env``; return the exit code."""
    try:
        settings = read_settings(HERE.parent / ".env")
        tell(settings.warnings)
        render(settings, HERE / "generated")
    except SettingsError as error:
        tell(error.warnings)
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def tell(warnings: tuple[str, ...]) -> None:
    """Print warnings, which do not prevent rendering."""
    sys.stderr.writelines(f"warning: {each}\n" for each in warnings)
