"""Consumers of every habit on a real Kafka and Burrow, and what the exporter and Burrow's own /metrics say of them."""
