"""Spares Jinja the work on templates that hold no mark: nearly every file's name, and every file of the runtime.

Cookiecutter loads this module by the name in `cookiecutter.json` (`_extensions`).
Without it, rendering takes a third longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from jinja2 import Environment, Template
from jinja2.ext import Extension
from jinja2.runtime import Context


class PlainText(str):
    """What stands for the code of a template that is nothing but a text."""

    def root(self, context: Context) -> Iterator[str]:
        """Do what the code would do; Jinja calls it where a template includes this one."""
        yield str(self)


class AnyTemplate(Template):
    """A template, with or without marks."""

    @classmethod
    def from_code(cls, environment: Environment, code: Any, *arguments: Any) -> Template:
        """Make a template of what `PlainTemplates.compile` returned; the arguments are those of the base class."""
        if not isinstance(code, PlainText):
            return super().from_code(environment, code, *arguments)
        module: dict[str, Any] = {"name": None, "root": code.root, "blocks": {}, "debug_info": "", "__file__": ""}
        template = cast(PlainTemplate, PlainTemplate.from_module_dict(environment, module, *arguments[:1]))
        template.text = str(code)
        return template


class PlainTemplate(Template):
    """A template without a mark."""

    text: str

    def render(self, *_: Any, **__: Any) -> str:
        """Return the text, whatever the variables are."""
        return self.text


class PlainTemplates(Extension):
    """Lets a template without a mark be what it is: one text."""

    def __init__(self, environment: Environment) -> None:
        """Stand before Jinja's compiler, in Cookiecutter's environment."""
        super().__init__(environment)
        self._compile_marked = environment.compile
        self._marks = (
            environment.variable_start_string,
            environment.block_start_string,
            environment.comment_start_string,
            # Jinja would replace it
            "\r",
        )
        environment.compile = self.compile  # type: ignore[method-assign]
        environment.template_class = AnyTemplate

    def compile(self, source: Any, *arguments: Any, **options: Any) -> Any:
        """Compile a template; the arguments are those of `Environment.compile`."""
        if isinstance(source, str) and not any(mark in source for mark in self._marks):
            return PlainText(source)
        return self._compile_marked(source, *arguments, **options)
