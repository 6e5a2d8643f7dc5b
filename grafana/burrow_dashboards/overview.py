"""Consumers, overview: which groups are in trouble, since when, and how far behind they are."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.burrow_dashboards import signals, variables
from grafana.burrow_dashboards.dashboards import Section, dashboard
from grafana.burrow_dashboards.links import GROUP, OVERVIEW, from_row, from_series
from grafana.burrow_dashboards.panels import MESSAGES_A_SECOND, Look, Query, figure, over_time
from grafana.burrow_dashboards.statuses import (
    CATCH_UP,
    DATA_AGE,
    GREEN,
    GROUP_STATUS,
    LAG_SECONDS,
    NONE_IS_BEST,
    NONE_IS_GOOD,
    OF_LIMIT,
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
    Label("cluster", "Cluster", 120),
)
TO_GROUP = from_series("Show this group", GROUP, labels=["cluster", "consumer_group"])
LEGEND = "{{consumer_group}} ({{cluster}})"
POLICY, MUTED = "burrow_kafka_consumer_policy_info", "burrow_kafka_consumer_alerts_muted"
SECONDS, MESSAGES = "burrow_kafka_consumer_lag_seconds", "burrow_kafka_consumer_lag_total"


def how_many(code: int, by: str = "") -> str:
    """Return how many groups have a status; 0 where none has it, nothing where there are no groups."""
    return f"sum {by}({signals.status()} == bool {code})"


def counts() -> Section:
    """Return the state of all in six figures."""
    panels = [
        figure(
            Look(
                f"Groups {word}",
                f"Consumer groups that Burrow judges {word}, by their last commits.",
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
        "Worst time lag", "Age of the oldest message that some group has not read yet.", "s", 4, 4, steps=LAG_SECONDS
    )
    total = Look("Messages behind", "Lag of all groups together, in messages.", "short", 4, 4)
    heard = Look(
        "Burrow heard of a commit",
        "How long ago Burrow last saw a commit, in the cluster where that is longest. A Burrow that lost its Kafka "
        "goes on answering, with frozen data: then all else here is that old.",
        "s",
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
    """Return who is in trouble, since when, and who just got into it."""
    over = Look("Groups by status", "How many groups are OK, WARN and ERR.", "none", 12, 8)
    newly = Look(
        "Newly broken",
        "Groups that are not OK but were within the last 30 minutes, the newest first. 'Not OK for' counts from when "
        "they were last OK.",
        "short",
        12,
        8,
        empty="No group broke within the last 30 minutes.",
    )
    all_of_them = Look(
        "Groups that are not OK",
        "At most 50, the worst first. 'Of limit' is the time lag against the policy's max_lag_seconds (without one 5 "
        "minutes); 'Muted' says why the policy holds back the group's alerts. 'Lag grows' is in messages a second over "
        "10 minutes. 'Would help' needs the rules of advice.yaml. Click a group to see its partitions.",
        "short",
        24,
        9,
        empty="No group is WARN or ERR.",
    )
    bad = f"topk(50, {signals.status()} > 1)"
    return Section(
        "",
        [
            over_time(
                over,
                *(Query(how_many(code), word) for word, code, _ in COUNTS),
                stacked=True,
                colors={"OK": GREEN, "WARN": YELLOW, "ERR": RED},
            ),
            rows(newly, newly_broken(), sort_by=["Not OK for"], descending=False),
            rows(all_of_them, [*described(bad), *more_of(bad)], sort_by=["Status", "Time lag"]),
        ],
    )


def newly_broken() -> list[Cell]:
    """Return the columns for the groups that were OK within half an hour and are not now."""
    since = signals.last_ok(signals.GROUPS, signals.GROUP, "30m", "30s")
    chosen = f"{signals.status()} > 1 and on ({signals.GROUP}) {since}"
    return [
        Column("Status", chosen, "none", 80, words=GROUP_STATUS, filled=True),
        *GROUP_LABELS,
        Column("Not OK for", f"time() - ({signals.among(since, chosen)})", "s"),
        Column("Time lag", signals.among(signals.lag_seconds(), chosen), "s", 120, steps=LAG_SECONDS),
    ]


def described(chosen: str) -> list[Cell]:
    """Return the columns that say how it is with the groups that an expression chooses."""
    return [
        Column("Status", signals.among(signals.status(), chosen), "none", 80, words=GROUP_STATUS, filled=True),
        *GROUP_LABELS,
        Column("Time lag", signals.among(signals.lag_seconds(), chosen), "s", 120, steps=LAG_SECONDS),
        Column(
            "Of limit",
            signals.among(f"{signals.lag_seconds()} / {signals.limit()}", chosen),
            "percentunit",
            85,
            steps=OF_LIMIT,
        ),
        Column("Lag", signals.among(signals.lag(), chosen), "short", 90),
        Label("team", "Team", 100),
        Label("reason", "Muted", 80),
        Column(
            "Policy",
            signals.among(signals.merged(POLICY, f"{signals.GROUP}, team", signals.GROUPS), chosen),
            hidden=True,
        ),
        Column(
            "Quiet",
            signals.among(signals.merged(MUTED, f"{signals.GROUP}, reason", signals.GROUPS), chosen),
            hidden=True,
        ),
    ]


def more_of(chosen: str) -> list[Cell]:
    """Return the columns that say where it is going with the groups that an expression chooses."""
    lag, growth, advice = signals.lag(), signals.growth(), signals.advice(signals.GROUPS, signals.GROUP)
    since = f"time() - {signals.last_ok(signals.GROUPS, signals.GROUP, '6h', '1m')}"
    return [
        Column("Not OK for", signals.among(f"({since})", chosen), "s", 120, empty="as long as seen"),
        Column("Lag grows", signals.among(growth, chosen), MESSAGES_A_SECOND, 110, decimals=1),
        Column("Caught up in", signals.among(f"({signals.catch_up(lag, growth)})", chosen), "s", 150, words=CATCH_UP),
        Column("Would help", signals.among(advice, chosen), "none", 150, words=WOULD_HELP),
    ]


def per_cluster() -> Section:
    """Return the state of each cluster."""
    look = Look("Clusters", "The state of each cluster. Click one to see nothing but it.", "short", 24, 5)
    behind = signals.merged("burrow_kafka_cluster_burrow_lag", "cluster", signals.CLUSTERS)
    cells: list[Cell] = [
        Label("cluster", "Cluster", None, from_row(OVERVIEW, cluster="Cluster")),
        Column("Groups", f"count by (cluster) ({signals.status()})", "none"),
        Column("OK", how_many(1, "by (cluster) "), "none"),
        Column("WARN", how_many(2, "by (cluster) "), "none", steps=NONE_IS_BEST),
        Column("ERR", how_many(3, "by (cluster) "), "none", steps=NONE_IS_GOOD),
        Column("Not OK", f"avg by (cluster) ({signals.status()} > bool 1)", "percentunit"),
        Column("Worst time lag", f"max by (cluster) ({signals.lag_seconds()})", "s", 130, steps=LAG_SECONDS),
        Column("Messages behind", f"sum by (cluster) ({signals.lag()})", "short", 140),
        Column("Burrow heard of a commit", signals.heard(signals.CLUSTERS), "s", 190, steps=DATA_AGE),
        Column("Burrow is behind", behind, "short", 150),
    ]
    return Section("Per cluster", [rows(look, cells, sort_by=["ERR"])])


def worst() -> Section:
    """Return the groups furthest behind, in time and in messages."""
    panels: list[Builder[Panel]] = []
    for kind, metric, unit, steps in (("time", SECONDS, "s", LAG_SECONDS), ("messages", MESSAGES, "short", ())):
        look = Look(
            f"Furthest behind in {kind}",
            f"The ten groups with the most lag in {kind} at the end of the range, OK or not.",
            unit,
            12,
            9,
            steps=steps,
            links=[TO_GROUP],
        )
        value = signals.merged(metric, signals.GROUP, signals.GROUPS)
        panels.append(over_time(look, Query(signals.worst_groups_now(value, metric), LEGEND), beside=True))
    return Section("Furthest behind", panels)


def worst_in_detail() -> Section:
    """Return the same with their status."""
    panels: list[Builder[Panel]] = []
    for kind, value, column in (("time", signals.lag_seconds(), "Time lag"), ("messages", signals.lag(), "Lag")):
        look = Look(f"Ten worst in {kind}", f"The ten groups with the most lag in {kind} now.", "short", 12, 12)
        panels.append(rows(look, described(f"topk(10, {value})"), sort_by=[column]))
    return Section("Ten worst", panels)


def moving() -> Section:
    """Return the groups whose lag grows and shrinks fastest."""
    now = signals.growth(at=" @ end()")
    falling = Look(
        "Falling behind",
        "The ten groups whose lag grows fastest at the end of the range, in messages a second over 10 minutes. What "
        "comes and goes with bursts is not a fault; what stays above 0 is.",
        MESSAGES_A_SECOND,
        12,
        9,
        empty="The lag of no group grows.",
        links=[TO_GROUP],
        decimals=1,
    )
    catching = Look(
        "Catching up",
        "The ten groups whose lag shrinks fastest at the end of the range, in messages a second over 10 minutes.",
        MESSAGES_A_SECOND,
        12,
        9,
        empty="The lag of no group shrinks.",
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
        "Which consumer groups are in trouble, since when, and how far behind they are.",
        [variables.clusters(), variables.group_filter()],
        [counts(), trouble(), per_cluster(), worst(), moving(), worst_in_detail()],
    )
