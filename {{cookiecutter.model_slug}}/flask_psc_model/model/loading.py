"""From a model factory to a model that is ready to run."""

import importlib
import importlib.util
import sys
from typing import Any, Callable, List, Tuple, Union

from ..errors import ModelNotLoaded
from .base import INTERFACE

ModelFactory = Union[str, Callable[[], Any]]


def import_object(path: str) -> Any:
    """Import what a path such as `model_lib.model.MyModel` names.

    A colon may stand where the module ends: `model_lib.model:MyModel.make`.

    Raises:
        ImportError: there is no such module, or nothing of that name in it.
    """
    module_name, name = _split(path)
    value = importlib.import_module(module_name)
    try:
        for part in name.split("."):
            value = getattr(value, part)
    except AttributeError:
        raise ImportError(
            f"the module {module_name} has nothing named {name}"
        ) from None
    return value


def to_path(factory: ModelFactory) -> str:
    """Return the path by which another process can import a factory.

    Raises:
        ValueError: there is none, since it is made within a function.
    """
    if isinstance(factory, str):
        return factory
    path = "{}:{}".format(
        getattr(factory, "__module__", ""), getattr(factory, "__qualname__", "")
    )
    try:
        if import_object(path) is factory:
            return path
    except ImportError:
        pass
    raise ValueError(
        f"the model is loaded in a process of its own, which cannot import {factory!r}: pass"
        " create_app its dotted path, or a class or function of a module"
    )


def find_module_file(factory: ModelFactory) -> str:
    """Find the file of the module of a factory, without importing the module.

    Returns:
        Its path, empty where there is none.
    """
    if not isinstance(factory, str):
        module = sys.modules.get(getattr(factory, "__module__", ""))
        return getattr(module, "__file__", None) or ""
    try:
        spec = importlib.util.find_spec(_split(factory)[0])
    except (ImportError, ValueError, AttributeError):
        return ""
    return (spec and spec.origin) or ""


def _split(path: str) -> Tuple[str, str]:
    module_name, _, name = path.rpartition(":" if ":" in path else ".")
    if not module_name:
        raise ImportError(
            f"{path!r} is not a dotted path such as model_lib.model.MyModel"
        )
    return module_name, name


def load_model(factory: ModelFactory) -> Any:
    """Make the model.

    Args:
        factory: a class or another callable without arguments, or the dotted path
            of one.

    Raises:
        ModelNotLoaded: the factory failed, or what it made is no model.
    """
    try:
        make = import_object(factory) if isinstance(factory, str) else factory
        model = make()
    except (Exception, SystemExit) as error:
        raise ModelNotLoaded(
            f"the model could not be loaded: {describe(error)}"
        ) from error
    missing = [name for name in INTERFACE if not hasattr(model, name)]
    if missing:
        raise ModelNotLoaded(
            "the model could not be loaded: {} made {}, which has no {}; derive the"
            " class from flask_psc_model.ModelBase".format(
                factory, type(model).__name__, ", ".join(missing)
            )
        )
    return model


def as_list(filenames: Any) -> List[str]:
    """Return the file names of a model, of which one may stand without a list."""
    return [filenames] if isinstance(filenames, str) else list(filenames)


def describe(error: BaseException) -> str:
    """Say what an exception is, also where it carries no message."""
    name = type(error).__name__
    text = str(error).strip()
    return f"{name}: {text}" if text else name
