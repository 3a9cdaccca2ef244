# Settings of `flask run`. Its address and port are PSC_MODEL_HOST and PSC_MODEL_PORT.
FLASK_APP=app.py
