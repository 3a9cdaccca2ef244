"""The filters and functions that the template adds to Cookiecutter's Jinja environment.

Cookiecutter imports `TemplateExtension`, which `_extensions` in `cookiecutter.json` names.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import cookiecutter
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

if tuple(map(int, re.findall(r"\d+", cookiecutter.__version__)[:2])) < (2, 6):
    # Cookiecutter prints the text of an ImportError, and nothing else
    raise ImportError(
        f"this template needs Cookiecutter 2.6 or later, and this is {cookiecutter.__version__}:"
        " run pip install --upgrade cookiecutter"
    )

from template_extensions import line_editing
from template_extensions.answers import check_answers
from template_extensions.existing import (
    NOTHING,
    RECORD,
    kept_files,
    record_existing_files,
    remove_unsuited,
    remove_written,
    was_empty,
)
from template_extensions.given import (
    check_given,
    check_hooks,
    check_typed,
    git_author,
    ignore_settings,
    is_update,
    keeps_failed,
)
from template_extensions.images import NO_IMAGE, Stack, base_images, full_image_name, runtime_version, tool_version
from template_extensions.rendered import check_files
from template_extensions.text import class_name, docstring, label, markdown, python_string, slug, yaml_string


class TemplateExtension(Extension):
    """The extension of Jinja that has them all."""

    def __init__(self, environment: Environment) -> None:
        """Add the filters and functions to Cookiecutter's environment."""
        super().__init__(environment)
        line_editing.enable()
        environment.globals.update(base_images=base_images, runtime_version=runtime_version, tool_version=tool_version)
        # an answer as text in a file
        environment.filters.update(
            class_name=class_name,
            docstring=docstring,
            full_image_name=full_image_name,
            label=label,
            markdown=markdown,
            python=python_string,
            slug=slug,
            yaml=yaml_string,
        )
        # what follows from the answers
        environment.filters.update(
            has_framework=_of_stack(Stack.has_framework),
            image_pins=_of_stack(Stack.image_pins),
            packages=_of_stack(Stack.packages),
            pins=_of_stack(Stack.pins),
            recommended_image=lambda answers: Stack.of(answers).recommended_image() or NO_IMAGE,
            tool_pins=_of_stack(Stack.tool_pins),
            version=_of_stack(Stack.version),
        )
        # what is done between the questions
        environment.filters.update(
            check_answers=_step(check_answers),
            check_given=check_given,
            check_hooks=check_hooks,
            check_typed=check_typed,
            git_author=git_author,
        )
        # the steps of the hooks
        environment.filters.update(
            check_files=_step(check_files),
            complete=_step(complete),
            forget_modules=_step(forget_modules),
            ignore_settings=_step(ignore_settings),
            is_update=is_update,
            kept_files=_step(kept_files),
            record_existing_files=_step(record_existing_files),
            remove_unsuited=_step(remove_unsuited),
            was_empty=_step(was_empty),
            written=written,
        )


def complete(answers: MutableMapping[str, Any]) -> str:
    """Set what follows from the answers, which a replay from an earlier version may lack.

    Returns:
        An empty text, so that a template can contain the call.
    """
    answers["__has_framework"] = "yes" if Stack.of(answers).has_framework(answers["base_image"]) else ""
    answers["__model_class"] = class_name(answers["model_name"])
    return ""


def written(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of what existed before: its `missing` are the files that were written."""
    return dict(answers.get(RECORD, NOTHING))


def _step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step of a hook that leaves nothing written when it fails, whatever the error.

    Cookiecutter removes a new folder, and only after some kinds of errors.
    """

    @functools.wraps(function)
    def step(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            if not keeps_failed():
                remove_written(next(argument for argument in arguments if isinstance(argument, Mapping)))
            if isinstance(error, FailedHookException):
                raise
            text = f"{function.__name__} failed with {type(error).__name__}: {error}; please report it."
            raise FailedHookException(f"{text} Nothing was written.") from error

    return step


def _of_stack(method: Callable[[Stack, str], Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return a filter of all answers that calls a method with the base image."""
    return lambda answers: method(Stack.of(answers), answers["base_image"])


def forget_modules(answers: Mapping[str, Any]) -> str:
    """Remove this package from `sys.modules`, so that `cruft update` imports the next version's.

    cruft renders both versions in one process and in the same folder. The bytecode is removed too, since Python
    would load it for a new source of the same size, written in the same second.

    Returns:
        An empty text, so that a template can contain the call.
    """
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{__name__}.")]:
        spec = sys.modules.pop(name).__spec__
        if spec and spec.cached:
            with contextlib.suppress(OSError):
                Path(spec.cached).unlink()
    importlib.invalidate_caches()
    return ""
