"""Brokers: their hosts by the node exporter, their own metrics by the JMX exporter (as on MSK)."""

from __future__ import annotations

from grafana.burrow_dashboards import alerts, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.hosts import HOST, disk, machine, named
from grafana.burrow_dashboards.links import BROKERS
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time, states
from grafana.burrow_dashboards.statuses import GREEN, NONE_IS_GOOD, RED, UP, Step

REACHED = f"up{{{HOST}}}"
REPLICAS, TOPICS, REQUESTS = (
    f"kafka_{each}" for each in ("server_ReplicaManager", "server_BrokerTopicMetrics", "network_RequestMetrics")
)
CONTROLLER, HANDLERS = "kafka_controller_KafkaController_Value", "kafka_server_KafkaRequestHandlerPool_OneMinuteRate"
NO_JMX = "No JMX exporter of the chosen brokers is scraped."
NO_CONTROLLER = "not exposed by these brokers"
NOT_ON_EXPRESS = "not exposed by Express brokers"
IDLE: tuple[Step, ...] = ((None, GREEN), (0.3, RED))
"""Too little below the line: a line over time has the colour of what begins there."""


def gauge(family: str, name: str, by: str = "instance") -> str:
    """Return a gauge of each broker, by the name of its bean."""
    return f'max by ({by}) ({family}{{{HOST}, name="{name}"}})'


def rate(name: str) -> str:
    """Return how fast one of a broker's meters counts, all topics together (that series has no label ``topic``).

    A broker may be scraped for several clusters, as the demo's is, and counts once.
    """
    return f'max by (instance) (rate({TOPICS}_Count{{{HOST}, name="{name}", topic=""}}[$__rate_interval]))'


def throttled(kind: str) -> str:
    """Return for how many milliseconds each broker delays answers to a kind of request."""
    return f'max by (instance) ({REQUESTS}_99thPercentile{{{HOST}, name="ThrottleTimeMs", request="{kind}"}})'


def health() -> Section:
    """Return figures that must be 0, or 1."""
    one: tuple[Step, ...] = ((None, RED), (1, GREEN), (2, RED))
    partitions, under_replicated = (
        gauge(f"{REPLICAS}_Value", name) for name in ("PartitionCount", "UnderReplicatedPartitions")
    )
    return Section(
        "",
        [
            figure(
                Look(
                    "Brokers",
                    "Brokers whose JMX exporter answers. MSK's Express brokers expose no under-replicated partitions "
                    "and have no disks of their own.",
                    "none",
                    4,
                    4,
                    "none",
                ),
                Query(f"count({partitions} and {under_replicated})", "Standard"),
                Query(f"count({partitions} unless {under_replicated})", "Express"),
            ),
            figure(
                Look(
                    "Brokers down",
                    "Brokers with an exporter that Prometheus cannot scrape.",
                    "none",
                    4,
                    4,
                    "no broker is scraped",
                    steps=NONE_IS_GOOD,
                ),
                Query(f"sum(min by (broker) ({named(REACHED)}) == bool 0)", "brokers"),
                spark=True,
            ),
            figure(
                Look(
                    "Under-replicated",
                    "Partitions with fewer in-sync replicas than replicas.",
                    "none",
                    4,
                    4,
                    NOT_ON_EXPRESS,
                    steps=NONE_IS_GOOD,
                ),
                Query(f"sum({under_replicated})", "partitions"),
                spark=True,
            ),
            figure(
                Look(
                    "Offline replicas",
                    "Replicas on a failed disk.",
                    "none",
                    4,
                    4,
                    NOT_ON_EXPRESS,
                    steps=NONE_IS_GOOD,
                ),
                Query(f"sum({gauge(f'{REPLICAS}_Value', 'OfflineReplicaCount')})", "replicas"),
                spark=True,
            ),
            figure(
                Look(
                    "Offline partitions",
                    "Partitions without a leader, which can be neither read nor written. Only the active controller "
                    "exposes this. With KRaft MSK does not: see OfflinePartitionsCount in CloudWatch.",
                    "none",
                    4,
                    4,
                    NO_CONTROLLER,
                    steps=NONE_IS_GOOD,
                ),
                Query(f"max({gauge(CONTROLLER, 'OfflinePartitionsCount')})", "partitions"),
                spark=True,
            ),
            figure(
                Look(
                    "Active controllers",
                    "Exactly one in a healthy cluster. With KRaft only controllers expose this.",
                    "none",
                    4,
                    4,
                    NO_CONTROLLER,
                    steps=one,
                ),
                Query(
                    f"sum by (cluster) ({gauge(CONTROLLER, 'ActiveControllerCount', 'cluster, instance')})",
                    "{{cluster}}",
                ),
            ),
        ],
    )


