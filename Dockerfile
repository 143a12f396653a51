# `docker build --tag pet-music:0.1.0 .` makes the image; docs/deploy.md says how to run it.
# The tags are exact; who wants a digest as well appends `@sha256:...` to them.

# The explorer: the assets of /graphql and /docs.
FROM node:24.19.0-trixie-slim AS explorer
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-progress
COPY web ./
RUN npm run build

# The wheel, and an environment that holds it with exactly what the lock files name.
FROM python:3.13.15-slim-trixie AS wheel
WORKDIR /build
COPY requirements requirements
RUN python -m venv tools \
    && tools/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --requirement requirements/build.txt \
    && python -m venv --without-pip /app \
    && tools/bin/uv pip install --no-cache --compile-bytecode --python /app/bin/python --require-hashes \
        --requirement requirements/runtime.txt
COPY LICENSE README.md pyproject.toml ./
COPY src src
COPY --from=explorer /build/src/pet/pages/explorer_files src/pet/pages/explorer_files
RUN tools/bin/python -m hatchling build --target wheel \
    && tools/bin/uv pip install --no-cache --compile-bytecode --python /app/bin/python --no-deps dist/*.whl

FROM python:3.13.15-slim-trixie
LABEL org.opencontainers.image.title="PET" \
    org.opencontainers.image.description="The backend of a music network: GraphQL, legacy REST and audio streaming" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT AND GPL-2.0-or-later"
# A fixed number, so that volumes keep their owner from one image to the next.
RUN groupadd --gid 10001 pet \
    && useradd --uid 10001 --gid pet --no-create-home --home-dir /data --shell /usr/sbin/nologin pet \
    && install --directory --owner pet --group pet /data /data/media
COPY --from=wheel /app /app
# There is no VOLUME: one without a name would lose what it keeps, where a missing one stops the start with a sentence.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PET_DATA_DIR=/data \
    PET_HOST=0.0.0.0 \
    PET_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PET_PORT') or 3000), timeout=4); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["pet"]
CMD ["serve"]
