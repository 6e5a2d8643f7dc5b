"""The demo's workload: producers and consumer groups on a Kafka."""
