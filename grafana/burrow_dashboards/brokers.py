"""Brokers: disk, CPU and network by the node exporter, the broker's own figures by the JMX exporter (as on MSK)."""

from __future__ import annotations

from grafana.burrow_dashboards import variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import BROKERS
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, bars, figure, over_time
from grafana.burrow_dashboards.statuses import GREEN, NONE_IS_GOOD, RED, USED, Step

HOST = 'cluster=~"$cluster", job=~"$job", instance=~"$broker(:[0-9]+)?"'
"""The broker's name without a port: on MSK the two exporters of a broker have the same name and ports of their own."""
DISK = f'{HOST}, mountpoint=~"$mountpoint", fstype!~"tmpfs|ramfs|squashfs|nsfs"'
DEVICE = f'{HOST}, device!~"lo|veth.*|br-.*|docker.*|cali.*"'
REPLICAS, TOPICS, REQUESTS = (
    f"kafka_{each}" for each in ("server_ReplicaManager", "server_BrokerTopicMetrics", "network_RequestMetrics")
)
CONTROLLER, HANDLERS = "kafka_controller_KafkaController_Value", "kafka_server_KafkaRequestHandlerPool_OneMinuteRate"
NO_NODE = "No node exporter is scraped, or other brokers are chosen."
NO_DISK = f"{NO_NODE} Express brokers have no disks of their own: CloudWatch has StorageUsed."
NO_JMX = "No JMX exporter is scraped, or other brokers are chosen."
NO_CONTROLLER = "not told by these brokers"
NOT_ON_EXPRESS = "not told by these brokers: Express brokers have none"
IDLE: tuple[Step, ...] = ((None, RED), (0.3, GREEN))
SHORT = "[0-9]+(?:[.][0-9]+){3}|[^.:]+(?:[.][^.:]+)?"
"""Of a broker's name: an address, or the first two parts of a name, as MSK's are long."""


def named(expression: str) -> str:
    """Return an expression whose series have a label ``broker`` too, short enough for a legend."""
    return f'label_replace({expression}, "broker", "$1", "instance", "({SHORT}).*")'


def gauge(family: str, name: str, by: str = "instance") -> str:
    """Return one of a broker's gauges, by its bean's name, for each broker."""
    return f'max by ({by}) ({family}{{{HOST}, name="{name}"}})'


def rate(name: str) -> str:
    """Return how fast one of a broker's meters counts, all topics together (that series has no label ``topic``).

    A broker may be scraped for several clusters, as the demo's is, and counts once.
    """
    return f'max by (instance) (rate({TOPICS}_Count{{{HOST}, name="{name}", topic=""}}[$__rate_interval]))'


def throttled(kind: str) -> str:
    """Return how many milliseconds each broker holds back answers to a kind of request."""
    return f'max by (instance) ({REQUESTS}_99thPercentile{{{HOST}, name="ThrottleTimeMs", request="{kind}"}})'


def health() -> Section:
    """Return what must be 0, or 1."""
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
                    "Brokers whose JMX exporter answers, by what they tell: Express brokers of MSK have no "
                    "under-replicated partitions, and no disks of their own.",
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
                    "Under-replicated partitions",
                    "Partitions with fewer replicas in sync than they should have.",
                    "none",
                    5,
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
                    "Replicas on a disk that failed.",
                    "none",
                    5,
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
                    "Partitions without a leader: nobody can read or write them. Told by the active "
                    "controller; MSK shows none of its own with KRaft (there CloudWatch has OfflinePartitionsCount).",
                    "none",
                    5,
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
                    "There must be exactly one in a cluster. With KRaft only controllers tell.",
                    "none",
                    5,
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


