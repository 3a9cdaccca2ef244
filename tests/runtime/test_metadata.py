"""The metadata: `model.yaml`, found, read once and frozen."""

import copy
import os
import pickle

import pytest
from flask_psc_model import load_metadata
from flask_psc_model.model.metadata import (
    MAX_VARIABLE,
    VARIABLE,
    Metadata,
    find_metadata,
)
from flask_psc_model.model.spec import ModelSpec

from .commands import run_python
from .template import TEMPLATE

CONTENT = """\
name: Colour, “Nearest”
inputs:
  input.txt:
    maxSize: 1K
tags: [a, b, {deep: [1]}]
timeout: {status: 60s, run: 20s}
"""

CHANGES = {
    "an item is set": lambda m: m.__setitem__("name", "x"),
    "an item is added": lambda m: m.__setitem__("new", "x"),
    "an item is deleted": lambda m: m.__delitem__("name"),
    "an attribute is set": lambda m: setattr(m, "name", "x"),
    "an attribute is added": lambda m: setattr(m, "new", "x"),
    "an attribute is deleted": lambda m: delattr(m, "name"),
    "clear": lambda m: m.clear(),
    "pop": lambda m: m.pop("name"),
    "pop with a default": lambda m: m.pop("new", None),
    "popitem": lambda m: m.popitem(),
    "setdefault": lambda m: m.setdefault("new", "x"),
    "setdefault of a key it has": lambda m: m.setdefault("name", "x"),
    "update": lambda m: m.update(name="x"),
    "in-place or": lambda m: m.__ior__({"name": "x"}),
    "an item of a mapping within": lambda m: m["inputs"].update({"b.txt": {}}),
    "an item of a mapping deep within": lambda m: setattr(
        m.inputs["input.txt"], "maxSize", "2K"
    ),
    "an item of a mapping in a list": lambda m: m.tags[2].clear(),
}


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "model.yaml").write_text(CONTENT, encoding="utf-8")
    (tmp_path / "model_lib").mkdir()
    (tmp_path / "model_lib" / "model.py").write_text("")
    return tmp_path


@pytest.mark.parametrize("hint", ["", "model_lib", "model_lib/model.py", "model.yaml"])
def test_the_file_is_found_upwards_from_a_file_or_folder(repository, hint):
    path = repository / hint
    assert find_metadata(str(path)) == str(repository / "model.yaml")
    assert load_metadata(str(path)).name == "Colour, “Nearest”"
    assert load_metadata(path).name == "Colour, “Nearest”"


def test_a_relative_hint_starts_in_the_working_directory(repository, monkeypatch):
    monkeypatch.chdir(str(repository / "model_lib"))
    assert find_metadata("model.py") == str(repository / "model.yaml")
    assert find_metadata(".") == str(repository / "model.yaml")


def test_the_nearest_file_wins(repository):
    (repository / "model_lib" / "model.yaml").write_text("name: near")
    assert load_metadata(str(repository / "model_lib" / "model.py")).name == "near"


def test_a_folder_of_that_name_is_passed_over(repository):
    (repository / "model_lib" / "model.yaml").mkdir()
    path = str(repository / "model_lib" / "model.py")
    assert find_metadata(path) == str(repository / "model.yaml")


def test_another_file_name_can_be_asked_for(repository):
    (repository / "other.yaml").write_text("name: other")
    hint = str(repository / "model_lib")
    assert load_metadata(hint, "other.yaml").name == "other"
    assert load_metadata(hint, filename="other.yaml").name == "other"


def test_no_file_upwards_is_an_os_error_that_names_it(repository):
    with pytest.raises(
        OSError, match="there is no unlikely.yaml at .*lib or in a folder above"
    ):
        load_metadata(str(repository / "model_lib"), "unlikely.yaml")


def test_a_hint_that_does_not_exist_is_an_os_error(repository):
    with pytest.raises(OSError, match="there is no file or folder .*nowhere"):
        load_metadata(str(repository / "nowhere"))


def test_a_key_is_an_item_and_an_attribute(repository):
    metadata = load_metadata(str(repository))
    assert metadata["inputs"] == metadata.inputs == {"input.txt": {"maxSize": "1K"}}
    assert metadata.inputs["input.txt"].maxSize == "1K"
    assert list(metadata.inputs) == ["input.txt"]
    assert metadata.get("nothing") is None
    assert "timeout" in metadata
    assert isinstance(metadata, dict)


