#!/bin/sh
# The web line of Procfile: the server of web_server.py, with counters of its own.
set -eu
export ENVIRONMENT="${ENVIRONMENT:-production}" MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
port="${PORT:-8000}"
# Several servers may start on a machine; counters of processes that are gone would be added up.
export PROMETHEUS_MULTIPROC_DIR="${PROMETHEUS_MULTIPROC_DIR:-var/metrics}/web-$port"
mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
exec python -m web_server app.web:create_server \
    --host "${BIND_ADDRESS:-0.0.0.0}" --port "$port" --workers "${WEB_WORKERS:-2}"