def disk() -> Section:
    """Return how full disks are, and when they will be."""
    avail, size = f"node_filesystem_avail_bytes{{{DISK}}}", f"node_filesystem_size_bytes{{{DISK}}}"
    by = "instance, mountpoint"
    used = f"1 - max by ({by}) ({avail}) / max by ({by}) ({size})"
    full = f"max by ({by}) ({avail}) / (-max by ({by}) (deriv({avail}[1h])) > 0)"
    legend = "{{broker}} {{mountpoint}}"
    return Section(
        "Disk",
        [
            bars(
                Look(
                    "Disk used now",
                    "Share of each file system that is not available. MSK keeps its logs on /kafka/datalogs.",
                    "percentunit",
                    10,
                    8,
                    NO_DISK,
                    steps=USED,
                    decimals=0,
                ),
                Query(named(used), legend),
                largest=1,
            ),
            over_time(
                Look(
                    "Disk used",
                    "Share of each file system that is not available.",
                    "percentunit",
                    7,
                    8,
                    NO_DISK,
                    steps=USED,
                ),
                Query(named(used), legend),
            ),
            over_time(
                Look(
                    "Disk full in",
                    "How long it takes until nothing is available, if it goes on as in the last hour. A "
                    "gap: what is used does not grow, or it would take more than 30 days.",
                    "s",
                    7,
                    8,
                    "No disk will be full within 30 days. Express brokers have none of their own.",
                ),
                Query(named(f"({full}) < {30 * 86400}"), legend),
            ),
        ],
    )


def machine() -> Section:
    """Return CPU and network."""
    busy = f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{HOST}, mode="idle"}}[$__rate_interval]))'
    spent = f"rate(node_cpu_seconds_total{{{HOST}}}[$__rate_interval])"
    of_mode = f'rate(node_cpu_seconds_total{{{HOST}, mode=~"user|system|iowait"}}[$__rate_interval])'
    mode = f"sum by (mode) ({of_mode}) / ignoring (mode) group_left () sum({spent})"
    received, sent = (
        f"sum by (instance) (rate(node_network_{way}_bytes_total{{{DEVICE}}}[$__rate_interval]))"
        for way in ("receive", "transmit")
    )
    return Section(
        "CPU and network",
        [
            over_time(
                Look(
                    "CPU used",
                    "Share of the time in which the cores were not idle.",
                    "percentunit",
                    8,
                    8,
                    NO_NODE,
                    steps=USED,
                ),
                Query(named(busy), "{{broker}}"),
            ),
            over_time(
                Look(
                    "CPU by mode",
                    "What the cores of all chosen brokers spend their time on. 'iowait' is waiting for the disk.",
                    "percentunit",
                    8,
                    8,
                    NO_NODE,
                ),
                Query(mode, "{{mode}}"),
                stacked=True,
            ),
            over_time(
                Look(
                    "Network", "Bytes a second received and sent, without loopback and bridges.", "Bps", 8, 8, NO_NODE
                ),
                Query(named(received), "{{broker}} in"),
                Query(named(sent), "{{broker}} out"),
            ),
        ],
    )


def traffic() -> Section:
    """Return what goes through the brokers."""
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
                    "Per broker. More than 0 for long: a broker is down or cannot keep up.",
                    "none",
                    6,
                    8,
                    f"{NO_JMX} Express brokers do not tell.",
                    steps=NONE_IS_GOOD,
                ),
                Query(named(gauge(f"{REPLICAS}_Value", "UnderReplicatedPartitions")), "{{broker}} under-replicated"),
                Query(named(gauge(f"{REPLICAS}_Value", "OfflineReplicaCount")), "{{broker}} offline"),
            ),
            over_time(
                Look(
                    "Request time, 99th percentile",
                    "From request to answer, as the broker sees it, by kind of "
                    "request. Fetches wait for messages, by fetch.max.wait.ms: some 500 ms are idle time.",
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
                    "How long the broker holds answers back, by kind of request: a client's quota, or what an Express "
                    "broker lets through, is used up.",
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
                    "Share of the time in which the request handlers had nothing to do; below "
                    "0.3 a broker is at its limit.",
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
    broker = variables.choices("broker", "Broker", of_cluster, "instance").regex("/^(.*?)(?::[0-9]+)?$/")
    mountpoint = variables.choices("mountpoint", "Mount point", f"node_filesystem_size_bytes{{{HOST}}}")
    return dashboard(
        BROKERS,
        "Burrow / Brokers",
        "Disk, CPU and network of the brokers, and what they say of themselves over JMX.",
        [cluster, job, broker, mountpoint],
        [health(), disk(), machine(), traffic()],
    )
