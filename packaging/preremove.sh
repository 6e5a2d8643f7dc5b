#!/bin/sh
# Before removal, but not before an upgrade: "remove" says dpkg, 0 says rpm.
set -e
case "$1" in
remove | 0)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now burrow-exporter.service burrow-exporter.socket
    fi
    find /usr/lib/burrow-exporter -name __pycache__ -prune -exec rm -r {} +
    ;;
esac
