"""Whatever is typed is refused with a clear message, or arrives unchanged in every language of the repository."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException
from dockerfile import parse, read_labels
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rendering import Answers, Tree, answer, render, render_hook, render_typed
from repository import ENTER, Repository, cookiecutter

#: The answers that are any text.
FREE = ("model_name", "description", "author")
PLAIN = {"model_name": "Plain", "description": "Plain.", "author": "Ann"}
#: Much faster than the loader in Python, where PyYAML has it.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DOCUMENTATION = "asset_bundle/0.1.0/documentation.md"
#: The files that show them, or a name that is made of them.
SHOWING = {
    "Dockerfile",
    "README.md",
    "app.py",
    DOCUMENTATION,
    "model.yaml",
    "model_lib/model.py",
    "tests/test_model.py",
}

TEXTS = {
    "quotes": "It \"says\" it's \"\"\"done\"\"\", it's '''done'''",
    "ends in quotes": '"quoted"',
    "backslashes": "C:\\new\\table \\N{DASH} \\x41 \\",
    "YAML": "- key: [value, {a: b}] # no comment & no *alias | > ! %",
    "looks like another type": "null",
    "number": "0x1F",
    "date": "2026-01-01",
    "shell": "$(id) `id` ${HOME} $HOME && rm -rf / ; %PATH% !history",
    "percent": "100 % of %s, %(name)s and %d",
    "right to left": "שלום עולם، مرحبا \u202eevil\u202c \u200f",
    "emoji": "🎨 colours für alle: 色, цвет, 👩🏽\u200d💻 \ufeff e\u0301",
    "markdown": "# *not* _emphasis_ ~~gone~~ [link](http://x) ![image](y) <b>bold</b> &amp; `code` 1. | a |",
    "tab": "a\tb",
    "Jinja comes close": "a { b } {c} {$ d $} 100 %} }} #}",
    "10,000 characters": 'The "best" model: $1 \\ #2 🎨 '.ljust(10_000, "x"),
    "many words": "word " * 1_999 + "words",
    "Dockerfile": "FROM evil\\",
    "surrounded by spaces": "  text  ",
}
LINES = {
    "lines": "First line.\nSecond line: # not a comment\n\n    indented\n- item\n",
    "Dockerfile": 'x" \\\n\nRUN touch canary\nLABEL y="',
    "YAML": 'x"\ndescription: {summary: y}\n---\n...\n',
    "Python": '"""\nimport os\n"""\\\n',
    "markdown": "---\n1. a\n```\n| a |\n|---|\n===\n<!--\n[x]: http://y\n",
    "other line ends": "one\u2028two\u2029three",
    "heredoc": "RUN false <<EOF\nEOF",
}

#: Any character that an answer may hold, and some that it may not.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), max_size=60)
ANYTHING = st.text(max_size=20)
#: What has a meaning to one of the languages.
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *"\"'\\$#%&*_~`[]()<>!|:;,.-+=}{^@/? \n\t0aZé🎨",
            *('"""', "'''", "\\\n", "$(", "${", "`id`", "#!", "\n#", "---", "...", "- ", ": ", " #", "!!str ", "<<EOF"),
            *("```", "~~~", "<!--", "-->", "](", "![", "&lt;", "1. ", "\n\n", "\\n", "\\u0041", "\\N{DASH}", "%s"),
            *("\nRUN ", "\nFROM x", 'LABEL a="', "\u202e", "\u200f", "\u2028", "\xa0", "ש", "\u0301", "\ufeff"),
            *("}}", "%}", "#}", "{ {", "{ %"),
        ]
    ),
    max_size=25,
).map("".join)
#: Some of them now and then hold a Jinja mark or a control character.
RISKY = st.lists(
    FRAGMENTS | st.sampled_from(["{{", "{%", "{#", "}}", "{{ 7 * 7 }}", "\0", "\x1b[31m", "\r", "\x85", "\ud800"]),
    max_size=4,
).map("".join)
ONE_LINE = FRAGMENTS.map(lambda text: " ".join(text.split("\n")).replace("\u2028", " "))

