#!/usr/bin/env bash
# Deploys the stack of this checkout on a host that has docker with compose, bash (4.2 will do) and little else.
# What is new is rendered aside and checked by the very programs that are to read it, before anything that runs is
# touched. Nothing in here deletes data.
set -euo pipefail

usage() {
    cat <<'END'
compose/deploy.sh [--env-from URL [--token-file FILE]]
compose/deploy.sh --render | --down | --help

Starts the stack that `.env` describes (docs/stack.md), or changes what runs to it, and waits until all is healthy.

  --env-from URL     fetch `.env` from https://... first; it replaces the present one only if it can be used.
                     Of a snippet in GitLab: https://gitlab.example.org/api/v4/snippets/ID/raw
  --token-file FILE  a token for that, sent as PRIVATE-TOKEN; or a whole header, such as Authorization: Bearer ...
  --render           only render compose/generated
  --down             end the stack; its data stays
  --help             this

Environment: COMPOSE_PROJECT_NAME for a second stack on this host; EXPORTER_IMAGE and BURROW_IMAGE for images of your
own: one with a / in its name is pulled, any other is built here; CURL_CA_BUNDLE, https_proxy as curl knows them.

Exit codes: 0 all of it is healthy; 1 this host cannot do it; 2 refused, for the faults that were listed; 3 `.env` could
not be fetched; with these three nothing that runs was touched. 4 started, but not healthy.
END
}

HOST=1 REFUSED=2 NOT_FETCHED=3 UNHEALTHY=4
DOCKER=20.10 COMPOSE=2.20.2 # the first compose that knows `required: false`; docs/stack.md has both
GENERATED=compose/generated
WORK=compose/.deploy # for the time of a run
NEXT=$WORK/generated
SANDBOX=(--rm --read-only --cap-drop ALL --security-opt no-new-privileges)
HERE=$(dirname "${BASH_SOURCE[0]}")

# shellcheck source=compose/deploy/dotenv.sh
. "$HERE/deploy/dotenv.sh"
# shellcheck source=compose/deploy/images.sh
. "$HERE/deploy/images.sh"
# shellcheck source=compose/deploy/check.sh
. "$HERE/deploy/check.sh"

say() {
    printf '==> %s\n' "$*"
}

warn() {
    printf 'deploy.sh: warning: %s\n' "$*" >&2
}

fail() { # fail CODE MESSAGE...
    printf 'deploy.sh: %s\n' "${*:2}" >&2
    exit "$1"
}

compose() { # compose FOLDER ARGUMENT...: on what is rendered there; what that sets does not come from the shell
    (
        # shellcheck disable=SC2046 # names, a word each
        unset COMPOSE_FILE COMPOSE_ENV_FILES $(sed -n 's/^\([A-Z0-9_]*\)=.*/\1/p' "$1/compose.env")
        exec docker compose --file compose/compose.yaml --env-file "$1/compose.env" "${@:2}"
    )
}

# --- the host

