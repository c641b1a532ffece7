# The base images. The digests are those of image indexes, for every architecture; Renovate updates them.
# `make image-check` replaces the images if no registry can be reached.
ARG UV_IMAGE=uv-wheel
ARG BUILD_IMAGE=docker.io/library/debian:trixie-slim@sha256:d7e12182ce18b85b93007c1dedf31f2d29e01ccf3182cc4017c709b6259bc132
# Debian's Python, certificates and C library, without a shell or a package manager.
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian13:nonroot@sha256:8ee214843129f43e2ebf5e0ca9f2e4e6d8292143d1b8a6787f169b5898578884

FROM ${BUILD_IMAGE} AS uv-wheel
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-pip \
    && rm -rf /var/lib/apt/lists/*
# uv runs as root in the build, so its wheel is verified by hash.
RUN --mount=type=bind,source=ci/uv-requirements.txt,target=/requirements.txt \
    python3 -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes --target /wheel \
        --requirement /requirements.txt \
    && mv /wheel/bin/uv /uv

FROM ${UV_IMAGE} AS uv

FROM ${BUILD_IMAGE} AS build
# The interpreter of the runtime image, at the same path, so that the runtime image can use the bytecode from here. The
# Debian release determines its version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
# The runtime image has only the source of the standard library and is read-only, which would cost half a second at each
# start. Python ignores this bytecode if its hash does not match the source.
WORKDIR /usr/lib/python3.13
RUN python3 -m compileall -q -f --invalidation-mode checked-hash . \
    && find . -name '*.pyc' -exec install -D '{}' '/opt/bytecode/{}' ';'
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/venv
WORKDIR /src
# The dependencies, in a layer that changes only with the lock. uv needs the pyproject.toml of the sandbox, the other
# package of the workspace, to check whether the lock is current.
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=/src/uv.lock \
    --mount=type=bind,source=pyproject.toml,target=/src/pyproject.toml \
    --mount=type=bind,source=sandbox/pyproject.toml,target=/src/sandbox/pyproject.toml \
    uv sync --locked --no-dev --no-install-workspace --package tgi-operator
COPY . /src
# Remove the bytecode of the Kubernetes client's typed API, a tenth of the image that nothing imports, and uv's lock
# file, which is world-writable.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-editable --package tgi-operator \
    && find /opt/venv -path '*/kubernetes/*client/api/__pycache__/*' -delete \
    && rm -f /opt/venv/.lock

FROM ${RUNTIME_IMAGE}
COPY --from=build /opt/bytecode /usr/lib/python3.13
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can verify that it is not root.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8090
ENTRYPOINT ["tgi-operator"]
CMD ["run"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tgi-operator" \
    org.opencontainers.image.description="A Kubernetes operator for HuggingFace Text Generation Inference endpoints." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