def down() -> Section:
    """Return when brokers were down."""
    reached = f"min by (broker) ({named(REACHED)})"
    least = f"bottomk(10, min by (broker) ({named(f'avg_over_time({REACHED}[$__range] @ end())')}))"
    return Section(
        "",
        [
            states(
                Look(
                    "Broker status",
                    "UP while Prometheus can scrape all exporters of the broker. The ten brokers that were down for "
                    "longest in the time range.",
                    "none",
                    24,
                    6,
                    "not scraped",
                    UP,
                ),
                Query(f"{reached} and on (broker) ({least})", "{{broker}}"),
            ),
        ],
    )


def traffic() -> Section:
    """Return the brokers' traffic and how they cope with it."""
    return Section(
        "Kafka",
        [
            over_time(
                Look("Bytes in", "Bytes a second that producers send, without replication.", "Bps", 8, 8, NO_JMX),
                Query(named(rate("BytesInPerSec")), "{{broker}}"),
            ),
            over_time(
                Look("Bytes out", "Bytes a second that consumers fetch, without replication.", "Bps", 8, 8, NO_JMX),
                Query(named(rate("BytesOutPerSec")), "{{broker}}"),
            ),
            over_time(
                Look("Messages in", "Messages a second that producers send.", MESSAGES_A_SECOND, 8, 8, NO_JMX),
                Query(named(rate("MessagesInPerSec")), "{{broker}}"),
            ),
            over_time(
                Look(
                    "Under-replicated and offline",
                    "Per broker. If this stays above 0, a broker is down or cannot keep up.",
                    "none",
                    6,
                    8,
                    f"{NO_JMX} Express brokers do not expose this.",
                    steps=NONE_IS_GOOD,
                ),
                Query(named(gauge(f"{REPLICAS}_Value", "UnderReplicatedPartitions")), "{{broker}} under-replicated"),
                Query(named(gauge(f"{REPLICAS}_Value", "OfflineReplicaCount")), "{{broker}} offline"),
            ),
            over_time(
                Look(
                    "Request time, 99th percentile",
                    "Time from request to answer, by kind of request, of the slowest broker. Fetches wait up to "
                    "fetch.max.wait.ms for messages: about 500 ms is idle time.",
                    "ms",
                    6,
                    8,
                    NO_JMX,
                ),
                *(
                    Query(f'max({REQUESTS}_99thPercentile{{{HOST}, name="TotalTimeMs", request="{kind}"}})', kind)
                    for kind in ("Produce", "FetchConsumer", "FetchFollower")
                ),
            ),
            over_time(
                Look(
                    "Throttle time, 99th percentile",
                    "How long the broker delays answers, by kind of request, because a client's quota or the "
                    "throughput of an Express broker is used up.",
                    "ms",
                    6,
                    8,
                    NO_JMX,
                ),
                *(Query(named(throttled(kind)), f"{{{{broker}}}} {kind}") for kind in ("Produce", "FetchConsumer")),
            ),
            over_time(
                Look(
                    "Request handlers idle",
                    "Share of time during which the request handlers were idle. Below 30 % a broker is at its limit.",
                    "percentunit",
                    6,
                    8,
                    NO_JMX,
                    steps=IDLE,
                ),
                Query(named(f"clamp_max({gauge(HANDLERS, 'RequestHandlerAvgIdlePercent')}, 1)"), "{{broker}}"),
            ),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    either = '{__name__=~"node_boot_time_seconds|kafka_server_ReplicaManager_Value"}'
    cluster = variables.choices("cluster", "Cluster", either).all_value(".*")  # targets may bear none
    of_cluster = either.replace("}", ', cluster=~"$cluster"}')
    job = variables.choices("job", "Job", of_cluster)
    broker = variables.choices("broker", "Broker", of_cluster, "instance").all_value(".*")
    broker.regex("/^(.*?)(?::[0-9]+)?$/")  # any, as those that are down have no such series
    mountpoint = variables.choices("mountpoint", "Mount point", f"node_filesystem_size_bytes{{{HOST}}}")
    return dashboard(
        BROKERS,
        "Burrow / Brokers",
        "Disk, CPU and network of the brokers, and their own metrics over JMX.",
        [cluster, job, broker, mountpoint],
        [health(), down(), disk(), machine(), traffic()],
        [alerts.of_alerts('alertname=~"Broker.*|Kafka.*", cluster=~"$cluster|"')],
    )
