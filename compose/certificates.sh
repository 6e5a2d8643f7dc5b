#!/bin/sh
# Creates the certificates with which several hosts authenticate (docs/hosts.md): certificates.sh FOLDER NAME...
# Creates a CA for the stack in FOLDER, unless it has one, and for each NAME a certificate NAME.pem with its key
# NAME-key.pem. All certificates carry the one name that the hosts verify.
set -eu
umask 077

if [ $# -lt 2 ]; then
    echo "usage: $0 FOLDER NAME..." >&2
    exit 2
fi
folder=$1
shift
for name; do
    [ "$name" != ca ] || { echo "a host cannot be named ca: it would overwrite the CA's key" >&2 && exit 2; }
done
mkdir -p "$folder"
CDPATH='' cd "$folder"

key() { # key FILE
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

if [ ! -e ca-key.pem ]; then
    key ca-key.pem
    openssl req -new -x509 -key ca-key.pem -sha256 -days 3650 -subj "/CN=burrow-stack CA" -out ca.pem
fi
extensions=$(mktemp)
trap 'rm -f "$extensions"' EXIT
cat >"$extensions" <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:burrow-stack
END
for name; do
    key "$name-key.pem"
    openssl req -new -key "$name-key.pem" -subj "/CN=$name" |
        openssl x509 -req -CA ca.pem -CAkey ca-key.pem -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 3650 \
            -extfile "$extensions" -out "$name.pem"
    openssl verify -CAfile ca.pem "$name.pem"
done
