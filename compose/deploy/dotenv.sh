# shellcheck shell=bash
# Of deploy.sh: `.env` fetched, put in place when it was found good, and kept when all was healthy with it.

read_token() { # a header in TOKEN, for curl's standard input: others see a process' arguments
    IFS= read -r TOKEN <"$TOKEN_FILE" || true # without a line break at its end, or not to be read
    TOKEN=${TOKEN%$'\r'}
    [ -n "$TOKEN" ] || fail $REFUSED "--token-file: $TOKEN_FILE holds no token"
    case $TOKEN in
        *:*) ;;
        *) TOKEN="PRIVATE-TOKEN: $TOKEN" ;;
    esac
}

MOST_KIB=1000 # of a fetched .env

fetch_env() { # into WORK; redirects are not followed, as the token would go along
    local answer from=${URL%%\?*}
    say "fetching .env from $from"
    (umask 077 && : >"$WORK/env")
    # Of an answer that does not tell its size, --max-filesize bounds nothing in older curls; the file's own bound does.
    answer=$(trap '' XFSZ && ulimit -f $MOST_KIB && curl --disable --silent --show-error --globoff --proto '=https' --connect-timeout 10 --max-time 60 \
        --max-filesize $((MOST_KIB * 1024)) --header @- --output "$WORK/env" --write-out '%{http_code}' --url "$URL" <<<"$TOKEN") ||
        fail $NOT_FETCHED "$from could not be fetched; what runs, and .env, stay as they are"
    case $answer in
        200) [ -s "$WORK/env" ] || fail $NOT_FETCHED "$from is empty" ;; # which would be the demo
        3??) fail $NOT_FETCHED "$from leads elsewhere (HTTP $answer), perhaps to sign in; give an address that does not" ;;
        401 | 403 | 404) fail $NOT_FETCHED "HTTP $answer from $from: is that the address, and the token in --token-file?" ;;
        *) fail $NOT_FETCHED "HTTP $answer from $from" ;;
    esac
    own "$WORK/env"
    [ -e .env ] || { MADE_ENV=yes && (umask 077 && : >.env); } # to be mounted over, a file has to be there
}

install_env() { # the fetched one, now that it was found good, in place of the present one
    if same "$WORK/env" .env; then
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
