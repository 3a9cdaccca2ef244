"""The PSC container API for a model, served by Flask.

A model is a class derived from `ModelBase`; `create_app` puts it behind the routes
`GET /status`, `POST /run` and `POST /shutdown` of the container specification.
"""

import logging

from .app import create_app
from .metadata import load_metadata
from .model_base import ModelBase
from .routes import api
from .version import __version__

__all__ = ["ModelBase", "__version__", "api", "create_app", "load_metadata"]

# a library says nothing by itself: the server that runs it shows its log
logging.getLogger(__name__).addHandler(logging.NullHandler())
