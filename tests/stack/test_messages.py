"""The messages that a real Alertmanager sends to each receiver: firing, grouped and resolved.

``python -m tests.stack.test_messages`` writes the golden files anew: look at the difference.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from compose.renderer.render import render
from compose.renderer.settings import Settings
from compose.renderer.teams import read_teams
from tests import ROOT
from tests.conftest import built
from tests.support.processes import lasting_port, running
from tests.support.receivers import Received, endpoints

pytestmark = pytest.mark.prometheus

GOLDEN = ROOT / "tests" / "golden" / "messages"
ODD = 'q"uo`te\\ <b> | ü✓ &amp; *x*_y_[z]'  # codespell:ignore
LONG = "x" * 200
SAYS = "At least one partition of the group is in status STOP, STALL or REWIND (group status 3)."
STARTED, ENDED = "2026-01-02T03:04:05Z", "2026-01-02T04:16:17Z"
NAMES = {"slack": "slack", "teams": "teams", "pagerduty": "pagerduty", "webhook": "webhook", "mail": "mail"}
Alert = dict[str, Any]


def alert(group: str, name: str = "ConsumerGroupError", *, ends: str = "", **labels: str) -> Alert:
    """Return an alert as Prometheus sends it, with what the rules would say."""
    severity = "critical" if name == "ConsumerGroupError" else "warning"
    return {
        "labels": {"alertname": name, "cluster": "orders", "consumer_group": group, "severity": severity, **labels},
        "annotations": {
            "summary": f"Consumer group {group} on orders is in error",
            "description": SAYS,
            "lag": "5520 messages, 12m 3s old",
            "partitions": f"{group}-in/0 STOP, {group}-in/3 STALL",
            "runbook_url": "https://wiki.example.org/burrow#consumergrouperror",
            "dashboard_url": "https://grafana.example.org/d/burrow-group?var-cluster=orders&var-consumer_group=a",
        },
        "startsAt": STARTED,
        **({"endsAt": ends} if ends else {}),
    }


@dataclass
class Manager:
    """A running Alertmanager, and what it sent."""

    address: str
    received: Received

    def send(self, *alerts: Alert) -> None:
        """Give it alerts, as Prometheus does."""
        requests.post(f"{self.address}/api/v2/alerts", json=alerts, timeout=10).raise_for_status()

    def take(self) -> dict[str, Any]:
        """Return the next message of each receiver."""
        return {name: self.received.take(name) for name in NAMES}


@contextmanager
def manager(folder: Path, external_url: str = "https://alerts.example.org", **more: Any) -> Iterator[Manager]:
    """Run the stack's Alertmanager with every receiver at a local endpoint, until the end of the block.

    An empty ``external_url`` stands for its own address.
    """
    more = {"runbook_url": "https://wiki.example.org/burrow", **more}
    with endpoints() as (received, hooks, mail):
        base = f"http://127.0.0.1:{hooks}"
        settings = Settings(
            slack_webhook_url=f"{base}/slack",
            teams_webhook_url=f"{base}/teams",
            webhook_url=f"{base}/webhook",
            pagerduty_routing_key="key",
            pagerduty_url=f"{base}/pagerduty",
            email_to="team@example.org",
            email_from="burrow@example.org",
            smtp_server=f"127.0.0.1:{mail}",
            **more,
        )
        render(settings, folder)
        path = folder / "alertmanager" / "alertmanager.yml"
        text = path.read_text(encoding="utf-8").replace("/run/secrets/", f"{folder}/secrets/")
        text = text.replace("group_wait: 30s", "group_wait: 1s").replace("group_interval: 5m", "group_interval: 1s")
        text = text.replace("global:\n", "global:\n  smtp_require_tls: false\n  smtp_hello: localhost\n")
        path.write_text(text, encoding="utf-8")
        address = f"127.0.0.1:{lasting_port()}"
        flags = (
            f"--config.file={path}",
            f"--storage.path={folder}/data",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            f"--web.external-url={external_url or f'http://{address}'}",
            "--web.route-prefix=/",
        )
        with running(*flags, command=(built("alertmanager"),), folder=folder) as run:
            run.wait_for("Listening on")
            yield Manager(f"http://{address}", received)


SCENES: dict[str, tuple[tuple[Alert, ...], ...]] = {
    "firing": ((alert("billing", team="shop"),),),
    "grouped": ((alert("billing"), alert("billing", region="eu"), alert("billing", region="us")),),
    "odd": ((alert(ODD, team="<&|>"),),),
    "long": ((alert(LONG),),),
    "resolved": ((alert("billing", team="shop"),), (alert("billing", team="shop", ends=ENDED),)),
}


def played(scene: str, folder: Path) -> dict[str, Any]:
    """Return the last message that each receiver gets in a scene, without what is new each time."""
    with manager(folder) as running_manager:
        messages: dict[str, Any] = {}
        for alerts in SCENES[scene]:
            running_manager.send(*alerts)
            messages = running_manager.take()
            while len(messages["webhook"]["alerts"]) < len(alerts):  # an old alert is told at once, others follow
                messages = running_manager.take()
        for field in ("fingerprint", "endsAt"):
            for each in messages["webhook"]["alerts"] if scene != "resolved" or field == "fingerprint" else ():
                each[field] = ""
        messages["pagerduty"]["dedup_key"] = messages["webhook"]["notification_reason"] = ""
        messages["slack"]["attachments"][0].pop("ts", None)
        return messages


@pytest.mark.parametrize("scene", SCENES)
def test_what_arrives(scene: str, tmp_path: Path) -> None:
    """Each receiver gets just this."""
    expected = json.loads((GOLDEN / f"{scene}.json").read_text(encoding="utf-8"))
    assert expected == played(scene, tmp_path)


def test_a_message_tells_what_to_do() -> None:
    """Whose group, since when, how far behind, what is not OK, and links; a resolved one says how long it lasted."""
    firing = json.loads((GOLDEN / "firing.json").read_text(encoding="utf-8"))
    (slack,) = firing["slack"]["attachments"]
    assert "[critical] billing on orders is in error" == slack["title"] == firing["mail"]["subject"]
    for text in (slack["text"], firing["mail"]["text/plain"], firing["pagerduty"]["payload"]["custom_details"]["text"]):
        for words in ("Since: 2026-01-02 03:04 UTC", "5520 messages, 12m 3s old", "billing-in/0 STOP", "Owner: shop"):
            assert words in text
    assert ["Runbook", "Dashboard", "Silence"] == [each["text"] for each in slack["actions"]]
    assert all(each["url"].startswith("https://") for each in slack["actions"])
    silence = unquote(slack["actions"][2]["url"])
    assert 'https://alerts.example.org/#/silences/new?filter={cluster="orders",consumer_group="billing"}' == silence
    resolved = json.loads((GOLDEN / "resolved.json").read_text(encoding="utf-8"))
    (slack,) = resolved["slack"]["attachments"]
    assert "[resolved] billing on orders is in error" == slack["title"]
    assert "Resolved after 1h12m12s, from 2026-01-02 03:04 to 2026-01-02 04:16 UTC" in slack["text"]


def test_odd_names_stay_what_they_are() -> None:
    """No receiver takes a name for marks of its own."""
    odd = json.loads((GOLDEN / "odd.json").read_text(encoding="utf-8"))
    (slack,) = odd["slack"]["attachments"]
    assert "<b>" not in slack["text"] + slack["title"]
    assert "&lt;b&gt;" in slack["text"]
    assert "&lt;b&gt;" in odd["mail"]["text/html"]
    assert ODD in odd["mail"]["text/plain"]
    filtered = unquote(slack["actions"][2]["url"]).partition("?filter=")[2]
    assert json.dumps(ODD, ensure_ascii=False) in filtered


def test_who_gets_what(tmp_path: Path) -> None:
    """A team's alerts go to its channel, only what is critical pages, and what is only for inhibition to nobody."""
    channels = {"TEAM_DATA_SCIENCE_SLACK_CHANNEL": "#data", "TEAM_DATA_SCIENCE_EMAIL_TO": "data@example.org"}
    with manager(tmp_path, teams=read_teams(channels)) as running_manager:
        received = running_manager.received
        running_manager.send(alert("a", "ConsumerGroupWarning", team="Data-Science"))
        assert "#data" == received.take("slack")["channel"]
        assert "data@example.org" == received.take("mail")["to"]
        assert {"teams", "webhook"} >= received.names()
        running_manager.send(alert("b", team="other"))
        assert "#alerts" == received.take("slack")["channel"]
        assert "trigger" == received.take("pagerduty")["event_action"]
        running_manager.send(alert("c", "BurrowClusterUnread", severity="none", cluster="dark"))
        running_manager.send(alert("d", "ConsumerGroupWarning"))
        assert "#alerts" == received.take("slack")["channel"]
        received.take("webhook"), received.take("webhook")
        assert "d" == received.take("webhook")["groupLabels"]["consumer_group"]
        assert not {"pagerduty", "slack"} & received.names()


