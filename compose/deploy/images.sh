# shellcheck shell=bash
# Part of deploy.sh: pulls or builds missing images.

have() { # have IMAGE...: all of them
    docker image inspect "$@" >/dev/null 2>&1 </dev/null
}

digest() { # of the sources of the exporter's image
    # shellcheck disable=SC2046 # names, a word each
    find Dockerfile $(sed -n 's/^!//p' .dockerignore) -type f ! -path '*/__pycache__/*' -exec sha256sum {} + |
        LC_ALL=C sort | sha256sum | cut -c 1-16
}

exporter_image() { # built if missing or not built from this checkout
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

plan() { # SERVICE IMAGE built|pulled, for all services to run
    awk '
        /^[^ ]/ { part = $1 }
        part != "services:" { next }
        /^  [^ ]/ { service = $1; sub(":", "", service); how[service] = "pulled" }
        /^    build:/ { how[service] = "built" }
        /^    image: / { image[service] = $2 }
        END { for (service in image) print service, image[service], how[service] }' <<<"$CONFIG"
}

lacking() { # entries of the plan whose image is missing
    local service image how
    # shellcheck disable=SC2046 # names, a word each
    ! have $(awk '{ print $2 }' <<<"$PLAN") || return 0
    while read -r service image how; do
        have "$image" || printf '%s\n' "$service $image $how"
    done <<<"$PLAN"
}

images() { # releases are pinned, so existing images are not pulled again and a running stack needs no registry
    local missing service image how
    CONFIG=$(compose $NEXT config) || fail $REFUSED "docker compose rejects the rendered configuration; nothing was changed"
    PLAN=$(plan)
    missing=$(lacking)
    case $missing in
        *" pulled"*) compose $NEXT pull --ignore-buildable || true ;; # `get` reports what is still missing
    esac
    while read -r service image how; do
        [ -z "$service" ] || get "$service" "$image" "$how" </dev/null
    done <<<"$missing"
}

get() { # get SERVICE IMAGE built|pulled: unless it is available by now
    ! have "$2" || return 0
    [ "$3" = built ] || fail $HOST "$2 is not available locally and cannot be pulled"
    case $2 in
        */*) ! docker pull "$2" || return 0 ;;
    esac
    say "building $2"
    compose $NEXT build "$1" || fail $HOST "$2 cannot be built"
}
