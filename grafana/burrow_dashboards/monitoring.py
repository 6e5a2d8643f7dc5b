"""Monitoring itself: whether the other dashboards can be trusted."""

from __future__ import annotations

from grafana.burrow_dashboards import alerts, signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import MONITORING
from grafana.burrow_dashboards.panels import Look, Query, figure, over_time, states
from grafana.burrow_dashboards.statuses import DATA_AGE, DURATION, GREEN, HALTED, NONE_IS_GOOD, ORANGE, RED, UP, Step

NO_EXPORTER = "No exporter is scraped."
NO_PROMETHEUS = "No Prometheus is scraped."
NO_THANOS = "No Thanos is scraped. The small profile of the stack has none."
FRESH = "burrow_exporter_last_poll_success_timestamp_seconds"
OWN: tuple[Step, ...] = ((None, GREEN), (1000, ORANGE), (100000, RED))
"""Burrow's own lag: orange from the default of the exporter's --burrow.catch-up-lag."""
FAULTS = (
    ("rule_evaluation_failures", "rules"),
    ("notifications_dropped", "alerts"),
    ("tsdb_compactions_failed", "compactions"),
    ("tsdb_wal_writes_failed", "writes"),
)
"""Counters of failures in Prometheus, and what fails."""


def of_job(counter: str, by: str) -> str:
    """Return how fast a counter of the chosen jobs counts."""
    return f'sum by ({by}) (rate({counter}{{job=~"$job"}}[$__rate_interval]))'


def summary() -> Section:
    """Return the state of the chain in six figures."""
    unreadable = "burrow_exporter_unreadable_groups"
    down = 'sum(up{job=~"$job"} == bool 0)'
    return Section(
        "",
        [
            figure(
                Look(
                    "Targets down",
                    "Targets of the monitoring itself that Prometheus cannot scrape.",
                    "none",
                    4,
                    4,
                    "unknown",
                    steps=NONE_IS_GOOD,
                ),
                Query(down, "down"),
                spark=True,
            ),
            figure(
                Look(
                    "Burrows",
                    "Whether the last poll of each Burrow succeeded.",
                    "none",
                    4,
                    4,
                    NO_EXPORTER,
                    UP,
                    filled=True,
                ),
                Query("min by (burrow) (burrow_exporter_burrow_up)", "{{burrow}}"),
            ),
            figure(
                Look(
                    "Age of the data",
                    "Time since the last successful poll, of the Burrow where that is longest.",
                    DURATION,
                    4,
                    4,
                    NO_EXPORTER,
                    steps=DATA_AGE,
                ),
                Query(f"max({signals.age(FRESH, 'burrow')})", "old"),
            ),
            figure(
                Look(
                    "Groups not readable",
                    "Groups that Burrow lists but whose status could not be read in the last poll.",
                    "none",
                    4,
                    4,
                    NO_EXPORTER,
                    steps=NONE_IS_GOOD,
                ),
                Query(f"sum(max by (burrow, cluster) ({unreadable}))", "groups"),
                spark=True,
            ),
            figure(
                Look(
                    "Worst own lag",
                    "Messages of __consumer_offsets that Burrow has not read yet, in the cluster where that is most.",
                    "short",
                    4,
                    4,
                    "unknown",
                    steps=OWN,
                ),
                Query("max(burrow_kafka_cluster_burrow_lag)", "messages"),
                spark=True,
            ),
            figure(
                Look("Series", "Series that the exporter exposes from Burrow.", "short", 4, 4, NO_EXPORTER),
                Query("max(burrow_exporter_series)", "series"),
                spark=True,
            ),
        ],
    )


def targets() -> Section:
    """Return which targets can be scraped."""
    return Section(
        "",
        [
            states(
                Look(
                    "Targets",
                    "Whether Prometheus could scrape each target of the monitoring itself.",
                    "none",
                    24,
                    8,
                    "not scraped",
                    UP,
                ),
                Query('max by (job, instance) (up{job=~"$job"})', "{{job}} {{instance}}"),
            ),
        ],
    )


def exporter() -> Section:
    """Return how the exporter's polls go."""
    failed = "burrow_exporter_request_failures_total"
    return Section(
        "Exporter",
        [
            over_time(
                Look(
                    "Poll duration",
                    "How long a poll takes. If it takes longer than --poll.interval, polls are skipped.",
                    "s",
                    8,
                    7,
                    NO_EXPORTER,
                ),
                Query("max by (burrow) (burrow_exporter_poll_duration_seconds)", "{{burrow}}"),
            ),
            over_time(
                Look("Polls", "Polls a minute, and failed ones.", "none", 8, 7, NO_EXPORTER, decimals=1),
                Query(f"60 * {of_job('burrow_exporter_polls_total', 'burrow')}", "{{burrow}}: all"),
                Query(f"60 * {of_job('burrow_exporter_poll_failures_total', 'burrow')}", "{{burrow}}: failed"),
            ),
            over_time(
                Look(
                    "Failed requests by reason",
                    "Failed requests to Burrow a second, including answers that could only be used in part.",
                    "reqps",
                    8,
                    7,
                    "No request has failed since the exporter started.",
                ),
                Query(of_job(failed, "burrow, endpoint, reason"), "{{burrow}} {{endpoint}}: {{reason}}"),
            ),
            over_time(
                Look(
                    "Age of the data over time",
                    "Time since the last successful poll of each Burrow.",
                    DURATION,
                    8,
                    7,
                    NO_EXPORTER,
                    steps=DATA_AGE,
                ),
                Query(signals.age(FRESH, "burrow"), "{{burrow}}"),
            ),
            over_time(
                Look("Page size", "Size of the page that Prometheus scrapes.", "bytes", 8, 7, NO_EXPORTER),
                Query("max by (encoding) (burrow_exporter_page_bytes)", "{{encoding}}"),
            ),
            over_time(
                Look(
                    "Memory of the exporter",
                    "Resident memory of each exporter.",
                    "bytes",
                    8,
                    7,
                    NO_EXPORTER,
                ),
                Query(
                    "max by (instance) (process_resident_memory_bytes * on (job, instance) group_left () "
                    "burrow_exporter_build_info)",
                    "{{instance}}",
                ),
            ),
        ],
    )


