"""What can be chosen at the top of a dashboard.

Options come from families with few series, groups from their status, topics from their first partition, so that they
are there at once with thousands of groups. Topics have series of their own where the exporter publishes no partitions.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from grafana.burrow_dashboards.panels import DATA_SOURCE
from grafana.burrow_dashboards.signals import (
    CLUSTERS,
    ONE_CLUSTER,
    ONE_GROUP,
    PARTITION_STATUS,
    POLICY,
    TOPIC_STATUS,
)

STATUS = "burrow_kafka_consumer_status"


def data_source() -> DatasourceVariable:
    """Return the choice of the Prometheus, or Thanos, to ask."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def choice(name: str, label: str, metric: str, of: str = "") -> QueryVariable:
    """Return the choice of one value of a label, as they are within the time shown."""
    question = f"label_values({metric}, {of or name})"
    made = QueryVariable(name).label(label).datasource(DATA_SOURCE)
    made.query({"query": question, "refId": f"variable-{name}"}).definition(question)
    return made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)


def choices(name: str, label: str, metric: str, of: str = "") -> QueryVariable:
    """Return the choice of several values of a label, all at first."""
    made = choice(name, label, metric, of).multi(multi=True).include_all(include_all=True)
    return made.current(VariableOption(text="All", value="$__all", selected=True))


def clusters() -> QueryVariable:
    """Return the choice of several clusters."""
    return choices("cluster", "Cluster", STATUS)


def cluster() -> QueryVariable:
    """Return the choice of one cluster."""
    return choice("cluster", "Cluster", STATUS)


def consumer_group() -> QueryVariable:
    """Return the choice of one group of the cluster."""
    return choice("consumer_group", "Consumer group", f'{STATUS}{{cluster="$cluster"}}')


def topics_of_group() -> QueryVariable:
    """Return the choice of topics that the group has committed on."""
    of = f'__name__=~"{PARTITION_STATUS}|{TOPIC_STATUS}", {ONE_GROUP}'
    return choices("topic", "Topic", f"{{{of}}}")


def topic() -> QueryVariable:
    """Return the choice of one topic of the cluster."""
    names = "burrow_kafka_topic_partition_offset|burrow_kafka_topic_offset"
    return choice("topic", "Topic", f'{{__name__=~"{names}", {ONE_CLUSTER}, partition=~"0|"}}')


def teams() -> QueryVariable:
    """Return the choice of several teams of the policy; without a policy there is none, and all groups are shown."""
    return choices("team", "Team", f"{POLICY}{{{CLUSTERS}}}").all_value(".*")


def group_filter() -> TextBoxVariable:
    """Return a field for a regular expression that some part of a group's name has to match; at first any does."""
    return TextBoxVariable("filter").label("Groups like").default_value("").current(VariableOption(text="", value=""))
