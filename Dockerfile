# burrow_exporter as a container. The base image can be any Python 3.11 or later: --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.13.14-slim-trixie
# slim, or minimal: Python, the exporter and the libraries they load, without a shell or a package manager.
ARG VARIANT=slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# Locked dependencies first, so that they are rebuilt only when the locks change.
COPY requirements.txt requirements-build.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-build.txt \
    && pip install --no-cache-dir --require-hashes --only-binary :all: --prefix /installed --requirement requirements.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY burrow_exporter burrow_exporter
RUN pip install --no-cache-dir --no-deps --no-build-isolation --prefix /installed .

FROM ${PYTHON_IMAGE} AS slim
# Nothing is installed into a running container.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3.*/ensurepip \
    /usr/local/lib/python3.*/idlelib /usr/local/lib/python3.*/site-packages/*
COPY --from=build /installed /usr/local

FROM slim AS files
WORKDIR /files
# Without modules that the exporter does not use, and so without the libraries that only they load.
RUN mkdir -p usr/local/bin \
    && cp --archive /usr/local/bin/python3 /usr/local/bin/python3.*[0-9] /usr/local/bin/burrow-exporter usr/local/bin \
    && cp --archive /usr/local/lib usr/local \
    && find usr/local/lib -regextype posix-extended -regex '.*/python3\.[0-9]+/(config-3.*|curses|dbm|pydoc_data|sqlite3|\
tkinter|turtledemo|lib-dynload/(_curses|_dbm|_gdbm|_sqlite3|_tkinter|readline).*)' -prune -exec rm -r {} +
# hadolint ignore=DL4006 # ldd fails for files that are no programs
RUN find usr/local -type f \( -name 'python3.*' -o -name '*.so*' \) -exec ldd {} + \
        | awk '$2 == "=>" { print $3 } $1 ~ "/ld-linux" { print $1 }' | grep -v ^/usr/local | sort --unique \
        | xargs cp --dereference --parents --target-directory . \
    && cp --dereference --parents /etc/ssl/certs/ca-certificates.crt /etc/ld.so.cache .

FROM scratch AS minimal
ENV PATH=/usr/local/bin
COPY --from=files /files /

FROM ${VARIANT}
USER 65532:65532
EXPOSE 9254
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["burrow-exporter", "healthcheck"]
ENTRYPOINT ["burrow-exporter"]
# Last, as they change with each commit; `make image` sets all of them.
ARG VERSION=unreleased
ARG REVISION=unknown
ARG REPOSITORY=https://github.com/OWNER/burrow_exporter
LABEL org.opencontainers.image.title="burrow_exporter" \
      org.opencontainers.image.description="Prometheus exporter for LinkedIn Burrow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.url="${REPOSITORY}" \
      org.opencontainers.image.documentation="${REPOSITORY}/tree/main/docs" \
      org.opencontainers.image.source="${REPOSITORY}"
