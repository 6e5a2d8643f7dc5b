"""Consumers, overview: which groups are in trouble, why, since when, and how far behind they are."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.burrow_dashboards import alerts, signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import GROUP, OVERVIEW, TOPICS, from_row, from_series
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time
from grafana.burrow_dashboards.statuses import (
    CATCH_UP,
    CLEAR,
    DATA_AGE,
    DURATION,
    GREEN,
    GROUP_STATUS,
    LAG_SECONDS,
    NONE_IS_BEST,
    NONE_IS_GOOD,
    NOT_OK_FOR,
    OF_LIMIT,
    PARTITION_STATUS,
    RED,
    WOULD_HELP,
    YELLOW,
)
from grafana.burrow_dashboards.tables import Cell, Column, Label, rows

COUNTS = (("OK", 1, ((None, GREEN),)), ("WARN", 2, NONE_IS_BEST), ("ERR", 3, NONE_IS_GOOD))
GROUP_LABELS = (
    Label(
        "consumer_group", "Consumer group", None, from_row(GROUP, cluster="Cluster", consumer_group="Consumer group")
    ),
    Label("cluster", "Cluster", 80),
)
TO_GROUP = from_series("Show this group", GROUP, labels=["cluster", "consumer_group"])
LEGEND = "{{consumer_group}} ({{cluster}})"
MUTED = "burrow_kafka_consumer_alerts_muted"
SECONDS, MESSAGES = "burrow_kafka_consumer_lag_seconds", "burrow_kafka_consumer_lag_total"


def how_many(code: int, by: str = "") -> str:
    """Return how many groups have a status; 0 where none has it, nothing where there are no groups."""
    return f"sum {by}({signals.status()} == bool {code})"


def counts() -> Section:
    """Return the state of all groups in six figures."""
    panels = [
        figure(
            Look(
                f"Groups {word}",
                f"Consumer groups whose status in Burrow is {word}.",
                "none",
                4,
                4,
                steps=steps,
            ),
            Query(how_many(code), word),
            spark=True,
        )
        for word, code, steps in COUNTS
    ]
    worst = Look(
        "Worst time lag",
        "Age of the oldest unread message of any group.",
        DURATION,
        4,
        4,
        steps=LAG_SECONDS,
    )
    total = Look("Total lag", "Unread messages of all groups.", "short", 4, 4)
    heard = Look(
        "Last commit seen",
        "Time since Burrow last saw a commit, in the cluster where that is longest. A Burrow that has lost its Kafka "
        "keeps answering with old data: everything else here is then that old.",
        DURATION,
        4,
        4,
        steps=DATA_AGE,
    )
    panels += [
        figure(worst, Query(f"max({signals.lag_seconds()})", "seconds"), spark=True),
        figure(total, Query(f"sum({signals.lag()})", "messages"), spark=True),
        figure(heard, Query(f"max({signals.heard(signals.CLUSTERS)})", "ago")),
    ]
    return Section("", panels)


def trouble() -> Section:
    """Return the groups that are not OK, those that just became so, and what fires."""
    over = Look(
        "Groups not OK over time",
        "Number of groups whose status is WARN or ERR.",
        "none",
        12,
        8,
    )
    newly = Look(
        "Newly broken",
        "Groups that are not OK now and were OK within the last 30 minutes, the newest first.",
        "short",
        12,
        8,
        empty="No group broke within the last 30 minutes.",
    )
    all_of_them = Look(
        "Groups that are not OK",
        "The worst 50. 'Cause' is the worst status of the group's partitions, 'Topic' where that is. 'Of limit' is the "
        "time lag as a share of the policy's max_lag_seconds (default: 5 minutes). 'Muted' says why the policy mutes "
        "the group's alerts. 'Caught up in' goes by the last 10 minutes. 'Not OK for' looks back 6 hours. 'What "
        "would help' needs the rules in advice.yaml. Click a group to see its partitions.",
        "short",
        24,
        10,
        empty="No group is WARN or ERR.",
    )
    bad = f"topk(50, {signals.status()} > 1)"
    return Section(
        "",
        [
            over_time(
                over,
                *(Query(how_many(code), word) for word, code, _ in COUNTS[1:]),
                stacked=True,
                colors={"WARN": YELLOW, "ERR": RED},
            ),
            rows(newly, newly_broken(), sort_by=["Not OK for"], descending=False),
            rows(all_of_them, [*described(bad), *more_of(bad)], sort_by=["Status", "Time lag"]),
            alerts.firing(24, 9),
        ],
    )


def newly_broken() -> list[Cell]:
    """Return the columns for the groups that broke within the last half hour."""
    since = signals.last_ok(signals.GROUPS, signals.GROUP, "30m", "30s")
    chosen = f"{signals.status()} > 1 and on ({signals.GROUP}) {since}"
    return [
        Column("Status", chosen, "none", 80, words=GROUP_STATUS, filled=True),
        *GROUP_LABELS,
        Column("Not OK for", f"time() - ({signals.among(since, chosen)})", DURATION),
        Column("Time lag", signals.among(signals.lag_seconds(), chosen), DURATION, 120, steps=LAG_SECONDS),
    ]


def described(chosen: str) -> list[Cell]:
    """Return the columns that describe the groups that an expression chooses: status, cause, lag, policy."""
    return [
        Column("Status", signals.among(signals.status(), chosen), "none", 65, words=GROUP_STATUS, filled=True),
        *GROUP_LABELS,
        Column("Cause", signals.cause(chosen), "none", 80, words=PARTITION_STATUS, filled=True),
        Label("topic", "Topic", 140, from_row(TOPICS, cluster="Cluster", topic="Topic")),
        Column("Time lag", signals.among(signals.lag_seconds(), chosen), DURATION, 90, steps=LAG_SECONDS),
        Column(
            "Of limit",
            signals.among(f"{signals.lag_seconds()} / {signals.limit()}", chosen),
            "percentunit",
            75,
            steps=OF_LIMIT,
            decimals=0,
        ),
        Column("Lag", signals.among(signals.lag(), chosen), "short", 75),
        Label("team", "Team", 75),
        Label("reason", "Muted", 65),
        Column(
            "Policy",
            signals.among(signals.merged(signals.POLICY, f"{signals.GROUP}, team", signals.GROUPS), chosen),
            hidden=True,
        ),
        Column(
            "Quiet",
            signals.among(signals.merged(MUTED, f"{signals.GROUP}, reason", signals.GROUPS), chosen),
            hidden=True,
        ),
    ]


def more_of(chosen: str) -> list[Cell]:
    """Return the columns that say since when groups are not OK, and whether they recover."""
    lag, growth, advice = signals.lag(), signals.growth(), signals.advice(signals.GROUPS, signals.GROUP)
    since = signals.not_ok_for(signals.GROUPS, signals.GROUP, "6h", "1m")
    return [
        Column("Not OK for", signals.among(f"({since})", chosen), DURATION, 95, words=NOT_OK_FOR),
        Column(
            "Caught up in", signals.among(f"({signals.catch_up(lag, growth)})", chosen), DURATION, 105, words=CATCH_UP
        ),
        Column("What would help", signals.among(advice, chosen), "none", 135, words=WOULD_HELP),
    ]


def per_cluster() -> Section:
    """Return the state of each cluster."""
    look = Look("Clusters", "The state of each cluster. Click a cluster to see only its groups.", "short", 24, 5)
    behind = signals.merged("burrow_kafka_cluster_burrow_lag", "cluster", signals.CLUSTERS)
    cells: list[Cell] = [
        Label("cluster", "Cluster", None, from_row(OVERVIEW, cluster="Cluster")),
        Column("Groups", f"count by (cluster) ({signals.status()})", "none"),
        Column("OK", how_many(1, "by (cluster) "), "none"),
        Column("WARN", how_many(2, "by (cluster) "), "none", steps=((None, CLEAR), (1, YELLOW)), filled=True),
        Column("ERR", how_many(3, "by (cluster) "), "none", steps=((None, CLEAR), (1, RED)), filled=True),
        Column("Not OK", f"avg by (cluster) ({signals.status()} > bool 1)", "percentunit", decimals=1),
        Column("Worst time lag", f"max by (cluster) ({signals.lag_seconds()})", DURATION, 130, steps=LAG_SECONDS),
        Column("Total lag", f"sum by (cluster) ({signals.lag()})", "short", 110),
        Column("Last commit seen", signals.heard(signals.CLUSTERS), DURATION, 140, steps=DATA_AGE),
        Column("Burrow's own lag", behind, "short", 140),
    ]
    return Section("Per cluster", [rows(look, cells, sort_by=["ERR"])])


def worst() -> Section:
    """Return the groups with the most lag, in time and in messages."""
    panels: list[Builder[Panel]] = []
    for kind, metric, unit, steps in (("time", SECONDS, DURATION, LAG_SECONDS), ("messages", MESSAGES, "short", ())):
        look = Look(
            f"Furthest behind in {kind}",
            f"The ten groups with the most lag in {kind} at the end of the time range, whatever their status.",
            unit,
            12,
            9,
            steps=steps,
            links=[TO_GROUP],
        )
        panels.append(over_time(look, Query(signals.worst_groups_now(metric), LEGEND), beside=True))
    return Section("Furthest behind", panels)


def moving() -> Section:
    """Return the groups whose lag grows and shrinks fastest."""
    now = signals.growth(at=" @ end()")
    falling = Look(
        "Falling behind",
        "The ten groups whose lag grows fastest at the end of the time range, measured over 10 minutes. Short peaks "
        "come from bursts of production; a group that stays above 0 keeps falling behind.",
        MESSAGES_A_SECOND,
        12,
        9,
        empty="No group's lag is growing.",
        links=[TO_GROUP],
        decimals=1,
    )
    catching = Look(
        "Catching up",
        "The ten groups whose lag shrinks fastest at the end of the time range, measured over 10 minutes.",
        MESSAGES_A_SECOND,
        12,
        9,
        empty="No group's lag is shrinking.",
        links=[TO_GROUP],
        decimals=1,
    )
    grows = signals.worst_now(f"({signals.growth()} > 0)", f"{now} > 0")
    shrinks = signals.worst_now(f"(-{signals.growth()} > 0)", f"-{now} > 0")
    return Section(
        "Falling behind or catching up",
        [
            over_time(falling, Query(grows, LEGEND), beside=True),
            over_time(catching, Query(shrinks, LEGEND), beside=True),
        ],
    )


def build() -> str:
    """Return the dashboard as JSON."""
    return dashboard(
        OVERVIEW,
        "Burrow / Consumers, overview",
        "Which consumer groups are in trouble, why, since when, and how far behind they are.",
        [variables.clusters(), variables.teams(), variables.group_filter()],
        [counts(), trouble(), per_cluster(), worst(), moving()],
        [alerts.of_alerts(f'{alerts.ANY}, severity="critical"').enable(enable=False)],
    )
