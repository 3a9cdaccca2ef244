"""The PSC container API for a model, served by Flask.

A model is a class derived from `ModelBase`; `create_app` puts it behind the routes
`GET /status`, `POST /run` and `POST /shutdown` of the container specification.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any

from .metadata import load_metadata
from .model_base import ModelBase
from .version import __version__

# Flask is left out until it is asked for, since a model process has no use for it;
# Python 3.6 cannot wait
if TYPE_CHECKING or sys.version_info < (3, 7):
    from .app import create_app
    from .routes import api

__all__ = ["ModelBase", "__version__", "api", "create_app", "load_metadata"]

# a library says nothing by itself: the server that runs it shows its log
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from .app import create_app

        return create_app
    if name == "api":
        from .routes import api

        return api
    raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))
