# hunter in a container: docker build -t okx-hunter:0.1.0 .   or: docker compose up -d
#
# Two stages: the first has a compiler and builds the wheel with its compiled half, the second has
# neither. Everything comes from locks with hashes. The interpreter is of the minor version that the
# tests run on; where images are pinned, pin the base by its digest.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /tools && python -m venv /hunter
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
# The locks first: a change of the sources does not install everything anew.
COPY requirements/build.lock requirements/service.lock requirements/
RUN /tools/bin/pip install --require-hashes --no-deps -r requirements/build.lock \
    && /hunter/bin/pip install --require-hashes --no-deps -r requirements/service.lock
# hunter.toml: what `hunter init` writes is a link to it.
COPY pyproject.toml README.md LICENSE hunter.toml ./
COPY hunter hunter
COPY supervisor supervisor
# Without the compiled half, which an installation may do without, an image would be a mistake.
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /hunter/bin/pip install --no-deps --no-index /wheels/*.whl \
    && cd / && /hunter/bin/python -c "from hunter.native import kernel; assert kernel is not None"

FROM python:${PYTHON_VERSION}-slim-bookworm
RUN groupadd --system --gid 10001 hunter \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/hunter --no-create-home \
        --shell /usr/sbin/nologin hunter \
    && install -d -o hunter -g hunter -m 0700 /run/hunter /var/lib/hunter /var/lib/hunter-token
COPY --from=build /hunter /hunter
COPY configs/docker/hunter.toml /etc/hunter/hunter.toml
# HUNTER_CONFIG is for `docker exec`: hunter status, logs, stop.
ENV PATH=/hunter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HUNTER_CONFIG=/etc/hunter/hunter.toml
USER 10001:10001
WORKDIR /
EXPOSE 8787
# The supervisor is process 1 itself: it reaps what others leave, SIGTERM stops the actors in order.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["hunter", "check"]
ENTRYPOINT ["hunter"]
CMD ["start", "-c", "/etc/hunter/hunter.toml"]
