#!/bin/sh
# Sets the owner of each secret, and of each volume whose image does not create its folder, to the user of its service.
# Run by the service `init` as root; compose/compose.yaml defines the user of each service.
set -eu
umask 077


share() { # share GROUP FILE...: the owner stays, so that it can be rendered again without root
    group=$1
    shift
    chgrp "$group" "$@"
    chmod 0440 "$@"
}

own() { # own USER FOLDER...
    user=$1
    shift
    chown "$user:$user" "$@"
    chmod 0700 "$@"
}

share 10001 /secrets/burrow/*
share 10002 /secrets/object-store.env
share 472 /secrets/grafana-admin-password
share 65534 /secrets/bucket.yaml /secrets/slack-webhook-url /secrets/smtp-password /secrets/webhook-url /secrets/teams-webhook-url /secrets/pagerduty-routing-key
share 65534 /secrets/grpc/*

own 65534 /volumes/thanos-store /volumes/thanos-compact
mkdir -p /volumes/object-store/thanos # a folder is a bucket in the object store
own 10002 /volumes/object-store /volumes/object-store/thanos
