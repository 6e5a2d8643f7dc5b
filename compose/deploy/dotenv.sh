# shellcheck shell=bash
# Part of deploy.sh: fetches `.env`, installs it if valid, and keeps a copy once the stack is healthy.

read_token() { # sets TOKEN to a header for curl's standard input, as arguments are visible to others
    IFS= read -r TOKEN <"$TOKEN_FILE" || true # no trailing line break, or not readable
    TOKEN=${TOKEN%$'\r'}
    [ -n "$TOKEN" ] || fail $REFUSED "--token-file: $TOKEN_FILE contains no token"
    case $TOKEN in
        *:*) ;;
        *) TOKEN="PRIVATE-TOKEN: $TOKEN" ;;
    esac
}

MOST_KIB=1000 # of a fetched .env

fetch_env() { # into WORK; redirects are not followed, as they would leak the token
    local answer from=${URL%%\?*}
    say "fetching .env from $from"
    (umask 077 && : >"$WORK/env")
    # Older curls ignore --max-filesize without a Content-Length, so the file size is limited as well.
    answer=$(trap '' XFSZ && ulimit -f $MOST_KIB && curl --disable --silent --show-error --globoff --proto '=https' --connect-timeout 10 --max-time 60 \
        --max-filesize $((MOST_KIB * 1024)) --header @- --output "$WORK/env" --write-out '%{http_code}' --url "$URL" <<<"$TOKEN") ||
        fail $NOT_FETCHED "$from could not be fetched; nothing was changed"
    case $answer in
        200) [ -s "$WORK/env" ] || fail $NOT_FETCHED "$from is empty" ;; # an empty one would start the demo
        3??) fail $NOT_FETCHED "$from redirects (HTTP $answer), perhaps to a login page; use a URL that does not redirect" ;;
        401 | 403 | 404) fail $NOT_FETCHED "HTTP $answer from $from: check the URL and the token in --token-file" ;;
        *) fail $NOT_FETCHED "HTTP $answer from $from" ;;
    esac
    own "$WORK/env"
    [ -e .env ] || { MADE_ENV=yes && (umask 077 && : >.env); } # a mount point must exist
}

install_env() { # replaces the current one with the valid fetched one
    if same "$WORK/env" .env; then
        say ".env is unchanged"
        return
    fi
    [ -e .env.last-good ] || keep_env
    mv -f "$WORK/env" .env
    say "replaced .env"
}

keep_env() { # as .env.last-good
    [ -s .env ] || return 0
    install -m 0600 .env "$WORK/good"
    own "$WORK/good"
    mv -f "$WORK/good" .env.last-good
}
