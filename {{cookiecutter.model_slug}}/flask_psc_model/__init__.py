"""The PSC container API for a model, served by Flask.

A model is a subclass of `ModelBase`, or of `BatchModelBase` where it computes many jobs
at once; `create_app` serves it under the routes of the container specification:
`GET /status`, `POST /run` and `POST /shutdown`.
"""

import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .model.base import BatchModelBase, ModelBase
from .model.metadata import load_metadata
from .version import __version__

if TYPE_CHECKING:
    from .server.app import create_app
    from .server.routes import api

__all__ = [
    "BatchModelBase",
    "ModelBase",
    "__version__",
    "api",
    "create_app",
    "load_metadata",
]

# a library logs nothing by itself: the program that uses it sets up the log
logging.getLogger(__name__).addHandler(logging.NullHandler())


class _Package(ModuleType):
    """This module, which imports Flask on first use: model processes do without."""

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
