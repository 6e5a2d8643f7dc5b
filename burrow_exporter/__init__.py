"""Prometheus exporter for LinkedIn Burrow, the Kafka consumer lag checker."""

__version__ = "0.1.0"
