"""Loads a model from its factory: a class, a function or a dotted path."""

import importlib
import importlib.util
import inspect
import logging
import math
import os
import sys
from types import ModuleType
from typing import Any, Callable, List, Tuple, Union

from ..errors import ModelNotLoaded, get_message
from .base import INTERFACE, STEPS, BatchModelBase, ModelBase

#: Seconds that `close` of a model may take.
CLOSE_SECONDS = 10

log = logging.getLogger(__name__)

ModelFactory = Union[str, Callable[[], Any]]


def import_object(path: str) -> Any:
    """Return the object at a path such as `model_lib.model.MyModel`.

    A colon may mark the end of the module: `model_lib.model:MyModel.make`.

    Raises:
        ImportError: there is no such module, or no such name in it; the message names
            `app.py`, where the path is.
    """
    module_name, name = _split(path)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            # not a module that this one imports
            raise ImportError(f"{error}: correct {path} in app.py") from None
        raise
    value: Any = module
    try:
        for part in name.split("."):
            value = getattr(value, part)
    except AttributeError:
        raise ImportError(_describe_missing_name(module, name)) from None
    return value


def _describe_missing_name(module: ModuleType, name: str) -> str:
    problem = f"the module {module.__name__} has nothing named {name}"
    models = [
        each
        for each, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
        and isinstance(value, type)
        and issubclass(value, (ModelBase, BatchModelBase))
    ]
    if len(models) == 1:
        return f"{problem}: write {module.__name__}.{models[0]} in app.py"
    return f"{problem}: correct the path in app.py"


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
    problem = "the model could not be loaded: {}"
    try:
        make = import_object(factory) if isinstance(factory, str) else factory
        fault = _find_mismatch(make) if callable(make) else ""
        if fault:
            fault = (
                f"{getattr(make, '__name__', make)}() is called without arguments, and"
                f" is {fault}: set defaults, or pass create_app a function"
                " without arguments that returns the model"
            )
        else:
            model = call_model(make)
            if is_batch_model(model):
                _complete(model)
            fault = _find_fault(model)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModelNotLoaded(problem.format(explain(error))) from error
    if fault:
        raise ModelNotLoaded(problem.format(fault))
    return model


