"""Every combination of choices: what is accepted is a clean repository, the rest is refused."""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from commands import run
from cookiecutter.exceptions import FailedHookException
from golden import golden_path, names
from rendering import RUNTIME, Tree, render_typed
from repository import CI_FILES, QUESTIONS
from tidiness import find_empty_sections, find_faults

from template_extensions.images import Stack, base_images

# one worker renders them, for all of these tests
pytestmark = pytest.mark.xdist_group("combinations")

ROWS = base_images()
OWN_IMAGE = "registry.example.com/team/image:1"
CHOICES = {key: choices for key, choices in QUESTIONS.items() if isinstance(choices, list) and not key.startswith("_")}
STACKS = [Stack(*values) for values in itertools.product(*(CHOICES[field] for field in Stack._fields))]
#: What is chosen beside the stack.
OTHER_CHOICES = {key: choices for key, choices in CHOICES.items() if key not in Stack._fields}

#: The commands read the requirements of every framework, and the tests release the memory of one that is loaded.
FOR_ALL_FRAMEWORKS = (f"{RUNTIME}tools/", f"{RUNTIME}testing/memory.py")

#: By what a framework is known in a file.
TRACES = {
    "pytorch": re.compile(rb"torch", re.IGNORECASE),
    "tensorflow": re.compile(rb"tensorflow|TF_", re.IGNORECASE),
    "keras": re.compile(rb"keras", re.IGNORECASE),
}
#: Keras computes with TensorFlow, and TensorFlow brings Keras along.
RELATED = {
    "none": set(),
    "pytorch": {"pytorch"},
    "tensorflow": {"tensorflow", "keras"},
    "keras": {"tensorflow", "keras"},
}

#: What hadolint would have otherwise, and why it is not:
UNWANTED = {
    "DL3007": "Modzy's images have no tag but `latest`",
    "DL3008": "Ubuntu removes a version of a package as soon as there is a newer one",
    "DL3059": "two RUN lines are two things, and can be read one by one",
}
#: The files that a tool checks, and its command.
LINTERS = {
    "hadolint": (
        r"Dockerfile$",
        ["hadolint", "--no-color", "--failure-threshold", "style", *(f"--ignore={rule}" for rule in UNWANTED)],
    ),
    "shellcheck": (r"\.sh$", ["shellcheck", "--enable=all", "--severity=style"]),
    "yamllint": (r"\.ya?ml$", ["yamllint", "--strict", "-d", "{extends: default, rules: {line-length: {max: 88}}}"]),
}


class Rendered(NamedTuple):
    """What a combination of answers gives."""

    answers: dict[str, str]
    tree: Tree

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.answers.items())

    def has_framework(self) -> bool:
        """Return whether the base image contains the framework."""
        return Stack.of(self.answers).has_framework(self.answers["base_image"])


class File(NamedTuple):
    """A content that a file has in some combinations."""

    name: str
    content: bytes
    owner: Rendered

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}"


def images_of(stack: Stack) -> Iterator[str]:
    """Yield every image of the table that has the Python and is for the accelerator, and one that is not in it."""
    for row in ROWS:
        if row["python"] == stack.python_version and stack.accelerator in row["accelerators"]:
            yield row["image"]
    yield OWN_IMAGE


def combine() -> list[dict[str, str]]:
    """Return every stack with every image that should be accepted; with them, the other choices in pairs."""
    stacks = filter(Stack.has_packages, STACKS)
    rows = [{**stack._asdict(), "base_image": image} for stack in stacks for image in dict.fromkeys(images_of(stack))]
    return list(pair_up(rows, OTHER_CHOICES))


