"""Loads a model from its factory: a class, a function or a dotted path."""

import importlib
import importlib.util
import sys
from typing import Any, Callable, List, Tuple, Union

from ..errors import ModelNotLoaded
from .base import INTERFACE

ModelFactory = Union[str, Callable[[], Any]]


def import_object(path: str) -> Any:
    """Return the object at a path such as `model_lib.model.MyModel`.

    A colon may mark the end of the module: `model_lib.model:MyModel.make`.

    Raises:
        ImportError: there is no such module, or no such name in it.
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
    """Return the path from which another process can import a factory.

    Raises:
        ValueError: there is none: a function defines the factory, for example.
    """
    if isinstance(factory, str):
        return factory
    module_name = getattr(factory, "__module__", "")
    path = f"{module_name}:{getattr(factory, '__qualname__', '')}"
    try:
        if import_object(path) is factory:
            return path
    except ImportError:
        pass
    raise ValueError(
        f"the model process cannot import {factory!r}: pass create_app a dotted path,"
        " or a class or function that a module defines"
    )


def find_module_file(factory: ModelFactory) -> str:
    """Return the path of a factory's module, without importing it.

    Returns:
        The path, empty if there is none.
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
    """Return the model that a factory returns.

    Args:
        factory: a class or another callable without arguments, or its dotted path.

    Raises:
        ModelNotLoaded: the factory failed, or did not return a model.
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
            f"the model could not be loaded: {factory} returned an object of type"
            f" {type(model).__name__}, which has no {', '.join(missing)}: derive the"
            " class from flask_psc_model.ModelBase"
        )
    return model


def as_list(filenames: Any) -> List[str]:
    """Return the file names of a model as a list, also for a single string."""
    return [filenames] if isinstance(filenames, str) else list(filenames)


def describe(error: BaseException) -> str:
    """Return the type and the message of an exception."""
    name = type(error).__name__
    text = str(error).strip()
    return f"{name}: {text}" if text else name