def burrow() -> Section:
    """Return whether Burrow keeps up with Kafka."""
    listed = "burrow_kafka_cluster_consumer_groups", "burrow_kafka_cluster_topics"
    groups, topics = (f"max by (cluster) ({each})" for each in listed)
    return Section(
        "Burrow",
        [
            over_time(
                Look(
                    "Last commit seen",
                    "Time since Burrow last saw a commit of any group, its own included. It grows when Burrow has lost "
                    "its Kafka and keeps answering with old data.",
                    DURATION,
                    8,
                    7,
                    NO_EXPORTER,
                    steps=DATA_AGE,
                ),
                Query(signals.heard(), "{{cluster}}"),
            ),
            over_time(
                Look(
                    "Burrow's own lag",
                    "Messages of __consumer_offsets that Burrow has not read yet.",
                    "short",
                    8,
                    7,
                    "Burrow does not list its own group.",
                ),
                Query("max by (cluster) (burrow_kafka_cluster_burrow_lag)", "{{cluster}}"),
            ),
            over_time(
                Look("Groups and topics", "Number of groups and topics that Burrow lists.", "none", 8, 7, NO_EXPORTER),
                Query(groups, "{{cluster}}: groups"),
                Query(topics, "{{cluster}}: topics"),
            ),
        ],
    )


def prometheus() -> Section:
    """Return how the Prometheus servers are doing."""
    return Section(
        "Prometheus",
        [
            over_time(
                Look("Scrape duration", "How long the slowest scrape of each job takes.", "s", 8, 7, NO_PROMETHEUS),
                Query('max by (job) (scrape_duration_seconds{job=~"$job"})', "{{job}}"),
            ),
            over_time(
                Look(
                    "Series in memory",
                    "Series in the head block of each server. Both servers of a pair hold the same.",
                    "short",
                    8,
                    7,
                    NO_PROMETHEUS,
                ),
                Query('max by (instance) (prometheus_tsdb_head_series{job=~"$job"})', "{{instance}}"),
            ),
            over_time(
                Look(
                    "Faults",
                    "Failed rule evaluations, dropped alerts, failed compactions and failed WAL writes a second.",
                    "none",
                    8,
                    7,
                    NO_PROMETHEUS,
                ),
                *(
                    Query(of_job(f"prometheus_{counter}_total", "instance"), f"{{{{instance}}}} {what}")
                    for counter, what in FAULTS
                ),
            ),
        ],
    )


def thanos() -> Section:
    """Return whether blocks reach the object store and are kept in order there."""
    uploads = 'sum by (instance) (increase(thanos_shipper_uploads_total{job=~"$job"}[3h]))'
    failed = of_job("thanos_shipper_upload_failures_total", "instance")
    bucket = of_job("thanos_objstore_bucket_operation_failures_total", "instance, operation")
    halted = 'max(thanos_compact_halted{job=~"$job"})'
    ready = 'max by (instance) (thanos_status{job=~"$job", check="ready"})'
    return Section(
        "Thanos",
        [
            states(
                Look(
                    "Ready",
                    "Whether each component of Thanos is ready. The small profile of the stack has no Thanos.",
                    "none",
                    8,
                    7,
                    "not scraped",
                    UP,
                ),
                Query(ready, "{{instance}}"),
            ),
            over_time(
                Look(
                    "Blocks uploaded within 3 hours",
                    "Each sidecar uploads a block every two hours. If this stays at 0, blocks do not reach the object "
                    "store.",
                    "none",
                    6,
                    7,
                    NO_THANOS,
                ),
                Query(uploads, "{{instance}}"),
            ),
            over_time(
                Look(
                    "Failures",
                    "Failed uploads and other failed operations on the object store a second.",
                    "none",
                    6,
                    7,
                    NO_THANOS,
                ),
                Query(failed, "{{instance}} uploads"),
                Query(f"{bucket} > 0", "{{instance}} {{operation}}"),
            ),
            figure(
                Look(
                    "Compactor",
                    "A halted compactor stays halted until it is restarted. Its log says why.",
                    "none",
                    4,
                    7,
                    NO_THANOS,
                    words=HALTED,
                    filled=True,
                ),
                Query(halted, "halted"),
            ),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    chain = "|".join(f"{each}_build_info" for each in ("burrow_exporter", "prometheus", "thanos", "alertmanager"))
    return dashboard(
        MONITORING,
        "Burrow / Monitoring itself",
        "The exporter, Burrow, Prometheus and Thanos: whether the other dashboards can be trusted.",
        [variables.choices("job", "Job", f'{{__name__=~"{chain}"}}')],
        [summary(), targets(), exporter(), burrow(), prometheus(), thanos()],
        [alerts.of_alerts('alertname=~"Burrow.*|Prometheus.*|Thanos.*"')],
    )