STACKS = st.sampled_from(
    [
        {},
        {"python_version": "3.6", "framework": "keras"},
        {"framework": "pytorch", "python_version": "3.8", "accelerator": "cuda", "image_registry": "modzy"},
        {"framework": "tensorflow", "accelerator": "cuda"},
    ]
)

several = settings(suppress_health_check=[HealthCheck.too_slow])


def given_texts(test: Any) -> Any:
    """Add every text above as each of the answers."""
    for text in TEXTS.values():
        test = example(dict.fromkeys(FREE, text), {})(test)
    for text in LINES.values():
        test = example({"description": text, "author": text}, {})(test)
    return test


@given_texts
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FREE, ANY_TEXT)), STACKS)
@several
def test_any_text_arrives_or_is_refused(texts: dict[str, str], stack: dict[str, str]) -> None:
    assert_arrives_or_is_refused({**texts, **stack})


@given(st.fixed_dictionaries({"model_name": ONE_LINE, "description": FRAGMENTS, "author": FRAGMENTS}), STACKS)
@several
def test_what_has_a_meaning_elsewhere_arrives(texts: dict[str, str], stack: dict[str, str]) -> None:
    assume(texts["model_name"].strip())
    assert_arrives_or_is_refused({**texts, **stack})


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FREE, RISKY | ANYTHING)))
@several
def test_what_no_file_can_hold_is_refused_and_the_rest_arrives(texts: dict[str, str]) -> None:
    assert_arrives_or_is_refused(texts)


@given(
    st.fixed_dictionaries(
        {"model_name": ONE_LINE | ANY_TEXT},
        optional={
            "model_slug": st.from_regex(r"[a-z0-9._-]{1,70}", fullmatch=True) | RISKY,
            "base_image": st.from_regex(r"[a-z0-9]+([-._/:][a-zA-Z0-9]+){0,4}", fullmatch=True) | RISKY,
        },
    )
)
@several
def test_names_of_things_are_names_or_refused(texts: dict[str, str]) -> None:
    assert_arrives_or_is_refused(texts)


def assert_arrives_or_is_refused(typed: dict[str, str]) -> None:
    """Render what is typed, and check that all of it arrives, or that it is refused for a reason."""
    reasons = find_reasons(typed)
    try:
        answers = answer(typed)
    except FailedHookException as refusal:
        first, *problems = str(refusal).split("\n")
        assert first == "These answers cannot be used:"
        refused = {problem[4:].partition(" ")[0] for problem in problems if problem.startswith("  * ")}
        assert reasons <= refused <= reasons | {"base_image"}
        if "base_image" in refused - reasons:
            assert not re.fullmatch("[a-z0-9]+(:[a-z0-9]+)?", typed["base_image"])
    else:
        assert reasons == set()
        assert {key: answers[key] for key in typed} == typed
        assert_arrives(answers)


def find_reasons(typed: dict[str, str]) -> set[str]:
    """Return the answers that have to be refused, by the rules in the README."""
    unusable = re.compile(r"\{[{%#]|[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|.{10001}", re.DOTALL)
    reasons = {key for key, text in typed.items() if unusable.search(text)}
    if len(typed.get("model_name", "one").splitlines()) != 1 or not typed.get("model_name", "one").strip():
        reasons.add("model_name")
    if not re.fullmatch(r"(?=.{2,63}\Z)[a-z0-9]+([-_.][a-z0-9]+)*", typed.get("model_slug", "slug")):
        reasons.add("model_slug")
    return reasons


def assert_arrives(answers: Answers) -> None:
    """Check that every file says what was answered, and is otherwise that of plain answers."""
    plain_answers = {**answers, **PLAIN}
    tree, plain = render(answers), render(plain_answers)
    assert tree.keys() == plain.keys()
    assert {name for name, content in tree.items() if content != plain[name]} <= SHOWING
    for rest in (rest_of_metadata, rest_of_dockerfile, rest_of_model, rest_of_documents):
        assert rest(tree, answers) == rest(plain, plain_answers)
    assert rest_of_hooks(answers) == rest_of_hooks(plain_answers)


