"""Gunicorn's settings; see https://docs.gunicorn.org/en/stable/settings.html."""

from flask_psc_model.server import gunicorn as psc

globals().update(psc.settings(__file__))

# Your own settings go below and win. A hook of yours runs after the server's own.
