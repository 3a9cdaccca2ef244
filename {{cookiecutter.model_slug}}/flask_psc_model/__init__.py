"""The PSC container API for a model, served by Flask.

A model is a subclass of `ModelBase`, or of `BatchModelBase` where it computes many jobs
at once; `create_app` serves it under the routes of the container specification:
`GET /status`, `POST /run` and `POST /shutdown`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .model.base import BatchModelBase, ModelBase
    from .model.metadata import load_metadata
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

#: Where the public names are. They are imported on first use: model processes do without
#: Flask, and the image's health check without YAML.
_MODULES = {
    "BatchModelBase": ".model.base",
    "ModelBase": ".model.base",
    "api": ".server.routes",
    "create_app": ".server.app",
    "load_metadata": ".model.metadata",
}


class _Package(ModuleType):
    """This module, which imports its public names on first use."""

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name], __name__), name)


# a function __getattr__ in a module does nothing on Python 3.6
sys.modules[__name__].__class__ = _Package