def test_keys_keep_the_order_of_the_file(tmp_path):
    names = ["z.txt", "a.txt", "m.txt"]
    text = "inputs:\n" + "".join("  {}: {{}}\n".format(name) for name in names)
    (tmp_path / "model.yaml").write_text(text)
    assert list(load_metadata(str(tmp_path)).inputs) == names


def test_a_missing_key_is_a_key_error_and_an_attribute_error(repository):
    metadata = load_metadata(str(repository))
    path = str(repository / "model.yaml")
    expected = f"{path} has no key 'outputs'; it has: name, inputs, tags, timeout"
    with pytest.raises(KeyError) as missing_item:
        metadata["outputs"]
    with pytest.raises(AttributeError) as missing_attribute:
        _ = metadata.outputs
    for caught in (missing_item, missing_attribute):
        assert caught.value.args == (expected,)
    assert not hasattr(metadata, "outputs")


@pytest.mark.parametrize("clone", [lambda metadata: metadata, copy.deepcopy])
def test_a_missing_key_further_down_names_the_file_and_the_keys(repository, clone):
    path = str(repository / "model.yaml")
    metadata = clone(load_metadata(path))
    with pytest.raises(KeyError, match="input.txt has no key 'size'; it has: maxSize"):
        metadata.inputs["input.txt"]["size"]
    with pytest.raises(AttributeError) as caught:
        _ = metadata.tags[2].shallow
    assert str(caught.value) == f"{path}: tags.2 has no key 'shallow'; it has: deep"
    with pytest.raises(KeyError, match="it is empty"):
        Metadata({})["name"]


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_it_is_frozen(repository, change):
    metadata = load_metadata(str(repository))
    before = copy.deepcopy(dict(metadata))
    with pytest.raises(TypeError, match="frozen"):
        change(metadata)
    assert metadata == before


def test_lists_are_tuples_at_every_depth(repository):
    tags = load_metadata(str(repository)).tags
    assert tags == ("a", "b", {"deep": (1,)})
    assert isinstance(tags[2], Metadata)


def test_it_is_read_once(repository):
    hint = str(repository)
    first = load_metadata(hint)
    (repository / "model.yaml").write_text("name: changed")
    assert load_metadata(hint) is first


def test_a_failure_is_not_remembered(tmp_path):
    hint = str(tmp_path)
    with pytest.raises(OSError, match="there is no rare.yaml"):
        load_metadata(hint, "rare.yaml")
    (tmp_path / "rare.yaml").write_text("name: now")
    assert load_metadata(hint, "rare.yaml").name == "now"


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy])
def test_a_copy_is_equal_and_frozen(repository, clone):
    _check_clone(clone, load_metadata(str(repository)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_equal_and_frozen(repository, protocol):
    def clone(metadata):
        return pickle.loads(pickle.dumps(metadata, protocol))

    _check_clone(clone, load_metadata(str(repository)))


def _check_clone(clone, metadata):
    cloned = clone(metadata)
    assert cloned == metadata
    assert type(cloned) is Metadata
    assert type(cloned.inputs) is Metadata
    assert cloned.inputs["input.txt"].maxSize == "1K"
    with pytest.raises(TypeError, match="frozen"):
        cloned["name"] = "x"


@pytest.mark.parametrize(
    "content",
    [
        b"a: [",
        b"a: b: c",
        b"\ttab: 1",
        b"- a\nb: 1",
        b"name: \xff\xfe",
        b"a: \x00",
        b"a: !!python/object:os.system {}",
        b"one: 1\n---\ntwo: 2",
        b"? [a]\n: b",
        b"day: 2020-13-45",
    ],
    ids=lambda content: repr(content)[:24],
)
def test_a_file_that_is_not_yaml_is_a_value_error_that_names_it(tmp_path, content):
    (tmp_path / "model.yaml").write_bytes(content)
    with pytest.raises(ValueError, match="model.yaml is not valid YAML") as caught:
        load_metadata(str(tmp_path))
    assert str(tmp_path / "model.yaml") in str(caught.value)


@pytest.mark.parametrize("content", ["", "# nothing\n", "text", "- a\n- b\n", "42"])
def test_a_file_that_is_no_mapping_is_a_value_error_that_names_it(tmp_path, content):
    (tmp_path / "model.yaml").write_text(content)
    with pytest.raises(ValueError, match="should be a mapping") as caught:
        load_metadata(str(tmp_path))
    assert str(tmp_path / "model.yaml") in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path):
    os.symlink("model.yaml", str(tmp_path / "model.yaml"))
    with pytest.raises(OSError, match="model.yaml"):
        load_metadata(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "timeout: {run: 20s}\nname: x\ntimeout: {run: 30s}",
            "timeout is there twice, in line 1 and in line 3",
        ),
        (
            "timeout:\n  run: 20s\n  run: 30s",
            "timeout.run is there twice, in line 2 with the value '20s' and in line 3"
            " with the value '30s'",
        ),
        ("a: [{b: 1}, {b: 1, b:}]", "a.1.b is there twice, in line 1"),
        ("a: &a {b: 1, b: 2}\nc: *a", "a.b is there twice, in line 1"),
    ],
)
def test_a_key_that_is_there_twice_is_an_error_that_names_it(
    tmp_path, content, problem
):
    (tmp_path / "model.yaml").write_text(content)
    with pytest.raises(ValueError, match="remove one of them") as caught:
        load_metadata(str(tmp_path))
    assert str(caught.value).startswith(
        "{}: {}".format(tmp_path / "model.yaml", problem)
    )


