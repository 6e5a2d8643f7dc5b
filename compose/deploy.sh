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
DOCKER=20.10.0 COMPOSE=2.20.2 # README and docs/stack.md say the same
GENERATED=compose/generated
WORK=compose/.deploy # for the time of a run
NEXT=$WORK/generated
SANDBOX=(--rm --read-only --cap-drop ALL --security-opt no-new-privileges)

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

own() { # own PATH...: with sudo too, the checkout's files are those of its owner
    [ "$(id -u)" -ne 0 ] || chown "$OWNER" "$@"
}

begin() { # one run at a time in this checkout, with a folder of its own
    exec 9<compose
    flock --nonblock 9 || fail $HOST "another run is at work in this checkout"
    OWNER=$(stat --format %u:%g .)
    trap end EXIT
    rm -rf "$WORK"
    mkdir -m 0700 "$WORK"
    mkdir -p "$NEXT" "$GENERATED"
    own "$WORK" "$NEXT" "$GENERATED"
}

end() {
    rm -rf "$WORK"
    [ -z "$MADE_ENV" ] || [ -s .env ] || rm -f .env
}

# --- .env

read_token() { # a header in TOKEN, for curl's standard input: others see a process' arguments
    IFS= read -r TOKEN <"$TOKEN_FILE" || [ -n "$TOKEN" ] || fail $REFUSED "--token-file: $TOKEN_FILE holds no token"
    TOKEN=${TOKEN%$'\r'}
    case $TOKEN in
        *:*) ;;
        *) TOKEN="PRIVATE-TOKEN: $TOKEN" ;;
    esac
}

fetch_env() { # into WORK; redirects are not followed, as the token would go along
    local answer from=${URL%%\?*}
    say "fetching .env from $from"
    (umask 077 && : >"$WORK/env")
    answer=$(curl --disable --silent --show-error --globoff --proto '=https' --connect-timeout 10 --max-time 60 \
        --max-filesize 1000000 --header @- --output "$WORK/env" --write-out '%{http_code}' --url "$URL" <<<"$TOKEN") ||
        fail $NOT_FETCHED "$from could not be fetched; what runs, and .env, stay as they are"
    case $answer in
        200) [ -s "$WORK/env" ] || fail $NOT_FETCHED "$from is empty" ;;
        3??) fail $NOT_FETCHED "$from leads elsewhere (HTTP $answer), perhaps to sign in; give an address that does not" ;;
        401 | 403 | 404) fail $NOT_FETCHED "HTTP $answer from $from: is that the address, and the token in --token-file?" ;;
        *) fail $NOT_FETCHED "HTTP $answer from $from" ;;
    esac
    own "$WORK/env"
    [ -e .env ] || { MADE_ENV=yes && (umask 077 && : >.env); } # to be mounted over, a file has to be there
}

install_env() { # the fetched one, now that it was found good, in place of the present one
    if cmp -s "$WORK/env" .env; then
        say ".env is the same as before"
        return
    fi
    [ -e .env.last-good ] || keep_env
    mv -f "$WORK/env" .env
    say ".env is replaced"
}

keep_env() { # as .env.last-good
    [ -s .env ] || return 0
    install -m 0600 .env "$WORK/good"
    own "$WORK/good"
    mv -f "$WORK/good" .env.last-good
}

# --- images

have() { # have IMAGE
    docker image inspect "$1" >/dev/null 2>&1 </dev/null
}

digest() { # of what the exporter's image is made from
    # shellcheck disable=SC2046 # names, a word each
    find Dockerfile $(sed -n 's/^!//p' .dockerignore) -type f ! -path '*/__pycache__/*' -exec sha256sum {} + |
        LC_ALL=C sort | sha256sum | cut -c 1-16
}

