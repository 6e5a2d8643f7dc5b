#!/usr/bin/env bash
# Formats the broker's folder if needed and runs the broker. Writes only to the folder and /tmp.
set -euo pipefail
export LOG_DIR=/tmp/logs

/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id YnVycm93LWRlbW8ta2Fmaw --config /opt/demo/server.properties
export KAFKA_HEAP_OPTS="-Xms256m -Xmx384m"
export KAFKA_OPTS="-javaagent:/opt/jmx_exporter/agent.jar=11001:/opt/jmx_exporter/jmx.yaml"
exec /opt/kafka/bin/kafka-server-start.sh /opt/demo/server.properties
