#!/bin/sh
# Builds the deb and rpm packages of the wheel in dist/, by uv and nfpm, into build/packages/: see make packages.
# One package serves every Python: compiled modules carry its version in their names, the rest is the same.
set -eu
cd "$(dirname "$0")/.."
out=build/packages
pythons=$(sed -n 's/.*Python :: \(3\.[0-9]*\)$/\1/p' setup.cfg)
rm -rf $out
for arch in amd64:x86_64 arm64:aarch64; do
    export ARCH=${arch%:*}
    rm -rf "${out:?}/lib"
    for python in $pythons; do
        rm -rf $out/target
        "$BIN/uv" pip install --quiet --target $out/target --python-version "$python" \
            --python-platform "${arch#*:}-manylinux_2_28" --only-binary :all: --require-hashes --no-deps \
            --requirement requirements.txt
        mkdir -p $out/lib
        cp -R $out/target/. $out/lib
    done
    "$BIN/python" -m zipfile --extract dist/*.whl $out/lib
    rm -rf $out/target $out/lib/bin $out/lib/.lock
    find $out/lib -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
    for format in deb rpm; do
        "$TOOLS/nfpm" package --config packaging/nfpm.yaml --packager $format --target $out
    done
done
rm -rf "${out:?}/lib"
