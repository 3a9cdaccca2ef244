"""The questions, typed at a real terminal: a typo at each, Ctrl-C at each, and nothing lost that could be kept."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from repository import QUESTIONS, ROOT, Repository
from rich.console import Console
from test_update import Folder

from template_extensions import line_editing

pytestmark = pytest.mark.command

KEYS = [key for key in QUESTIONS if not key.startswith("_")]
#: What is typed at each question in a good session; the choices are numbers.
TYPED = {
    "model_name": "Leaf Finder",
    "model_slug": "leaf",
    "description": 'Finds "rust" & mildew',
    "author": "Zoë O'Hara",
    "framework": "2",
    "python_version": "3",
    "accelerator": "1",
    "image_registry": "1",
    "base_image": "registry.example.com/python:3.11",
    "runtime": "2",
    "ci": "3",
    "git": "1",
    "container_user": "root",
}
#: An answer to each text that cannot be used, and what the message says.
TYPOS = {
    "model_name": ("{{ name }}", "model_name contains {{"),
    "model_slug": ("My Leaf", 'model_slug "My Leaf" cannot name a folder and an image'),
    "description": ("{% x %}", "description contains {{"),
    "author": ("{# x", "author contains {{"),
    "base_image": ("no image", 'base_image "no image" is not the name of an image'),
    "container_user": ("no body", "container_user"),
}
INTERRUPT = "\x03"
#: After how many seconds of silence Ctrl-C is pressed again: Python may miss one that comes with the question.
PATIENCE = 10


class Session:
    """Cookiecutter, or cruft, at a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str | Path, module: str = "cookiecutter", **variables: str) -> None:
        """Start the command, with settings and a home of its own, in a folder."""
        self.shown = ""
        self._raw = b""
        self._position = 0
        self._last_typed = ""
        self._terminal, theirs = pty.openpty()
        environment = {
            **os.environ,
            "HOME": str(folder),
            "TERM": "xterm",
            "COLUMNS": "300",
            "LINES": "50",
            "PYTHONUTF8": "1",
            **variables,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *(arguments or (ROOT,))],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> Session:
        """Return the session."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def answer(self, key: str, text: str) -> str:
        """Wait for a question, and type; return what the question shows."""
        question = self._read_until(rf"\[{KEYS.index(key) + 1}/{len(KEYS)}\](?s:.)*?\)(?: \(.*\))?: ")
        self._type(text if text == INTERRUPT else f"{text}\n")
        return question

    def finish(self) -> int:
        """Read the rest; return the exit status."""
        self._read_until(None)
        return self._process.wait(timeout=60)

    def _type(self, text: str) -> None:
        os.write(self._terminal, text.encode())
        self._last_typed = text

    def _read_until(self, pattern: str | None) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = pattern and re.search(pattern, self.shown[self._position :])
            if found:
                self._position += found.end()
                return found[0]
            if not select.select([self._terminal], [], [], PATIENCE)[0]:
                if self._last_typed == INTERRUPT:
                    self._type(INTERRUPT)
                continue
            try:
                self._raw += os.read(self._terminal, 65536)
            except OSError:
                assert pattern is None, self.shown
                return ""
            text = self._raw.decode("utf-8", "replace").replace("\r\n", "\n")
            self.shown = re.sub(r"\x1b\[[0-9;?]*[mhl]", "", text)
        raise AssertionError(self.shown)


def replay(folder: Path) -> dict[str, str]:
    """Return the answers of the last session."""
    (saved,) = (folder / ".cookiecutter_replay").glob("*.json")
    answers = json.loads(saved.read_text(encoding="utf-8"))["cookiecutter"]
    return {key: answers[key] for key in KEYS}


def typed(key: str) -> str:
    """Return the answer that the keys of `TYPED` give."""
    return QUESTIONS[key][int(TYPED[key]) - 1] if isinstance(QUESTIONS[key], list) else TYPED[key]


def command_after(shown: str, words: str) -> list[str]:
    """Return the arguments of the command that is shown after some words."""
    line = shown.partition(words)[2].strip().splitlines()[0]
    return shlex.split(line)[1:]


def continue_session(folder: Path, arguments: list[str], first: str) -> None:
    """Run a command that repeats answers: press Enter for each of them, and type the others."""
    with Session(folder, *arguments) as session:
        for key in KEYS[: KEYS.index(first)]:
            session.answer(key, "")
        for key in KEYS[KEYS.index(first) :]:
            session.answer(key, TYPED[key])
        assert session.finish() == 0, session.shown
    assert replay(folder) == {key: typed(key) for key in KEYS}


def test_a_session_without_a_mistake_gives_what_was_typed(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for key in KEYS:
            session.answer(key, TYPED[key])
        assert session.finish() == 0, session.shown
    assert replay(tmp_path) == {key: typed(key) for key in KEYS}
    assert "leaf/" in session.shown
    assert Repository(tmp_path / "leaf").metadata()["author"] == TYPED["author"]


@pytest.mark.parametrize("wrong", [key for key in KEYS if key in TYPOS])
def test_a_typo_is_refused_before_the_next_question_and_the_other_answers_are_kept(wrong: str, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for key in KEYS[: KEYS.index(wrong)]:
            session.answer(key, TYPED[key])
        session.answer(wrong, TYPOS[wrong][0])
        assert session.finish() == 1, session.shown
    assert TYPOS[wrong][1] in session.shown
    assert f"[{KEYS.index(wrong) + 2}/" not in session.shown
    assert "Traceback" not in session.shown
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    continue_session(tmp_path, command_after(session.shown, "To keep the other answers, run:"), wrong)


@pytest.mark.parametrize("wrong", [key for key in KEYS if isinstance(QUESTIONS[key], list)])
def test_a_number_that_is_no_choice_is_asked_for_again(wrong: str, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for key in KEYS[: KEYS.index(wrong)]:
            session.answer(key, "")
        session.answer(wrong, "99")
        session.answer(wrong, INTERRUPT)
        session.finish()
    assert "Please select one of the available options" in session.shown


@pytest.mark.parametrize("last", KEYS)
def test_ctrl_c_at_any_question_loses_no_answer(last: str, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for key in KEYS[: KEYS.index(last)]:
            session.answer(key, TYPED[key])
        session.answer(last, INTERRUPT)
        assert session.finish() == 1, session.shown
    assert "Aborted!" in session.shown
    assert "Traceback" not in session.shown
    words = "To go on with these answers, run:"
    if last == KEYS[0]:
        assert words not in session.shown
    else:
        continue_session(tmp_path, command_after(session.shown, words), last)


def test_the_template_may_be_gone_before_the_command_ends(template: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", template.parent, template.name)
    with Session(tmp_path, archive) as session:
        for key in KEYS:
            session.answer(key, TYPED[key])
        assert session.finish() == 0, session.shown
    assert "Traceback" not in session.shown


def test_cruft_asks_the_same_questions_and_loses_no_answer_either(template: Path, tmp_path: Path) -> None:
    Folder(template).commit()
    with Session(tmp_path, "create", template, module="cruft") as session:
        for key in KEYS[:-1]:
            session.answer(key, TYPED[key])
        session.answer(KEYS[-1], INTERRUPT)
        assert session.finish() != 0, session.shown
    assert "Traceback" not in session.shown
    arguments = command_after(session.shown, "To go on with these answers, run:")
    with Session(tmp_path, *arguments, module="cruft") as session:
        for key in KEYS:
            session.answer(key, "" if key != KEYS[-1] else TYPED[key])
        assert session.finish() == 0, session.shown
    assert "Traceback" not in session.shown
    used = json.loads((tmp_path / "leaf/.cruft.json").read_text(encoding="utf-8"))["context"]["cookiecutter"]
    assert {key: used[key] for key in KEYS} == {key: typed(key) for key in KEYS}


def test_the_question_says_that_no_image_is_known_and_enter_is_refused_with_the_nearest_answers(tmp_path: Path) -> None:
    modzy = str(QUESTIONS["image_registry"].index("modzy") + 1)
    with Session(tmp_path) as session:
        for key in KEYS[: KEYS.index("base_image")]:
            session.answer(key, modzy if key == "image_registry" else "")
        question = session.answer("base_image", "")
        assert session.finish() == 1, session.shown
    assert "(none is known for these answers: type the name of one)" in question
    assert "there is no modzy base image for framework=none python_version=3.12" in session.shown
    assert "framework=none python_version=3.8 accelerator=cpu image_registry=modzy" in session.shown
    assert "image_registry=modzy" in command_after(session.shown, "To keep the other answers, run:")


def test_the_arrow_keys_edit_what_is_typed(tmp_path: Path) -> None:
    left, home = "\x1b[D", "\x1b[H"
    with Session(tmp_path) as session:
        session.answer("model_name", f"Laf Finder{left * 9}e{home}My ")
        session.answer("model_slug", INTERRUPT)
        session.finish()
    assert "'model_name=My Leaf Finder'" in session.shown


def test_readline_knows_the_question_that_it_must_not_overwrite(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def read(prompt: str = "") -> str:
        prompts.append(prompt)
        return "typed"

    monkeypatch.setattr("builtins.input", read)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    console = Console(force_terminal=True, width=80)
    assert line_editing.read_line(console, "[bold]Framework[/]\n  1 - none\n  Choose: ", password=False) == "typed"
    assert prompts == ["  Choose: "]
    assert line_editing.read_line(console, "[bold]Name[/]: ", password=False) == "typed"
    assert prompts[1] == "\001\x1b[1m\002Name\001\x1b[0m\002: "


def test_the_command_keeps_the_options_and_the_answers_that_it_was_given(tmp_path: Path) -> None:
    with Session(tmp_path, ROOT, "--output-dir", "my output", "author=Ann", "model_name=Old") as session:
        session.answer("model_name", "New")
        session.answer("model_slug", "My Leaf")
        assert session.finish() == 1
    arguments = command_after(session.shown, "To keep the other answers, run:")
    assert arguments == [str(ROOT), "--output-dir", "my output", "model_name=New"]
