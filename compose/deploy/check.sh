# shellcheck shell=bash
# Part of deploy.sh: renders the new configuration to a separate folder and validates it.

render() { # render FOLDER [ENV-FILE]: in the exporter's image, so the host needs no Python
    docker run "${SANDBOX[@]}" --network none --user "$OWNER" --workdir /stack --env PYTHONDONTWRITEBYTECODE=1 \
        --volume "$PWD:/stack:ro" --volume "$PWD/$1:/stack/$GENERATED" ${2:+--volume "$PWD/$2:/stack/.env:ro"} \
        --entrypoint python "$EXPORTER_IMAGE" -m compose.renderer
}

rendered() { # rendered FOLDER [ENV-FILE]: or exit; the errors have been printed
    local code=0
    render "$@" || code=$?
    case $code in
        0) ;;
        2) fail $REFUSED "invalid ${2:+fetched }.env; nothing was changed" ;;
        *) fail $HOST "rendering failed (exit code $code)" ;;
    esac
}

secrets() { # docker run options that mount each new secret as its service does
    local name path
    awk '
        /^[^ ]/ { part = $1 }
        part == "secrets:" && /^  [^ ]/ { name = $1; sub(":", "", name) }
        part == "secrets:" && /^    file: / { sub("^    file: ", ""); print name, $0 }' <<<"$CONFIG" |
        while read -r name path; do
            printf '%s\n' "--volume=${path/$GENERATED/$NEXT}:/run/secrets/$name:ro"
        done
}

in_image() { # in_image IMAGE FOLDER PLACE PROGRAM ARGUMENT...: with the new configuration; NETWORK defaults to none
    docker run "${SANDBOX[@]}" --network "${NETWORK:-none}" --user "$OWNER" "${SECRETS[@]}" \
        --volume "$PWD/$NEXT/$2:$3:ro" --entrypoint "$4" \
        "$(sed -n "s|^ *image: \($1:.*\)|\1|p" compose/compose.yaml)" "${@:5}"
}

planned() { # planned IMAGE: whether a service will use it
    grep -q " $1:" <<<"$PLAN"
}

valid() { # valid WHAT COMMAND...: prints the command's output only if it fails
    local said
    said=$("${@:2}" 2>&1) || {
        printf '%s\n' "$said" >&2
        fail $REFUSED "$1 is invalid; nothing was changed"
    }
}

validate() {
    local prometheus=/etc/prometheus alertmanager=/etc/alertmanager path
    say "validating the rendered configuration"
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

validate_bucket() { # your own bucket: an invalid configuration fails, an unreachable bucket only warns
    local said
    planned quay.io/thanos/thanos && ! planned ghcr.io/versity/versitygw || return 0
    said=$(NETWORK=bridge in_image quay.io/thanos/thanos prometheus /etc/prometheus \
        timeout 30 thanos tools bucket ls --objstore.config-file=/run/secrets/bucket.yaml --log.level=error 2>&1) && return
    case $said in
        *"parsing config"* | *unmarshal* | *"is not supported"* | *"Bucket name"*)
            fail $REFUSED "the bucket configuration is invalid; nothing was changed. Thanos says: $(reason <<<"$said")"
            ;;
    esac
    warn "the bucket does not respond. Thanos says: $(reason <<<"$said")"
}

reason() { # the error in Thanos' log, without the stack trace
    sed -n 's/\\n[^ ].*//; s/\\n */ /g; s/\\"/"/g; s/.* err="//p' | head -n 1
}

validate_burrow() { # Burrow has no validation. Without a network it exits at once, with a panic if it cannot read this
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
    fail $REFUSED "burrow.toml is invalid; nothing was changed. Burrow says: $said"
}
