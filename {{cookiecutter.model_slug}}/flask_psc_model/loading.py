"""From a model factory to a model that is ready to run."""

import importlib
from typing import Any, Callable, List, Union

from .errors import ModelNotLoaded
from .model_base import INTERFACE

ModelFactory = Union[str, Callable[[], Any]]


def import_object(path: str) -> Any:
    """Import what a dotted path such as `model_lib.model.MyModel` names.

    Raises:
        ImportError: there is no such module, or nothing of that name in it.
    """
    module_name, _, name = path.replace(":", ".").rpartition(".")
    if not module_name:
        raise ImportError(
            "{!r} is not a dotted path such as model_lib.model.MyModel".format(path)
        )
    module = importlib.import_module(module_name)
    try:
        return getattr(module, name)
    except AttributeError:
        raise ImportError(
            "the module {} has nothing named {}".format(module_name, name)
        ) from None


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
            "the model could not be loaded: {}".format(describe(error))
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
    return "{}: {}".format(name, text) if text else name
