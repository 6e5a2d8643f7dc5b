#!/usr/bin/env bash
# Deploys the stack of this checkout on a host with docker, docker compose and bash 4.2 or later. New configuration is
# rendered to a separate folder and validated by the programs that will read it, before anything that runs is changed.
# Never deletes data.
set -euo pipefail

usage() {
    cat <<'END'
compose/deploy.sh [--env-from URL [--token-file FILE]]
compose/deploy.sh --render | --down | --help

Starts or updates the stack according to `.env` (docs/stack.md), and waits until all services are healthy.

  --env-from URL     fetch `.env` from an https URL first; it replaces the current one only if it is valid.
                     For a GitLab snippet: https://gitlab.example.org/api/v4/snippets/ID/raw
  --token-file FILE  token for --env-from, sent as PRIVATE-TOKEN; or a whole header, such as Authorization: Bearer ...
  --render           only render compose/generated
  --down             stop the stack and keep its data
  --help             show this help

Environment: COMPOSE_PROJECT_NAME for a second stack on this host; EXPORTER_IMAGE and BURROW_IMAGE for your own images:
one with a / in its name is pulled, any other is built here; CURL_CA_BUNDLE and https_proxy, as in curl.

Exit codes: 0 healthy; 1 this host does not meet the requirements; 2 invalid configuration, with the errors listed;
3 `.env` could not be fetched; 4 started, but not healthy. With 1, 2 and 3 nothing that runs was changed.
END
}

HOST=1 REFUSED=2 NOT_FETCHED=3 UNHEALTHY=4
DOCKER=20.10 COMPOSE=2.20.2 # the first compose that supports `required: false`; also in docs/stack.md
GENERATED=compose/generated
WORK=compose/.deploy # during a run
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

compose() { # compose FOLDER ARGUMENT...: with that folder's configuration; the shell's environment does not override it
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
        fail $HOST "docker does not respond; is it running, and are you in its group? Error: $version"
    at_least "$version" $DOCKER || fail $HOST "docker is $version; $DOCKER or later is required"
    version=$(docker compose version --short 2>/dev/null) ||
        fail $HOST "docker compose is not installed: install docker-compose-plugin or docker-compose-v2"
    at_least "$version" $COMPOSE || fail $HOST "docker compose is $version; $COMPOSE or later is required"
}

same() { # same FILE FILE
    [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

own() { # own PATH...: keep the checkout's owner, even under sudo
    [ "$(id -u)" -ne 0 ] || chown "$OWNER" "$@"
}

begin() { # one run at a time per checkout, with its own work folder
    exec 9<compose
    flock --nonblock 9 || fail $HOST "another run is in progress in this checkout"
    OWNER=$(stat --format %u:%g .)
    umask 022 # nobody else may write rendered files, whatever the shell's umask
    trap end EXIT
    rm -rf "$WORK"
    mkdir -m 0700 "$WORK"
    mkdir -p "$NEXT" "$GENERATED"
    chmod go-w "$NEXT" "$GENERATED" # may exist from a run with another umask
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
    [ ! -e .env.last-good ] || same .env .env.last-good || warn "the last healthy .env is .env.last-good"
    fail $UNHEALTHY "not all services are healthy"
}

containers() { # containers FORMAT: one line each, starting with the service
    local ours
    ours=$(compose $GENERATED ps --all --quiet | sed 's/^/--filter=id=/') || true
    [ -n "$ours" ] || return 0 # without a filter, docker ps would list all containers
    # shellcheck disable=SC2086 # ids, a word each
    docker ps --all --format "{{ .Label \"com.docker.compose.service\" }} $1" $ours | sort
}

tell_unhealthy() { # unhealthy services, with the end of their logs
    local service id state
    while read -r service id state; do
        case $state in
            Up*"(healthy)"* | "Exited (0)"*) continue ;;
            Created*) printf '%s\n' "--- $service: not started" && continue ;;
        esac
        printf '%s\n' "--- $service: $state; end of its log:"
        { docker logs --tail 10 "$id" 2>&1 || true; } </dev/null | sed 's/^/    /'
        probe "$id" </dev/null || true
    done < <(containers '{{ .ID }} {{ .Status }}')
}

probe() { # probe CONTAINER: output of its last health check, if any
    docker inspect --format '{{ range .State.Health.Log }}{{ println .Output }}{{ end }}' "$1" 2>/dev/null |
        awk 'NF { last = $0 } END { if (last) print "    health check: " last }'
}

tell() { # addresses, and what Burrow sees
    local running
    say "healthy"
    running=$(containers '{{ .Ports }}')
    awk '{ for (i = 2; i <= NF; i++) if (split($i, port, "->") == 2 && port[2] !~ /^10901/) { # except gRPC
               print $1, "http://" port[1]; next } }' <<<"$running"
    case $running in
        *grafana*) echo "Grafana password of user admin: $GENERATED/secrets/grafana-admin-password" ;;
    esac
    case $running in
        *burrow-exporter*) compose $GENERATED exec -T burrow-exporter burrow-exporter check --burrow.address http://burrow-api:8000 ||
            warn "Burrow does not see everything yet" ;;
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
    render $GENERATED 2>$WORK/said || { # stderr holds warnings too, already shown before
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
            *) fail $REFUSED "$1 is not a valid option; see --help" ;;
        esac
        shift
    done
    case $URL in
        "" | https://*) ;;
        *) fail $REFUSED "--env-from: must be an https URL, as .env contains secrets" ;;
    esac
    [ -n "$URL" ] || [ -z "$TOKEN_FILE" ] || fail $REFUSED "--token-file requires --env-from"
    [ "$ACTION" = deploy ] || [ -z "$URL" ] || fail $REFUSED "--env-from cannot be used with --$ACTION"
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
