"""The PSC container API for a model, served by Flask.

A model is a class derived from `ModelBase`; `create_app` puts it behind the routes
`GET /status`, `POST /run` and `POST /shutdown` of the container specification.
"""

import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .model.base import ModelBase
from .model.metadata import load_metadata
from .version import __version__

if TYPE_CHECKING:
    from .server.app import create_app
    from .server.routes import api

__all__ = ["ModelBase", "__version__", "api", "create_app", "load_metadata"]

# a library says nothing by itself: the server that runs it shows its log
logging.getLogger(__name__).addHandler(logging.NullHandler())


class _Package(ModuleType):
    """This module, which imports Flask when it is first needed: a model's process never does."""

    def __getattr__(self, name: str) -> Any:
        if name == "create_app":
            from .server.app import create_app

            return create_app
        if name == "api":
            from .server.routes import api

            return api
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# a function __getattr__ in a module does nothing on Python 3.6
sys.modules[__name__].__class__ = _Package