@pytest.mark.parametrize(
    ("source", "kept_back"),
    [
        ({"name": "BurrowBlind"}, {"ConsumerGroupError", "ConsumerPartitionStopped", "KafkaTopicSilent"}),
        ({"name": "BurrowBehind"}, {"ConsumerGroupError", "ConsumerPartitionStopped", "KafkaTopicSilent"}),
        ({"name": "BurrowClusterUnread", "severity": "none"}, {"ConsumerGroupError", "ConsumerPartitionStopped"}),
        ({"name": "ConsumerGroupError"}, {"ConsumerPartitionStopped", "ConsumerGroupLagTooOld"}),
    ],
    ids=lambda each: each.get("name") if isinstance(each, dict) else "",
)
def test_inhibition(source: dict[str, str], kept_back: set[str], tmp_path: Path) -> None:
    """Alerts of a cluster's groups wait while Burrow does not see it, those of partitions under the group's."""
    with manager(tmp_path) as running_manager:
        alerts = [alert("a", name) for name in sorted(kept_back)]
        other = alert("a", "ConsumerPartitionStopped", cluster="payments")
        running_manager.send(alert("a", **source), *alerts, other)
        time.sleep(0.5)
        found = requests.get(f"{running_manager.address}/api/v2/alerts", timeout=10).json()
        states = {(each["labels"]["alertname"], each["labels"]["cluster"]): each["status"]["state"] for each in found}
    assert {"active"} == {states[source["name"], "orders"], states["ConsumerPartitionStopped", "payments"]}
    assert {"suppressed"} == {states[name, "orders"] for name in kept_back}


def write() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for scene in SCENES:
        with tempfile.TemporaryDirectory() as folder:
            text = json.dumps(played(scene, Path(folder)), indent=1, ensure_ascii=False, sort_keys=True)
        (GOLDEN / f"{scene}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.exit(0)
