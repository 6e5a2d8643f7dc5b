"""Prometheus metrics from LinkedIn Burrow's judgement of Kafka consumers."""

__version__ = "0.1.0"