def call_model(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of a model.

    A process that the model forked, and that comes back from there, ends here: it would
    go on as a second server.
    """
    pid = os.getpid()
    try:
        return function(*args)
    finally:
        if os.getpid() != pid:
            error = sys.exc_info()[1]
            is_fine = isinstance(error, SystemExit) and not error.code
            os._exit(0 if error is None or is_fine else 1)


def close_model(model: Any) -> None:
    """Call `close` of a model that has one; a failure is in the log only."""
    close = getattr(model, "close", None)
    if callable(close):
        try:
            call_model(close)
        except BaseException:
            log.exception("close() of the model failed")


def is_batch_model(model: Any) -> bool:
    """Return whether a model, or its class, computes batches of jobs.

    It does if it derives from `BatchModelBase`, or has all of its steps and does not
    derive from `ModelBase`: there the methods only share the names.
    """
    cls = model if isinstance(model, type) else type(model)
    if ModelBase in cls.__mro__:
        return BatchModelBase in cls.__mro__
    return all(hasattr(model, name) for name in STEPS)


def _complete(model: Any) -> None:
    """Add what `BatchModelBase` provides to a batch model that does not inherit it."""
    for name in INTERFACE[2:] + ("max_batch_size", "max_batch_delay"):
        if not hasattr(model, name):
            value = inspect.getattr_static(BatchModelBase, name)
            is_bound = hasattr(value, "__get__")
            setattr(model, name, value.__get__(model) if is_bound else value)


def _find_fault(model: Any) -> str:
    """Return why an object cannot be run as a model; nothing if it can."""
    name = type(model).__name__
    is_batch = is_batch_model(model)
    missing = [each for each in INTERFACE if not hasattr(model, each)]
    if missing:
        base = "BatchModelBase" if is_batch else "ModelBase"
        return (
            f"the factory returned an object of type {name}, which has no"
            f" {', '.join(missing)}: derive the class from flask_psc_model.{base}"
        )
    for method in ("run",) + STEPS if is_batch else ("run",):
        fault = _find_method_fault(model, method)
        if fault:
            return fault
    return _find_batch_fault(model) if is_batch else ""


def _find_method_fault(model: Any, name: str) -> str:
    """Return why a method cannot be called as the server calls it."""
    method = getattr(model, name)
    if not callable(method):
        return f"{name} of {type(model).__name__} is no method"
    function = inspect.unwrap(method)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"{name}() is async, and nothing would await it: define it without async"
    if inspect.isgeneratorfunction(function):
        return (
            f"{name}() has a yield, so that calling it does nothing: remove the yield"
        )
    inputs, outputs = as_list(model.input_filenames), as_list(model.output_filenames)
    shown = {
        "run": f"{_list('input', inputs)} and {_list('output', outputs)}",
        "preprocess": _list("input", inputs),
        "predict": "a batch",
        "postprocess": f"a result and {_list('output', outputs)}",
    }
    args = {
        "run": inputs + outputs,
        "preprocess": inputs,
        "predict": ["batch"],
        "postprocess": ["result"] + outputs,
    }
    problem = _find_mismatch(method, *args[name])
    if not problem:
        return ""
    if name in ("run", "preprocess"):
        count = _count_parameters(method, "path")
        return f"{name}() takes {count}; the model has {shown[name]}: {problem}"
    count = _count_parameters(method, "argument")
    return f"{name}() takes {count}, and is called with {shown[name]}: {problem}"


def _find_batch_fault(model: Any) -> str:
    """Return what is wrong with the limits of a batch; nothing if all is well."""
    name, size, delay = (
        type(model).__name__,
        model.max_batch_size,
        model.max_batch_delay,
    )
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        return (
            f"max_batch_size of {name} is {size!r}: set a whole number of jobs, 1 or"
            " more"
        )
    is_number = isinstance(delay, (int, float)) and not isinstance(delay, bool)
    if not is_number or not 0 <= delay < math.inf:
        return (
            f"max_batch_delay of {name} is {delay!r}: set a number of seconds, 0 or"
            " more"
        )
    return ""


def _find_mismatch(function: Callable[..., Any], *args: str) -> str:
    """Return why a function cannot be called with some arguments; nothing if it can."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError as error:
        return str(error)
    except ValueError:
        # it has no signature: one in C, for example
        pass
    return ""


def _count_parameters(function: Callable[..., Any], noun: str) -> str:
    parameters = inspect.signature(function).parameters.values()
    places = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    needed = sum(each.default is each.empty for each in places)
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return f"{needed} or more {noun}s"
    if needed < len(places):
        return f"{needed} to {len(places)} {noun}s"
    return f"{needed} {noun}{'' if needed == 1 else 's'}"


def _list(kind: str, names: List[str]) -> str:
    listed = f" ({', '.join(names)})" if names else ""
    return f"{len(names)} {kind}{'' if len(names) == 1 else 's'}{listed}"


def as_list(filenames: Any) -> List[str]:
    """Return the file names of a model as a list, also for a single string."""
    return [filenames] if isinstance(filenames, str) else list(filenames)


def describe(error: BaseException) -> str:
    """Return the type and the message of an exception."""
    name = type(error).__name__
    text = get_message(error)
    return f"{name}: {text}" if text else name


def explain(error: BaseException) -> str:
    """Return the type and the message of a model's exception, and its cure if known."""
    # imported here: only an error needs it
    from .system_packages import find_remedy

    text = describe(error)
    remedy = find_remedy(error)
    if remedy:
        text += f"; {remedy}"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        name = error.name.split(".")[0]
        if not _is_installed(name):
            text += (
                f"; add the package of {name} to requirements.in, run python -m"
                " flask_psc_model.cli.lock, and install the pins; if it is a file of"
                " this repository, the Dockerfile has to copy it"
            )
    return text


def _is_installed(module_name: str) -> bool:
    try:
        return importlib.util.find_spec(module_name) is not None
    except ValueError:
        # a module without a specification, such as `__main__`
        return True