def rest_of_metadata(tree: Tree, answers: Answers) -> Any:
    """Check that `model.yaml` has the answers; return what else it has."""
    metadata = yaml.load(tree["model.yaml"], Loader)
    assert metadata.pop("name") == answers["model_name"]
    assert metadata.pop("author") == metadata.pop("source") == answers["author"]
    assert metadata["description"].pop("summary") == answers["description"]
    return metadata


def rest_of_dockerfile(tree: Tree, answers: Answers) -> list[Any]:
    """Check that the labels are the answers, each on one line; return the other labels and the instructions."""
    dockerfile = tree["Dockerfile"].decode()
    labels = read_labels(dockerfile)
    for label, key in (("title", "model_name"), ("description", "description"), ("authors", "author")):
        assert labels.pop(f"org.opencontainers.image.{label}") == one_line(answers[key])
    first, *others = (instruction for instruction in parse(dockerfile) if instruction.keyword != "LABEL")
    assert first == ("FROM", answers["base_image"])
    return [labels, others]


def rest_of_model(tree: Tree, answers: Answers) -> str:
    """Check that the docstring of the model's class is the description; return the rest of the code."""
    module = ast.parse(tree["model_lib/model.py"])
    (model,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name.endswith("Model"))
    assert ast.get_docstring(model, clean=False) == (
        (answers["description"].strip() and answers["description"]) or "The model."
    )
    del model.body[0]
    return ast.dump(module)


def rest_of_documents(tree: Tree, answers: Answers) -> list[str]:
    """Check that the Markdown shows the answers as they were typed, in a heading and paragraphs; return the rest."""
    author = f"Author: {answers['author']}" if answers["author"].strip() else ""
    readme = rest_of_document(tree["README.md"], "This repository turns", answers, f"{answers['description']} {author}")
    documentation = rest_of_document(tree[DOCUMENTATION], "## Input", answers, answers["description"])
    return [readme, documentation]


def rest_of_document(content: bytes, end: str, answers: Answers, shown: str) -> str:
    """Check what stands before some line of Markdown; return what follows it."""
    before, found, rest = content.decode().rpartition(f"\n\n{end}")
    assert found
    tokens = MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(f"{before}\n\nend")
    assert [token.type for token in tokens[:3]] == ["heading_open", "inline", "heading_close"]
    assert {token.type for token in tokens[3:]} <= {"paragraph_open", "inline", "paragraph_close"}
    assert {child.type for token in tokens for child in token.children or []} <= {"text", "softbreak"}
    title, *paragraphs = ("".join(child.content or " " for child in token.children or []) for token in tokens[1::3])
    assert one_line(title) == one_line(answers["model_name"])
    assert one_line(" ".join(paragraphs)) == one_line(f"{shown} end")
    return rest


def rest_of_hooks(answers: Answers) -> str:
    """Check that the hooks hold the answers as strings; return the rest of their code."""
    module = ast.parse(render_hook("pre_gen_project.py", answers) + render_hook("post_gen_project.py", answers))
    (held,) = (node for node in ast.walk(module) if isinstance(node, ast.Dict))
    texts = ast.literal_eval(held)
    assert texts.items() >= {key: answers[key] for key in FREE}.items()
    held.values.clear()
    return ast.dump(module)


def one_line(text: str) -> str:
    """Collapse white space, as the labels and a browser do."""
    return " ".join(text.split())


@pytest.mark.command
@pytest.mark.parametrize("text", [*TEXTS.values(), *LINES.values()], ids=[*TEXTS, *LINES])
def test_the_real_command_with_its_hooks_gives_the_same(tmp_path: Path, text: str) -> None:
    answers = {key: text for key in FREE if text in TEXTS.values() or key != "model_name"}
    if find_reasons(answers):
        del answers["model_name"]
    result = cookiecutter(tmp_path / "output", "--no-input", config={"default_context": answers})
    assert result.returncode == 0, result.stderr
    (folder,) = (tmp_path / "output").iterdir()
    assert {name: (folder / name).read_bytes() for name in Repository(folder).files()} == render_typed(**answers)


