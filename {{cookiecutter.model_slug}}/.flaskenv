# Settings of `flask run`: the same address and port as the other servers.
FLASK_APP=app.py
FLASK_RUN_HOST=${PSC_MODEL_HOST:-127.0.0.1}
FLASK_RUN_PORT=${PSC_MODEL_PORT:-8080}