exporter_image() { # built if it is not there, or not from this checkout as it is
    local want
    case $EXPORTER_IMAGE in
        */*)
            have "$EXPORTER_IMAGE" || docker pull "$EXPORTER_IMAGE" || fail $HOST "$EXPORTER_IMAGE cannot be pulled"
            return
            ;;
    esac
    want=$(digest)
    [ "$(docker image inspect --format '{{ index .Config.Labels "checkout" }}' "$EXPORTER_IMAGE" 2>/dev/null)" != "$want" ] ||
        return 0
    say "building $EXPORTER_IMAGE from this checkout"
    docker build --label "checkout=$want" --tag "$EXPORTER_IMAGE" . || fail $HOST "$EXPORTER_IMAGE cannot be built"
}

plan() { # SERVICE IMAGE built|pulled, of all that is to run
    compose $NEXT config | awk '
        /^[^ ]/ { part = $1 }
        part != "services:" { next }
        /^  [^ ]/ { service = $1; sub(":", "", service); how[service] = "pulled" }
        /^    build:/ { how[service] = "built" }
        /^    image: / { image[service] = $2 }
        END { for (service in image) print service, image[service], how[service] }'
}

lacking() { # of the lines of a plan those whose image is not here
    local service image how
    while read -r service image how; do
        have "$image" || printf '%s\n' "$service $image $how"
    done
}

images() { # releases are pinned: what is here is not asked for again, and a stack that ran needs no registry
    local missing service image how
    PLAN=$(plan) || fail $REFUSED "compose does not take what was rendered; nothing was touched"
    missing=$(lacking <<<"$PLAN")
    case $missing in
        *" pulled"*) compose $NEXT pull --ignore-buildable || true ;; # `get` says what is still missing
    esac
    while read -r service image how; do
        [ -z "$service" ] || get "$service" "$image" "$how" </dev/null
    done <<<"$missing"
}

get() { # get SERVICE IMAGE built|pulled: unless it is here by now
    ! have "$2" || return 0
    [ "$3" = built ] || fail $HOST "$2 is not here and cannot be pulled"
    case $2 in
        */*) ! docker pull "$2" || return 0 ;;
    esac
    say "building $2"
    compose $NEXT build "$1" || fail $HOST "$2 cannot be built"
}

# --- rendering, and what its readers say

render() { # render FOLDER [ENV-FILE]: in the exporter's image, so that the host needs no Python
    docker run "${SANDBOX[@]}" --network none --user "$OWNER" --workdir /stack --env PYTHONDONTWRITEBYTECODE=1 \
        --volume "$PWD:/stack:ro" --volume "$PWD/$1:/stack/$GENERATED" ${2:+--volume "$PWD/$2:/stack/.env:ro"} \
        --entrypoint python "$EXPORTER_IMAGE" -m compose.render
}

rendered() { # rendered FOLDER [ENV-FILE]: or the end; the list of faults has been shown
    local code=0
    render "$@" || code=$?
    case $code in
        0) ;;
        2) fail $REFUSED "these are faults of ${2:+the fetched }.env; nothing was touched" ;;
        *) fail $HOST "rendering failed (exit code $code)" ;;
    esac
}

in_image() { # in_image IMAGE FOLDER PLACE PROGRAM ARGUMENT...: on what is to come; NETWORK=none unless it is set
    docker run "${SANDBOX[@]}" --network "${NETWORK:-none}" --user "$OWNER" --volume "$PWD/$NEXT/$2:$3:ro" \
        --entrypoint "$4" "$(sed -n "s|^ *image: \($1:.*\)|\1|p" compose/compose.yaml)" "${@:5}"
}

valid() { # valid WHAT COMMAND...: what the command says is shown only if it does not take it
    local said
    said=$("${@:2}" 2>&1) || {
        printf '%s\n' "$said" >&2
        fail $REFUSED "$1 is refused; nothing was touched"
    }
}

validate() {
    local prometheus=/etc/prometheus alertmanager=/etc/alertmanager path
    say "checking what was rendered"
    for path in "$NEXT"/prometheus/prometheus-*.yml; do
        [ ! -e "$path" ] || valid "${path##*/}" \
            in_image prom/prometheus prometheus $prometheus promtool check config "$prometheus/${path##*/}"
    done
    [ ! -e $NEXT/alertmanager ] || valid alertmanager.yml \
        in_image prom/alertmanager alertmanager $alertmanager amtool check-config $alertmanager/alertmanager.yml
    [ ! -e $NEXT/thanos ] || valid "a rule" \
        in_image quay.io/thanos/thanos prometheus $prometheus thanos tools rules-check "--rules=$prometheus/rules/*.yaml"
    validate_bucket
    validate_burrow
}

