#!/bin/sh
# Starts the server; `exec` lets it receive the container's signals.
set -eu
cd "$(dirname "$0")"
exec python -m gunicorn --config gunicorn.conf.py app:app
