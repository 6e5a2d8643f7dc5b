"""Consumers of many kinds on a real Kafka and Burrow, and what the exporter and Burrow's own /metrics expose."""