def test_merged_keys_are_no_duplicates(tmp_path):
    (tmp_path / "model.yaml").write_text(
        "base: &base {a: 1, b: 2}\n"
        "other: {<<: *base, a: 3}\n"
        "last: {<<: [*base, *base]}\n"
    )
    metadata = load_metadata(str(tmp_path))
    assert metadata.other == {"a": 3, "b": 2}
    assert metadata.last == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "content", ["a: &a [*a]", pytest.param("a: " + "[" * 5000, id="deep")]
)
def test_a_file_without_an_end_is_a_value_error(tmp_path, content):
    (tmp_path / "model.yaml").write_text(content)
    with pytest.raises(ValueError, match="model.yaml is not valid YAML"):
        load_metadata(str(tmp_path))


@pytest.fixture
def no_variable(monkeypatch):
    """Remove the variable that a reload sets, at the end."""
    monkeypatch.setenv(VARIABLE, "")


def test_a_reload_reads_the_file_again_or_keeps_what_it_was(repository, no_variable):
    hint = str(repository)
    assert load_metadata(hint).timeout.run == "20s"
    for text in ("timeout: [", "timeout: {run: soon}", "a: 1\na: 2"):
        (repository / "model.yaml").write_text(text)
        with pytest.raises(ValueError, match="model.yaml"):
            ModelSpec.reload(hint)
        assert load_metadata(hint).timeout.run == "20s"
    (repository / "model.yaml").write_text("timeout: {run: 30s}")
    assert ModelSpec.reload(hint).limits.run_timeout == 30
    assert load_metadata(hint).timeout.run == "30s"
    os.remove(str(repository / "model.yaml"))
    assert (
        load_metadata(str(repository / "model_lib" / "model.py")).timeout.run == "30s"
    )


@pytest.mark.parametrize("size", [10, MAX_VARIABLE])
def test_a_process_that_starts_later_finds_what_was_read(repository, no_variable, size):
    path = str(repository / "model.yaml")
    (repository / "model.yaml").write_text("name: é\nlong: " + "x" * size, "utf-8")
    ModelSpec.reload(path)
    (repository / "model.yaml").write_text("name: [")
    code = "import sys; from flask_psc_model import load_metadata as load;"
    code += "print(ascii(load(sys.argv[1]).name))"
    environment = {VARIABLE: os.environ.get(VARIABLE, ""), "PYTHONPATH": TEMPLATE}
    ending = run_python("-c", code, path, folder=repository, **environment)
    # a file of that size does not fit
    assert (ending.output == "'\\xe9'\n") is (size == 10), ending
    assert ("is not valid YAML" in ending.errors) is (size != 10)
