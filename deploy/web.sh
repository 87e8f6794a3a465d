#!/bin/sh
# The web line of Procfile: the server of web_server.py, with counters of its own.
set -eu
export ENVIRONMENT="${ENVIRONMENT:-production}" MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
port="${PORT:-8000}"
# Several servers may start on a machine; counters of processes that are gone would be added up.
export PROMETHEUS_MULTIPROC_DIR="${PROMETHEUS_MULTIPROC_DIR:-var/metrics}/web-$port"
mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
# Visitors must not reach the web past a proxy that says which address is theirs.
[ "${PROXY_HOPS:-0}" = 0 ] && at=0.0.0.0 || at=127.0.0.1
exec python -m web_server app.web:create_server \
    --host "${BIND_ADDRESS:-$at}" --port "$port" --workers "${WEB_WORKERS:-2}"
