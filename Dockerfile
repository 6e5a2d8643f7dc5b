# burrow_exporter as a container. The base image can be any Python 3.11 or later: --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.13.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# Locked dependencies first, so that they are rebuilt only when the locks change.
COPY requirements.txt requirements-build.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-build.txt \
    && pip install --no-cache-dir --require-hashes --only-binary :all: --prefix /installed --requirement requirements.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY burrow_exporter burrow_exporter
RUN pip install --no-cache-dir --no-deps --no-build-isolation --prefix /installed .

FROM ${PYTHON_IMAGE}
# Nothing is installed into a running container.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3.*/ensurepip \
    /usr/local/lib/python3.*/idlelib /usr/local/lib/python3.*/site-packages/*
COPY --from=build /installed /usr/local
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
