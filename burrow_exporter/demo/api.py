"""Burrow's HTTP API (v3) over the simulated clusters: from a request path to a response. No sockets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import msgspec

from burrow_exporter.demo.evaluation import Evaluator, not_found
from burrow_exporter.demo.groups import Cluster, Group, Subscription
from burrow_exporter.demo.settings import Knowledge
from burrow_exporter.demo.windows import Window

HOST = "burrow"
PLAIN = "text/plain; charset=utf-8"
PROFILE = {"name": "demo", "client-id": "burrow", "kafka-version": "3.6.0", "tls": None, "sasl": None}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class UnknownError(Exception):
    """Unknown cluster, group or topic, with Burrow's message as the argument."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API of a Burrow with these clusters. ``clock`` returns Unix seconds."""

    clusters: Mapping[str, Cluster]
    knowledge: Knowledge
    evaluator: Evaluator
    clock: Callable[[], float]

    def answer(self, method: str, target: str) -> Response:
        """Handle a request for ``target`` (a percent-encoded path, with or without a query)."""
        path = unquote(target.partition("?")[0])
        route = self._route(path)
        if route is None:
            return self._unrouted(path)
        if method != "GET":
            return Response(405, PLAIN, b"Method Not Allowed\n", {"Allow": "GET, OPTIONS"})
        try:
            return route()
        except UnknownError as unknown:
            return _json(404, path, error=True, message=str(unknown))

    def _unrouted(self, path: str) -> Response:
        """Handle a path without a route: Burrow's router redirects if the cleaned path matches."""
        tidy = "/" + "/".join(segment for segment in path.split("/") if segment)
        if tidy != path and self._route(tidy):
            location = quote(tidy)
            link = f'<a href="{location}">Moved Permanently</a>.\n\n'
            return Response(301, "text/html; charset=utf-8", link.encode(), {"Location": location})
        return Response(404, PLAIN, b'{"error":true,"message":"invalid request type","result":{}}\n', {})

    def _route(self, path: str) -> Callable[[], Response] | None:
        """Find the handler of a decoded path; a ``/`` in a name has become a separator by now."""
        for pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                return partial(handler, self, path, *match.groups())
        return None

    def _admin(self, _path: str) -> Response:
        return Response(200, PLAIN, b"GOOD", {})

    def _ready(self, _path: str) -> Response:
        return Response(200, PLAIN, b"READY", {})

    def _clusters(self, path: str) -> Response:
        return _json(200, path, message="cluster list returned", clusters=list(self.clusters))

    def _find(self, cluster: str, refusal: str = "cluster not found") -> Cluster:
        if cluster not in self.clusters:
            raise UnknownError(refusal)
        return self.clusters[cluster]

    def _cluster(self, path: str, cluster: str) -> Response:
        name = self._find(cluster, "cluster module not found").name
        module = {
            "class-name": "kafka",
            "servers": [f"kafka.{name}.example:9092"],
            "client-profile": PROFILE,
            "topic-refresh": 60,
            "offset-refresh": int(self.knowledge.settings.offset_refresh),
        }
        return _json(200, path, message="cluster module detail returned", module=module)

    def _evaluators(self, path: str) -> Response:
        return self._module_list(path, "evaluator", ["default"])

    def _evaluator(self, path: str, name: str) -> Response:
        if name != "default":
            refusal = "evaluator module not found"
            raise UnknownError(refusal)
        module = {"class-name": "caching", "expire-cache": max(1, ceil(self.knowledge.settings.expire_cache))}
        return _json(200, path, message="evaluator module detail returned", module=module)

    def _modules(self, path: str) -> Response:
        return self._module_list(path, "consumer", list(self.clusters))

    def _module_list(self, path: str, coordinator: str, modules: list[str]) -> Response:
        request = {"url": path, "host": HOST}
        message = "module list returned"
        return _json(200, path, message=message, request=request, coordinator=coordinator, modules=modules)

    def _module(self, path: str, name: str) -> Response:
        module = {
            "class-name": "kafka",
            "cluster": self._find(name, "consumer module not found").name,
            "servers": [f"kafka.{name}.example:9092"],
            "group-allowlist": "",
            "zookeeper-path": "",
            "zookeeper-timeout": 0,
            "client-profile": PROFILE,
            "offsets-topic": "__consumer_offsets",
            "start-latest": False,
        }
        return _json(200, path, message="consumer module detail returned", module=module)

    def _consumers(self, path: str, cluster: str) -> Response:
        groups = [group.name for group in self._find(cluster).listed(self.clock())]
        return _json(200, path, message="consumer list returned", consumers=groups)

    def _status(self, path: str, cluster: str, group: str, *, only_bad: bool = True) -> Response:
        known = self.clusters.get(cluster)
        status = self.evaluator.status(known, group) if known else not_found(cluster, group)
        code = 404 if status.status == "NOTFOUND" else 200
        return _json(code, path, message="consumer status returned", status=status.only_bad() if only_bad else status)

    def _lag(self, path: str, cluster: str, group: str) -> Response:
        return self._status(path, cluster, group, only_bad=False)

    def _windows(self, path: str, cluster: str, group: str) -> Response:
        refusal, now = "cluster or consumer not found", self.clock()
        found = self._find(cluster, refusal).group(group, now)
        if found is None:
            raise UnknownError(refusal)
        topics = {
            subscription.topic.name: [
                self._window(found, subscription, partition, window)
                for partition, window in enumerate(subscription.windows(found.schedule, self.knowledge, now))
            ]
            for subscription in found.subscriptions
        }
        return _json(200, path, message="consumer detail returned", topics=topics)

    def _window(self, group: Group, subscription: Subscription, partition: int, window: Window) -> dict[str, Any]:
        owner, client_id = group.owner(subscription, partition)
        # Burrow creates no window, not even an empty one, before it has seen a commit or an owner.
        missing = self.knowledge.settings.intervals - len(window.commits) if window.commits or owner else 0
        offsets = [*[None] * missing, *window.commits]
        return {"offsets": offsets, "owner": owner, "client_id": client_id, "current-lag": window.current_lag}

    def _topics(self, path: str, cluster: str) -> Response:
        return _json(200, path, message="topic list returned", topics=list(self._find(cluster).topics))

    def _topic(self, path: str, cluster: str, topic: str) -> Response:
        refusal = "cluster or topic not found"
        found = self._find(cluster, refusal).topics.get(topic)
        if found is None:
            raise UnknownError(refusal)
        offsets = found.log_ends(self.knowledge.latest_refresh(self.clock()))
        return _json(200, path, message="topic offsets returned", offsets=offsets)

    def _topic_consumers(self, path: str, cluster: str, topic: str) -> Response:
        groups = self._find(cluster).listed(self.clock())
        readers = [group.name for group in groups if topic in group.topics()]
        return _json(200, path, message="consumers of topic returned", consumers=readers)

    _routes: ClassVar = tuple(
        (re.compile(pattern.replace("NAME", "([^/]+)")), handler)
        for pattern, handler in (
            ("/burrow/admin", _admin),
            ("/burrow/admin/ready", _ready),
            ("/v3/config/evaluator", _evaluators),
            ("/v3/config/evaluator/NAME", _evaluator),
            ("/v3/config/consumer", _modules),
            ("/v3/config/consumer/NAME", _module),
            ("/v3/kafka", _clusters),
            ("/v3/kafka/NAME", _cluster),
            ("/v3/kafka/NAME/consumer", _consumers),
            ("/v3/kafka/NAME/consumer/NAME", _windows),
            ("/v3/kafka/NAME/consumer/NAME/status", _status),
            ("/v3/kafka/NAME/consumer/NAME/lag", _lag),
            ("/v3/kafka/NAME/topic", _topics),
            ("/v3/kafka/NAME/topic/NAME", _topic),
            ("/v3/kafka/NAME/topic/NAME/consumers", _topic_consumers),
        )
    )


def _json(code: int, path: str, *, error: bool = False, **content: object) -> Response:
    """Return a response with Burrow's order of keys: ``error``, ``message``, the content, usually ``request`` last."""
    answer = {"error": error, **content}
    answer.setdefault("request", {"url": path, "host": HOST})
    return Response(code, "application/json", msgspec.json.encode(answer), {})