@pytest.mark.command
@pytest.mark.parametrize("name", ["quotes", "shell", "emoji", "right to left", "markdown", "Jinja comes close"])
def test_what_is_typed_at_the_questions_gives_the_same(tmp_path: Path, name: str) -> None:
    text = TEXTS[name]
    result = cookiecutter(tmp_path / "output", keys=f"{text}\nmodel\n{text}\n{text}\n" + ENTER)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "output" / "model"
    expected = render_typed(model_name=text, model_slug="model", description=text, author=text)
    assert {name: (folder / name).read_bytes() for name in Repository(folder).files()} == expected


#: What would make the file `canary` if some language took it for code.
CANARIES = {
    "shell": "$(touch canary)`touch canary`; touch canary\n| touch canary & touch canary #",
    "shell after a quote": "'; touch canary; '\"; touch canary; \"$(touch canary)",
    "Python": '"""\nopen("canary", "w")\n"""',
    "Python in a string": '" + str(open("canary", "w")) + "\' + str(open("canary", "w")) + \'{open("canary", "w")}',
    "Python in the hook": '"""); open("canary", "w"); (r"""',
    "YAML": "!!python/object/apply:os.system [touch canary]",
    "YAML after a quote": '"\nevil: !!python/object/apply:os.system [touch canary]\n#',
    "Dockerfile": '"\nRUN touch canary\nLABEL x="\\',
}


@pytest.mark.command
@pytest.mark.parametrize("text", CANARIES.values(), ids=CANARIES)
def test_no_answer_is_run_as_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    answers = {"model_name": one_line(text), "model_slug": "model", "description": text, "author": text}
    result = cookiecutter(tmp_path / "output", "--no-input", config={"default_context": answers})
    assert result.returncode == 0, result.stderr
    repository = Repository(tmp_path / "output" / "model")
    # the loader that runs what a tag names
    metadata = yaml.load(repository.read("model.yaml"), yaml.UnsafeLoader)
    assert metadata["description"]["summary"] == text
    assert "\nOK\n" in repository.run(sys.executable, "-m", "unittest", "tests.test_model", PYTHONDONTWRITEBYTECODE="1")
    for instruction in parse(repository.read("Dockerfile")):
        if instruction.keyword == "RUN":
            assert "canary" not in instruction.rest
    assert list(tmp_path.rglob("canary")) == []


JINJA = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}{% set x = cycler.__init__.__globals__.os.system('touch canary') %}"
)


@pytest.mark.command
@pytest.mark.parametrize("key", FREE)
def test_jinja_that_is_typed_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.chdir(tmp_path)
    typed = {"model_name": "Name", "model_slug": "model", "description": "text", "author": "Ann", key: JINJA}
    result = cookiecutter(tmp_path / "output", keys="\n".join(typed.values()) + "\n" + ENTER)
    assert result.returncode == 1
    assert f"{key} contains" in result.stdout + result.stderr
    assert list(tmp_path.rglob("canary")) == []
    assert list((tmp_path / "output").iterdir()) == []


@pytest.mark.command
@pytest.mark.parametrize("key", FREE)
def test_jinja_in_an_edited_replay_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    replay = tmp_path / "edited.json"
    replay.write_text(json.dumps({"cookiecutter": {**answer({}), "_output_dir": str(tmp_path), key: JINJA}}), "utf-8")
    result = cookiecutter(tmp_path / "output", "--replay-file", replay)
    assert result.returncode == 1
    assert f"{key} contains" in result.stdout + result.stderr
    assert list(tmp_path.rglob("canary")) == []
    assert list((tmp_path / "output").iterdir()) == []
