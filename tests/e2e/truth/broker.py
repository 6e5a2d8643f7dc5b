"""The broker's own view: topics, committed offsets, log ends; and administrative operations."""

from __future__ import annotations

import time
from contextlib import suppress

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    OffsetSpec,
)

from tests.e2e.truth.ledger import Ledger, Place


class Broker:
    """An administrator's view of the cluster."""

    def __init__(self, servers: str, ledger: Ledger) -> None:
        self.servers, self.ledger = servers, ledger
        self.admin = AdminClient({"bootstrap.servers": servers})

    def make(self, topic: str, partitions: int) -> None:
        """Make a topic and wait until its leaders are known; one that stands already is left as it is."""
        with suppress(KafkaException):
            self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
        until = time.time() + 20
        while time.time() < until:
            found = self.admin.list_topics(topic, timeout=5).topics[topic].partitions.values()
            if len(found) >= partitions and all(one.leader >= 0 for one in found):
                return
            time.sleep(0.1)

    def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        self.admin.delete_topics([topic])[topic].result()
        until = time.time() + 20
        while time.time() < until and topic in self.admin.list_topics(timeout=5).topics:
            time.sleep(0.1)

    def delete_group(self, group: str) -> None:
        """Delete a consumer group."""
        self.admin.delete_consumer_groups([group])[group].result()

    def delete_records(self, place: Place, before: int) -> None:
        """Delete a partition's messages below an offset."""
        for answer in self.admin.delete_records([TopicPartition(*place, before)]).values():
            answer.result()
        self.ledger.truncated(place, before)

    def commit(self, group: str, offsets: dict[Place, int]) -> None:
        """Commit in a group's name, as an admin client does; a coordinator that is not there yet is asked again."""
        asked = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        for _ in range(40):
            before = time.time()
            request = ConsumerGroupTopicPartitions(group, asked)
            answer = self.admin.alter_consumer_group_offsets([request])[group].result()
            if all(one.error is None for one in answer.topic_partitions):
                break
            time.sleep(0.5)
        for place, offset in offsets.items():
            self.ledger.committed(group, place, offset, (before + time.time()) / 2)

    def commits(self, group: str) -> dict[Place, int]:
        """Return what a group has committed."""
        answer = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
        return {(one.topic, one.partition): one.offset for one in answer.topic_partitions}

    def ends(self, topics: dict[str, int]) -> dict[Place, int]:
        """Return the log ends of topics, given their numbers of partitions."""
        asked = {
            TopicPartition(topic, partition): OffsetSpec.latest()
            for topic, count in topics.items()
            for partition in range(count)
        }
        answers = self.admin.list_offsets(asked)
        return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
