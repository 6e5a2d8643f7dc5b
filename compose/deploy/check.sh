# shellcheck shell=bash
# Of deploy.sh: what is to come is rendered aside, and shown to the programs that are to read it.

render() { # render FOLDER [ENV-FILE]: in the exporter's image, so that the host needs no Python
    docker run "${SANDBOX[@]}" --network none --user "$OWNER" --workdir /stack --env PYTHONDONTWRITEBYTECODE=1 \
        --volume "$PWD:/stack:ro" --volume "$PWD/$1:/stack/$GENERATED" ${2:+--volume "$PWD/$2:/stack/.env:ro"} \
        --entrypoint python "$EXPORTER_IMAGE" -m compose.renderer
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

secrets() { # a mount of each secret as its service has it, in the words of docker run, of what is to come
    local name path
    awk '
        /^[^ ]/ { part = $1 }
        part == "secrets:" && /^  [^ ]/ { name = $1; sub(":", "", name) }
        part == "secrets:" && /^    file: / { sub("^    file: ", ""); print name, $0 }' <<<"$CONFIG" |
        while read -r name path; do
            printf '%s\n' "--volume=${path/$GENERATED/$NEXT}:/run/secrets/$name:ro"
        done
}

in_image() { # in_image IMAGE FOLDER PLACE PROGRAM ARGUMENT...: on what is to come; NETWORK=none unless it is set
    docker run "${SANDBOX[@]}" --network "${NETWORK:-none}" --user "$OWNER" "${SECRETS[@]}" \
        --volume "$PWD/$NEXT/$2:$3:ro" --entrypoint "$4" \
        "$(sed -n "s|^ *image: \($1:.*\)|\1|p" compose/compose.yaml)" "${@:5}"
}

planned() { # planned IMAGE: whether a service with it is to run
    grep -q " $1:" <<<"$PLAN"
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
    mapfile -t SECRETS < <(secrets)
    for path in "$NEXT"/prometheus/prometheus-*.yml; do
        valid "${path##*/}" \
            in_image prom/prometheus prometheus $prometheus promtool check config "$prometheus/${path##*/}"
    done
    ! planned prom/alertmanager || valid alertmanager.yml \
        in_image prom/alertmanager alertmanager $alertmanager amtool check-config $alertmanager/alertmanager.yml
    ! planned quay.io/thanos/thanos || valid "a rule" \
        in_image quay.io/thanos/thanos prometheus $prometheus thanos tools rules-check "--rules=$prometheus/rules/*.yaml"
    validate_bucket
    validate_burrow
}

validate_bucket() { # one's own: what Thanos cannot read is refused, one that does not answer may do so later
    local said
    planned quay.io/thanos/thanos && ! planned ghcr.io/versity/versitygw || return 0
    said=$(NETWORK=bridge in_image quay.io/thanos/thanos prometheus /etc/prometheus \
        timeout 30 thanos tools bucket ls --objstore.config-file=/run/secrets/bucket.yaml --log.level=error 2>&1) && return
    case $said in
        *"parsing config"* | *unmarshal* | *"is not supported"* | *"Bucket name"*)
            fail $REFUSED "the description of the bucket is refused; nothing was touched. Thanos says: $(reason <<<"$said")"
            ;;
    esac
    warn "the bucket does not answer. Thanos says: $(reason <<<"$said")"
}

reason() { # of what Thanos logs: the error without its stack
    sed -n 's/\\n[^ ].*//; s/\\n */ /g; s/\\"/"/g; s/.* err="//p' | head -n 1
}

validate_burrow() { # it has no check of its own. Without a network it ends at once: by a panic if it cannot read this
    local image said
    image=$(awk '$1 == "burrow" { print $2 }' <<<"$PLAN")
    [ -n "$image" ] || return 0
    said=$(docker run "${SANDBOX[@]}" --network none --add-host burrow-api:127.0.0.1 --user "$OWNER" \
        --tmpfs /run/burrow:mode=1777 --volume "$PWD/$NEXT/secrets/burrow:/etc/burrow:ro" \
        --entrypoint timeout "$image" 20 /app/burrow --config-dir /etc/burrow 2>&1) || true
    case $said in
        *"panic: "*) said=$(sed -n 's/ \[recovered.*//; s/^panic: //p' <<<"$said" | head -n 1) ;;
        *"Failed reading configuration"*) said=$(grep "^Failed reading" <<<"$said") ;;
        *"Reading configuration from"*) return ;;
    esac
    fail $REFUSED "burrow.toml is refused; nothing was touched. Burrow says: $said"
}