def pair_up(rows: list[dict[str, str]], others: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yield each row with a choice of every other question, until each choice has met each other answer.

    A choice meets every choice of the other questions, and every answer of the rows but their images.
    """
    missing = list_pairs(rows, others)
    for is_first in itertools.chain([True], itertools.repeat(False)):
        for row in rows:
            answers = dict(row)
            for key, choices in others.items():
                # the choice that can still meet most: answers of this row, and choices that are not made yet
                usable = [pair for pair in missing if all(answers.get(name, choice) == choice for name, choice in pair)]
                answers[key] = max(choices, key=lambda choice: sum((key, choice) in pair for pair in usable))
            met = {pair for pair in missing if pair <= answers.items()}
            missing -= met
            if is_first or met:
                yield answers
        if not missing:
            return


def list_pairs(rows: list[dict[str, str]], others: dict[str, list[str]]) -> set[frozenset[tuple[str, str]]]:
    """Return the pairs of answers that have to meet."""
    chosen = [[(key, choice) for choice in choices] for key, choices in others.items()]
    given = {item for row in rows for item in row.items() if item[0] != "base_image"}
    pairs = [pair for one, other in itertools.combinations(chosen, 2) for pair in itertools.product(one, other)]
    pairs += [pair for each in chosen for pair in itertools.product(each, given)]
    return set(map(frozenset, pairs))


@pytest.fixture(scope="module")
def rendered() -> list[Rendered]:
    """Return every accepted combination, rendered."""
    return [Rendered(answers, render_typed(**answers)) for answers in combine()]


@pytest.fixture(scope="module")
def files(rendered: list[Rendered]) -> list[File]:
    """Return every file in each content that it has in some combination, once."""
    found: dict[tuple[str, bytes], File] = {}
    for each in rendered:
        for name, content in each.tree.items():
            found.setdefault((name, content), File(name, content, each))
    return list(found.values())


@pytest.fixture(scope="module")
def python_repositories(files: list[File], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of whole repositories, as many as have all contents of the Python files."""
    owners = {str(file.owner): file.owner for file in files if file.name.endswith((".py", ".toml"))}
    folder = tmp_path_factory.mktemp("repositories")
    for number, owner in enumerate(owners.values()):
        for name, content in owner.tree.items():
            write(folder / str(number) / name, content)
    return folder


def write(path: Path, content: bytes) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def run_tool(name: str, *arguments: str | Path, folder: Path | None = None) -> None:
    """Run a tool of this environment; raise an error with its output when it finds something."""
    run([Path(sys.executable).with_name(name), *arguments], folder=folder)


def test_every_choice_meets_every_answer_of_every_other_question() -> None:
    combinations = combine()
    stacks = [stack._asdict() for stack in STACKS]
    wanted = list_pairs(stacks, OTHER_CHOICES)
    assert [pair for pair in wanted if not any(pair <= answers.items() for answers in combinations)] == []
    assert {Stack(*(answers[key] for key in Stack._fields)) for answers in combinations} == set(STACKS)


def test_choices_are_paired_with_few_more_rows() -> None:
    others = {"size": ["s", "m", "l"], "color": ["red", "green", "blue"], "shape": ["cube", "ball"]}
    paired = list(pair_up([{"name": "a"}, {"name": "b"}], others))
    met = {frozenset(pair) for answers in paired for pair in itertools.combinations(answers.items(), 2)}
    assert list_pairs([{"name": "a"}, {"name": "b"}], others) <= met
    # nine pairs of a size and a color need nine rows; all that there is would be 36
    assert 9 <= len(paired) <= 12


def test_plain_python_is_accepted_on_every_version_and_accelerator() -> None:
    for python, accelerator in itertools.product(CHOICES["python_version"], CHOICES["accelerator"]):
        stack = Stack("none", python, accelerator, "public")
        assert stack.has_packages()
        assert stack.recommended_image()


def test_every_framework_has_packages_on_every_version_and_accelerator() -> None:
    assert all(stack.has_packages() for stack in STACKS)


def test_every_base_image_is_recommended_for_some_answers_or_an_alternative_of_that() -> None:
    recommended = {stack.recommended_image() for stack in STACKS} - {""}
    alternatives = {row["image"] for row in ROWS} - recommended
    assert {image.split(":")[0] for image in alternatives} == {
        "nvidia/cuda",
        "pytorch/pytorch",
        "tensorflow/tensorflow",
    }


def test_a_recommended_image_is_right_in_python_and_accelerator() -> None:
    for stack in filter(Stack.recommended_image, STACKS):
        rows = [row for row in ROWS if row["image"] == stack.recommended_image()]
        assert {row["python"] for row in rows} == {stack.python_version}
        assert {row["registry"] for row in rows} == {stack.image_registry}
        assert any(stack.accelerator in row["accelerators"] and stack.framework in row["frameworks"] for row in rows)
        assert {row["contains"] for row in rows} <= {"none", stack.framework, "tensorflow"}


def test_the_recommended_image_is_taken_where_none_is_typed() -> None:
    for stack in filter(Stack.recommended_image, STACKS):
        assert render_typed(**stack._asdict())["Dockerfile"].startswith(f"FROM {stack.recommended_image()}\n".encode())


@pytest.mark.parametrize("stack", [stack for stack in STACKS if not stack.recommended_image()], ids=str)
def test_a_combination_without_an_image_is_refused_unless_one_is_typed(stack: Stack) -> None:
    with pytest.raises(FailedHookException, match=f"no {stack.image_registry} base image"):
        render_typed(**stack._asdict())
    assert render_typed(**stack._asdict(), base_image=OWN_IMAGE)["Dockerfile"].startswith(
        f"FROM {OWN_IMAGE}\n".encode()
    )


def test_every_combination_has_exactly_its_files(rendered: list[Rendered]) -> None:
    of_defaults = set(names(golden_path("defaults").read_text(encoding="utf-8")))
    for each in rendered:
        expected = of_defaults | CI_FILES[each.answers["ci"]]
        if each.has_framework():
            expected |= {"requirements-image.txt"}
        if each.answers["runtime"] == "package":
            expected = {name for name in expected if not name.startswith(RUNTIME)}
        assert set(each.tree) == expected, str(each)


def test_an_image_that_holds_the_framework_gets_only_the_rest(rendered: list[Rendered]) -> None:
    for each in rendered:
        inside = each.has_framework()
        dockerfile = each.tree["Dockerfile"].decode()
        assert dockerfile.startswith(f"FROM {each.answers['base_image']}\n")
        assert ("COPY --chmod=755 requirements-image.txt" in dockerfile) == inside, str(each)
        assert ("COPY --chmod=755 requirements.txt" in dockerfile) != inside, str(each)
        assert ("pip check" in dockerfile) == inside, str(each)
        assert (b"!requirements-image.txt" in each.tree[".dockerignore"]) == inside, str(each)
        assert ("python3-venv" in dockerfile) == each.answers["base_image"].startswith("nvidia/cuda:"), str(each)


def test_every_package_that_is_wanted_is_pinned_for_the_python(rendered: list[Rendered]) -> None:
    for each in rendered:
        pinned = each.tree["requirements.txt"].decode()
        wanted = each.tree["requirements.in"].decode()
        if each.answers["python_version"] != "3.6":
            wanted = re.sub(r"^.*; python_version < .*\n", "", wanted, flags=re.MULTILINE)
        assert required_names(wanted, r"(\w[\w-]*)") <= required_names(pinned, r"([\w-]+)==\S+"), str(each)
        assert f"Python {each.answers['python_version']}" in pinned, str(each)


def test_every_file_is_tidy(files: list[File]) -> None:
    texts = [file for file in files if not file.name.endswith(".png") and not file.name.startswith("tests/data/")]
    assert {str(file): faults for file in texts if (faults := find_faults(file.content))} == {}


def test_every_file_parses(files: list[File]) -> None:
    parsers: dict[str, Callable[[bytes], object]] = {
        ".json": json.loads,
        ".png": check_picture,
        ".py": ast.parse,
        ".yaml": parse_yaml,
        ".yml": parse_yaml,
    }
    if sys.version_info >= (3, 11):
        import tomllib

        parsers[".toml"] = lambda content: tomllib.loads(content.decode())
    for file in files:
        # test data may hold anything
        if not file.name.startswith("tests/data/"):
            try:
                parsers.get(Path(file.name).suffix, bytes.decode)(file.content)
            except (ValueError, SyntaxError, yaml.YAMLError) as error:
                pytest.fail(f"{file}: {error}")


def parse_yaml(content: bytes) -> list[Any]:
    """Return the documents of a YAML file, which may be several manifests."""
    return list(yaml.safe_load_all(content))


def check_picture(content: bytes) -> None:
    """Check that a picture is a PNG.

    Raises:
        ValueError: it is none.
    """
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("no PNG")


def test_no_section_is_empty(files: list[File]) -> None:
    documents = [file for file in files if file.name.endswith(".md")]
    assert {str(file): found for file in documents if (found := list(find_empty_sections(file.content.decode())))} == {}
    for file in files:
        if file.name.endswith((".yaml", ".yml")):
            empty = list(find_empty_values(parse_yaml(file.content)))
            # the one value that Kubernetes wants empty
            assert [path for path in empty if not path.endswith(".emptyDir")] == [], str(file)


def find_empty_values(value: Any, path: str = "") -> Iterator[str]:
    """Yield where in parsed YAML there is nothing."""
    if value in (None, {}, []):
        yield path
    elif isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from find_empty_values(inner, f"{path}.{key}")


def test_no_other_framework_is_mentioned(rendered: list[Rendered]) -> None:
    seen: set[tuple[str, str, bytes]] = set()
    for each in rendered:
        others = TRACES.keys() - RELATED[each.answers["framework"]]
        for name, content in each.tree.items():
            for other in () if name.startswith(FOR_ALL_FRAMEWORKS) else others:
                # the table of base images names what each image holds
                text = re.sub(rb"^\| `.*\n", b"", content, flags=re.MULTILINE)
                if (other, name, content) not in seen:
                    text = text.replace(each.answers["base_image"].encode(), b"")
                    found = TRACES[other].search(text)
                    assert not found, f"{found} in {name} of {each}"
                    seen.add((other, name, content))


def test_the_python_is_clean_and_formatted(python_repositories: Path) -> None:
    assert list(python_repositories.glob("*/model_lib/model.py"))
    run_tool("ruff", "check", "--no-cache", python_repositories)
    run_tool("ruff", "format", "--check", "--no-cache", python_repositories)


def test_the_types_are_right(python_repositories: Path, tmp_path: Path) -> None:
    for repository in sorted(python_repositories.iterdir()):
        run_tool("mypy", "--cache-dir", tmp_path, ".", folder=repository)


@pytest.mark.parametrize(("pattern", "tool"), LINTERS.values(), ids=LINTERS)
def test_what_is_not_python_is_clean_too(files: list[File], tmp_path: Path, pattern: str, tool: list[str]) -> None:
    found = [file for file in files if re.search(pattern, file.name)]
    paths = [write(tmp_path / str(number) / file.name, file.content) for number, file in enumerate(found)]
    assert paths
    run_tool(*tool, *paths)


def required_names(text: str, pattern: str) -> set[str]:
    """Return the names of packages at the start of lines."""
    return set(re.findall(rf"^{pattern}", text, re.MULTILINE))
