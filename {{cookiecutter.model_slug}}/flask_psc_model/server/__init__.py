"""The HTTP API: the Flask app, and Gunicorn below it."""
