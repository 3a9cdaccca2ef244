#!/bin/sh
# Starts the server; `exec` makes it the process that receives the container's signals.
set -eu
cd "$(dirname "$0")"
exec python -m gunicorn --config gunicorn.conf.py app:app