at_least() { # at_least VERSION LEAST
    [ "$(printf '%s\n' "$2" "${1#v}" | sort -V | head -n 1)" = "$2" ]
}

check_host() {
    local program version
    for program in docker flock ${URL:+curl}; do
        command -v "$program" >/dev/null || fail $HOST "$program is not installed"
    done
    version=$(docker version --format '{{.Server.Version}}' 2>&1) ||
        fail $HOST "docker does not answer; is it started, and are you in its group? It says: $version"
    at_least "$version" $DOCKER || fail $HOST "docker is $version, and has to be $DOCKER or newer"
    version=$(docker compose version --short 2>/dev/null) ||
        fail $HOST "docker has no compose: install its plugin, docker-compose-plugin or docker-compose-v2"
    at_least "$version" $COMPOSE || fail $HOST "docker compose is $version, and has to be $COMPOSE or newer"
}

same() { # same FILE FILE
    [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

own() { # own PATH...: with sudo too, the checkout's files are those of its owner
    [ "$(id -u)" -ne 0 ] || chown "$OWNER" "$@"
}

begin() { # one run at a time in this checkout, with a folder of its own
    exec 9<compose
    flock --nonblock 9 || fail $HOST "another run is at work in this checkout"
    OWNER=$(stat --format %u:%g .)
    umask 022 # whatever the shell's: nobody else may write what is rendered
    trap end EXIT
    rm -rf "$WORK"
    mkdir -m 0700 "$WORK"
    mkdir -p "$NEXT" "$GENERATED"
    chmod go-w "$NEXT" "$GENERATED" # which may be there from a run under another umask
    own "$WORK" "$NEXT" "$GENERATED"
}

end() {
    rm -rf "$WORK"
    [ -z "$MADE_ENV" ] || [ -s .env ] || rm -f .env
}

# --- what runs

start() {
    say "starting"
    compose $GENERATED up --detach --remove-orphans --wait --wait-timeout 300 && return
    tell_unhealthy >&2
    [ ! -e .env.last-good ] || same .env .env.last-good || warn "the last .env with which all was healthy is .env.last-good"
    fail $UNHEALTHY "not all of it is healthy"
}

containers() { # containers FORMAT: a line for each, that begins with its service
    local ours
    ours=$(compose $GENERATED ps --all --quiet | sed 's/^/--filter=id=/') || true
    [ -n "$ours" ] || return 0 # without a filter it would be all of this host
    # shellcheck disable=SC2086 # ids, a word each
    docker ps --all --format "{{ .Label \"com.docker.compose.service\" }} $1" $ours | sort
}

tell_unhealthy() { # which services, and the last that they said
    local service id state
    while read -r service id state; do
        case $state in
            Up*"(healthy)"* | "Exited (0)"*) continue ;;
            Created*) printf '%s\n' "--- $service: not started" && continue ;;
        esac
        printf '%s\n' "--- $service: $state; the last of its log:"
        { docker logs --tail 10 "$id" 2>&1 || true; } </dev/null | sed 's/^/    /'
        probe "$id" </dev/null || true
    done < <(containers '{{ .ID }} {{ .Status }}')
}

probe() { # probe CONTAINER: what its last check of health said, if it has one
    docker inspect --format '{{ range .State.Health.Log }}{{ println .Output }}{{ end }}' "$1" 2>/dev/null |
        awk 'NF { last = $0 } END { if (last) print "    check of health: " last }'
}

tell() { # where to look, and what Burrow sees
    local running
    say "healthy"
    running=$(containers '{{ .Ports }}')
    awk '{ for (i = 2; i <= NF; i++) if (split($i, port, "->") == 2 && port[2] !~ /^10901/) { # which is gRPC
               print $1, "http://" port[1]; next } }' <<<"$running"
    case $running in
        *grafana*) echo "Grafana's password of admin: $GENERATED/secrets/grafana-admin-password" ;;
    esac
    case $running in
        *burrow-exporter*) compose $GENERATED exec -T burrow-exporter burrow-exporter check --burrow.address http://burrow-api:8000 ||
            warn "Burrow does not see all that it should (yet?)" ;;
    esac
}

down() {
    local env=()
    [ ! -e $GENERATED/compose.env ] || env=(--env-file "$GENERATED/compose.env")
    docker compose --file compose/compose.yaml ${env[@]+"${env[@]}"} --profile '*' down --remove-orphans
}

deploy() {
    local fetched=
    if [ -n "$URL" ]; then
        fetch_env
        fetched=$WORK/env
    fi
    exporter_image
    rendered $NEXT "$fetched"
    images
    validate
    [ -z "$URL" ] || install_env
    render $GENERATED 2>$WORK/said || { # which has warnings too, and they were shown the first time
        cat $WORK/said >&2
        fail $HOST "rendering failed"
    }
    start
    keep_env
    tell
}

# --- the command line

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) usage && exit 0 ;;
            --render | --down) ACTION=${1#--} ;;
            --env-from | --token-file)
                [ -n "${2:-}" ] || fail $REFUSED "$1 needs a value"
                case $1 in --env-from) URL=$2 ;; *) TOKEN_FILE=$2 ;; esac
                shift
                ;;
            *) fail $REFUSED "$1 is not known; --help tells what is" ;;
        esac
        shift
    done
    case $URL in
        "" | https://*) ;;
        *) fail $REFUSED "--env-from: only https://, as .env holds secrets" ;;
    esac
    [ -n "$URL" ] || [ -z "$TOKEN_FILE" ] || fail $REFUSED "--token-file is for --env-from"
    [ "$ACTION" = deploy ] || [ -z "$URL" ] || fail $REFUSED "--env-from is no part of --$ACTION"
}

main() {
    ACTION=deploy URL='' TOKEN_FILE='' TOKEN='' MADE_ENV=''
    parse "$@"
    [ -z "$TOKEN_FILE" ] || read_token
    CDPATH='' cd "$HERE/.."
    export EXPORTER_IMAGE=${EXPORTER_IMAGE:-burrow-exporter}
    check_host
    begin
    case $ACTION in
        render) exporter_image && rendered $GENERATED ;;
        *) "$ACTION" ;;
    esac
}

main "$@"