validate_bucket() { # one's own: what Thanos cannot read is refused, one that does not answer may do so later
    local said
    [ -e compose/bucket.yaml ] && [ -e $NEXT/thanos ] || return 0
    said=$(NETWORK=bridge in_image quay.io/thanos/thanos secrets /secrets \
        timeout 30 thanos tools bucket ls --objstore.config-file=/secrets/bucket.yaml --log.level=error 2>&1) && return
    case $said in
        *"parsing config"* | *unmarshal* | *"is not supported"* | *"Bucket name"*)
            fail $REFUSED "compose/bucket.yaml is refused; nothing was touched. Thanos says: $(reason <<<"$said")"
            ;;
    esac
    warn "the bucket of compose/bucket.yaml does not answer. Thanos says: $(reason <<<"$said")"
}

reason() { # of what Thanos logs: the error without its stack
    sed -n 's/\\n[^ ].*//; s/\\n */ /g; s/\\"/"/g; s/.* err="//p' | head -n 1
}

validate_burrow() { # it has no check of its own. Without a network it ends at once: by a panic if it cannot read this
    local image said
    image=$(awk '$1 == "burrow" { print $2 }' <<<"$PLAN")
    [ -n "$image" ] || return 0
    said=$(docker run "${SANDBOX[@]}" --network none --add-host burrow-api:127.0.0.1 --user "$OWNER" \
        --tmpfs /run/burrow:mode=1777 --volume "$PWD/$NEXT/secrets:/etc/burrow:ro" \
        --entrypoint timeout "$image" 20 /app/burrow --config-dir /etc/burrow 2>&1) || true
    case $said in
        *"panic: "*) said=$(sed -n 's/^panic: \(.*\) \[recovered.*/\1/p' <<<"$said" | head -n 1) ;;
        *"Reading configuration from"*) return ;;
    esac
    fail $REFUSED "burrow.toml is refused; nothing was touched. Burrow says: $said"
}

# --- what runs

start() {
    say "starting"
    compose $GENERATED up --detach --remove-orphans --wait --wait-timeout 300 && return
    tell_unhealthy >&2
    [ ! -e .env.last-good ] || cmp -s .env .env.last-good ||
        printf '%s\n' "The last .env with which all was healthy is .env.last-good." >&2
    fail $UNHEALTHY "not all of it is healthy"
}

containers() { # containers FORMAT: a line for each
    local label='{{ index .Config.Labels "com.docker.compose.service" }}'
    # shellcheck disable=SC2046 # ids, a word each
    docker inspect --format "$label $1" $(compose $GENERATED ps --all --quiet) | sort
}

tell_unhealthy() { # which services, and the last that they said
    local service id state code health
    while read -r service id state code health; do
        case $state/$code/$health in
            running/*/healthy | exited/0/none) continue ;;
            created/*) printf '%s\n' "--- $service: not started, as what it waits for is not healthy" ;;
            *) printf '%s\n' "--- $service: $state, health: $health, exit code: $code; its last lines:" ;;
        esac
        docker logs --tail 10 "$id" 2>&1 </dev/null | sed 's/^/    /'
    done < <(containers '{{ .Id }} {{ .State.Status }} {{ .State.ExitCode }} {{ with .State.Health }}{{ .Status }}{{ else }}none{{ end }}')
}

tell() { # where to look, and what Burrow sees
    local addresses
    say "healthy"
    addresses=$(containers '{{ range .NetworkSettings.Ports }}{{ range . }} http://{{ .HostIp }}:{{ .HostPort }}{{ end }}{{ end }}')
    sed -n 's|^\(.*[^ ]\)  *\(http://[0-9.]*:[0-9]*\).*|\1 \2|p' <<<"$addresses"
    case $addresses in
        *grafana*) echo "Grafana's password of admin: $GENERATED/secrets/grafana-admin-password" ;;
    esac
    case $addresses in
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
    rendered $GENERATED
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
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    export EXPORTER_IMAGE=${EXPORTER_IMAGE:-burrow-exporter}
    check_host
    begin
    case $ACTION in
        render) exporter_image && rendered $GENERATED ;;
        *) "$ACTION" ;;
    esac
}

main "$@"
