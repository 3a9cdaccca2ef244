"""What the running command was given: its options, the answers on its command line, and those of a file.

Cookiecutter drops an answer of a file that it cannot use, and every answer behind it, and ignores an unknown
key. Its options are in Click's current context; rendering from Python has none, and nothing is checked here.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml
from cookiecutter import config

from template_extensions.answers import (
    TEXTS,
    default,
    find_image_problems,
    find_text_problems,
    questions,
    refuse,
    shorten,
)
from template_extensions.text import yaml_string

KINDS = {
    type(None): "empty",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}
#: The answers that only the last hook carries out.
NEEDS_HOOKS = {"runtime": "package", "git": "yes"}


def check_given(answers: Mapping[str, Any]) -> str:
    """Raise an error if the command was given answers that Cookiecutter would drop or ignore.

    Values of the user's own settings, which are for other templates too, are printed instead. From here on,
    a session that is interrupted prints the command that repeats its answers.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: lists every problem.
    """
    if command := Command.current():
        if problems := list(command.find_problems()):
            refuse(problems)
        if unused := list(command.find_unused_settings()):
            print(f"Not used from {command.path}:", *(f"  * {line}" for line in unused), sep="\n", file=sys.stderr)
        if command.asks:
            command.context.call_on_close(functools.partial(_print_after_interrupt, command, answers))
    return ""


def check_typed(answers: MutableMapping[str, Any]) -> str:
    """Raise an error if an answer typed so far cannot be used; without questions, leave that to `check_answers`.

    Returns:
        An empty text, so that a template can contain the call.

    Raises:
        FailedHookException: says what to type, and shows the command that repeats the good answers.
    """
    if command := Command.current():
        command.ignore_settings(answers)
        if command.asks:
            bad = {key: list(find_text_problems(key, answers[key])) for key in TEXTS if key in answers}
            if "base_image" in answers and not bad["base_image"]:
                bad["base_image"] = list(find_image_problems(answers))
            if problems := [problem for found in bad.values() for problem in found]:
                good = {key: answer for key, answer in answers.items() if not bad.get(key)}
                refuse(problems, f"To keep the other answers, run:\n  {command.repeat(good)}")
    return ""


def check_hooks(answers: Mapping[str, Any]) -> str:
    """Raise an error if the answers need the last hook, and the command runs none.

    Returns:
        An empty text, so that a template can contain the call.
    """
    command = Command.current()
    if command and command.context.params.get("accept_hooks") == "no":
        needs = [f"{key}={answer}" for key, answer in NEEDS_HOOKS.items() if answers[key] == answer]
        if needs:
            refuse([f"{need} needs the template's hooks: omit --accept-hooks no" for need in needs])
    return ""


def git_author(fallback: str) -> str:
    """Return the user name of Git's configuration, where the question for the author can offer it."""
    try:
        result = subprocess.run(["git", "config", "user.name"], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return fallback
    name = " ".join(result.stdout.split())
    return fallback if not name or list(find_text_problems("author", name)) else name


def ignore_settings(answers: MutableMapping[str, Any]) -> str:
    """Replace what is no text in the user's own settings by the default.

    Returns:
        An empty text, so that a template can contain the call.
    """
    if command := Command.current():
        command.ignore_settings(answers)
    return ""


def is_update(answers: Mapping[str, Any]) -> bool:
    """Return whether cruft renders versions in temporary folders, only to compare them."""
    command = Command.current()
    if command:
        return command.is_cruft and bool(command.context.info_name != "create")
    # from Python: nothing tells its functions apart
    return "_commit" in answers


def keeps_failed() -> bool:
    """Return whether Cookiecutter leaves the files of a repository that it could not finish."""
    command = Command.current()
    return bool(command and command.context.params.get("keep_project_on_failure"))


class Command:
    """The command that runs: Cookiecutter's or one of cruft's."""

    def __init__(self, context: Any) -> None:
        """Read the options, and the file of answers.

        Args:
            context: Click's.
        """
        self.context = context
        options = context.params
        self.is_cruft = context.command.callback.__module__ != "cookiecutter.cli"
        self.asks = bool(options.get("cookiecutter_input", not options.get("no_input", True)))
        # cruft's are JSON
        given = options.get("extra_context") or {}
        self.answers: dict[str, str] = json.loads(given) if isinstance(given, str) else dict(given)
        self.file = options.get("config_file")
        path = "" if options.get("default_config") else str(self.file or _find_settings())
        # it may be relative, and the hooks run in another folder
        self.path: str = context.meta.setdefault(f"{__name__}.path", path and os.path.abspath(path))
        self.keys = list(questions())
        self.values = _read(self.path, yaml.SafeLoader)

    @classmethod
    def current(cls) -> Command | None:
        """Return the command that runs; None where the template is rendered from Python."""
        # Typer, on which cruft is built, has a Click of its own from 0.29 on
        for name in ("click", "typer._click.globals"):
            with contextlib.suppress(ImportError):
                if context := importlib.import_module(name).get_current_context(silent=True):
                    return cls(context)
        return None

    def find_problems(self) -> Iterator[str]:
        """Yield what is wrong with the answers on the command line and in the file that it names."""
        in_file = self.values if self.file else {}
        # cruft passes every key that it has ever had
        keys = [] if self.is_cruft else [key for key in {**in_file, **self.answers} if key not in questions()]
        problems = [_describe_unknown(str(key)) for key in keys]
        problems += [problem for _, problem in self._find_unusable(in_file)]
        yield from problems
        if problems:
            # the others, which would be found later, in the same list
            for key, text in {**in_file, **self.answers}.items():
                if key in TEXTS and isinstance(text, str) and "{" not in text:
                    yield from find_text_problems(key, text)

    def find_unused_settings(self) -> Iterator[str]:
        """Yield which values of the user's own settings Cookiecutter cannot use."""
        unusable = dict(self._find_unusable(self.values))
        yield from unusable.values()
        choices = [key for key in unusable if isinstance(questions()[key], list)]
        if choices:
            keys = list(self.values)
            behind = [key for key in keys[keys.index(choices[0]) :] if key in questions() and key not in unusable]
            if behind:
                yield f"{', '.join(behind)}: Cookiecutter drops what stands behind {choices[0]}"

    def ignore_settings(self, answers: MutableMapping[str, Any]) -> None:
        """Replace what is no text in the user's own settings by the default."""
        if not self.file:
            for key in TEXTS:
                is_due = key in answers or isinstance(self.values.get(key), dict)
                if key in self.values and is_due and not isinstance(answers.get(key), str):
                    answers[key] = default(key, answers)

    def repeat(self, answers: Mapping[str, Any]) -> str:
        """Return the command with the answers as defaults of its questions."""
        kept = {
            key: answer
            for key, answer in answers.items()
            if key in self.keys and (key in self.values or not _is_default(key, answers))
        }
        if self.is_cruft:
            arguments, options = [], iter(sys.argv[1:])
            for argument in options:
                if argument in ("--extra-context", "-e"):
                    next(options, "")
                elif not argument.startswith("--extra-context="):
                    arguments.append(argument)
            added = ["--extra-context", json.dumps({**self.answers, **kept}, ensure_ascii=False)]
        else:
            given = {f"{key}={text}" for key, text in self.answers.items()}
            arguments = [argument for argument in sys.argv[1:] if argument not in given]
            added = [f"{key}={answer}" for key, answer in kept.items()]
        return f"{self.context.find_root().info_name} {shlex.join([*arguments, *added])}"

    def _find_unusable(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the key of each value that is no text or no choice, and what to write instead."""
        texts = _read(self.path, yaml.BaseLoader)
        for key, value in values.items():
            if key not in questions():
                continue
            choices = questions()[key] if isinstance(questions()[key], list) else []
            text = texts.get(key, value)
            if isinstance(value, str):
                if choices and value not in choices:
                    written = f"no choice: write {key}: {_suggest(value, choices)}"
                    yield key, f"{key}: {shorten(value)} is {written}"
                continue
            if isinstance(value, (list, dict, type(None))) or (choices and text not in choices):
                # an answer of the same meaning, or an example
                text = {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else ""
                text = text if text in choices else _find_default(key, values)
            shown = "" if isinstance(value, (list, dict, type(None))) else f" {texts.get(key, value)}"
            yield (
                key,
                f"{key}:{shown} is {KINDS.get(type(value), 'a date')}, not text: write {key}: {yaml_string(text)}",
            )


def _find_default(key: str, values: Mapping[str, Any]) -> str:
    """Return what Enter answers to a question after those answers before it that can be used."""
    answers: dict[str, Any] = {}
    for each, question in questions().items():
        if each == key:
            break
        value = values.get(each)
        is_usable = isinstance(value, str) and (not isinstance(question, list) or value in question)
        answers[each] = value if is_usable else default(each, answers)
    return default(key, answers)


def _is_default(key: str, answers: Mapping[str, Any]) -> bool:
    try:
        return bool(answers[key] == default(key, answers))
    except FileNotFoundError:
        # at an interrupt, cruft has removed its copy of the template
        return False


def _describe_unknown(key: str) -> str:
    near = difflib.get_close_matches(key, questions(), 1)
    keys = f"did you mean {near[0]}?" if near else f"the questions are {', '.join(questions())}"
    return f"{shorten(key)} is no question: {keys}"


def _suggest(value: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(value.lower(), choices, 1)
    return " or ".join(map(yaml_string, near or choices))


def _print_after_interrupt(command: Command, answers: Mapping[str, Any]) -> None:
    """Print the command that repeats the answers if the questions were interrupted, by Ctrl-C or Ctrl-D."""
    typed = [key for key in answers if key in command.keys]
    if isinstance(sys.exc_info()[1], (KeyboardInterrupt, EOFError)) and typed and "__answers" not in answers:
        print(f"\n\nTo go on with these answers, run:\n  {command.repeat(answers)}", file=sys.stderr)


def _find_settings() -> str:
    path = os.environ.get("COOKIECUTTER_CONFIG", config.USER_CONFIG_PATH)
    return path if Path(path).exists() else ""


def _read(path: str, loader: type[yaml.SafeLoader] | type[yaml.BaseLoader]) -> dict[str, Any]:
    """Return the answers of a file, which Cookiecutter has read before."""
    content = yaml.load(Path(path).read_text(encoding="utf-8"), loader) if path else {}
    answers = content.get("default_context") if isinstance(content, dict) else {}
    return answers if isinstance(answers, dict) else {}
