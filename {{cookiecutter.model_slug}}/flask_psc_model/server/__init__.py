"""The HTTP server: a Flask app, run by Gunicorn."""
