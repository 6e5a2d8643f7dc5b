#!/bin/sh
# Compiles the modules for this machine's Python, and restarts a running exporter.
set -e
find /usr/lib/burrow-exporter -name __pycache__ -prune -exec rm -r {} +
/usr/bin/python3 -I -m compileall -q /usr/lib/burrow-exporter
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart burrow-exporter.service
fi
