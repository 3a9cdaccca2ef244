"""From a model factory to a model."""

import sys

import pytest
from flask_psc_model import ModelBase
from flask_psc_model.errors import ModelNotLoaded
from flask_psc_model.model.base import INTERFACE
from flask_psc_model.model.loading import as_list, describe, import_object, load_model


class Model(ModelBase):
    """A model that does nothing."""

    input_filenames = output_filenames = "a"

    def run(self, *paths):
        """Do nothing."""


class Holder:
    """Holds a model factory."""

    Model = Model


def make_model():
    """Make a model."""
    return Model()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module, and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text, name="some_module_of_this_test"):
        (tmp_path / (name + ".py")).write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.mark.parametrize(
    "factory",
    [
        Model,
        make_model,
        lambda: Model(),
        __name__ + ".Model",
        __name__ + ":Model",
        __name__ + ".make_model",
    ],
    ids=["class", "function", "lambda", "dotted path", "colon", "path of a function"],
)
def test_a_factory_is_a_callable_or_the_path_of_one(factory):
    assert isinstance(load_model(factory), Model)


def test_each_call_makes_a_model():
    assert load_model(Model) is not load_model(Model)


def test_a_duck_is_a_model():
    duck = type("Duck", (), dict.fromkeys(INTERFACE, "a"))
    assert isinstance(load_model(duck), duck)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module_here.Model", "No module named 'no_such_module_here'"),
        (__name__ + ".Nothing", "has nothing named Nothing"),
        ("Model", "'Model' is not a dotted path such as model_lib.model.MyModel"),
        ("", "is not a dotted path"),
        (".Model", "is not a dotted path"),
        ("..Model", ""),
    ],
)
def test_a_path_to_nothing_is_an_error_that_says_what_is_missing(path, reason):
    with pytest.raises(ModelNotLoaded, match="the model could not be loaded") as caught:
        load_model(path)
    assert reason in caught.value.message
    assert caught.value.kind == "not_loaded"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def Model(: pass", "SyntaxError"),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
    ],
)
def test_a_module_that_cannot_be_imported_is_an_error_that_says_why(
    module, text, reason
):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(module(text) + ".Model")
    assert reason in caught.value.message


def test_a_module_that_is_repaired_can_be_loaded(module):
    name = module("raise RuntimeError")
    with pytest.raises(ModelNotLoaded):
        load_model(name + ".Model")
    module("from {} import Model  # repaired".format(__name__))
    assert isinstance(load_model(name + ".Model"), Model)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no weights"), "RuntimeError: no weights"),
        (RuntimeError(), "RuntimeError"),
        (OSError(2, "No such file", "weights.bin"), "weights.bin"),
        (MemoryError(), "MemoryError"),
        (SystemExit(), "SystemExit"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit("no weights"), "SystemExit: no weights"),
    ],
)
def test_a_constructor_that_fails_is_an_error_that_says_why(error, reason):
    def factory():
        raise error

    with pytest.raises(ModelNotLoaded) as caught:
        load_model(factory)
    assert caught.value.message == "the model could not be loaded: " + (
        reason if "weights.bin" not in reason else describe(error)
    )
    assert reason in caught.value.message
    assert caught.value.__cause__ is error


def test_a_keyboard_interrupt_goes_through():
    def factory():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_model(factory)


def test_a_constructor_with_arguments_is_an_error():
    with pytest.raises(ModelNotLoaded, match="argument"):
        load_model(lambda weights: Model())


@pytest.mark.parametrize(
    ("made", "name"), [(None, "NoneType"), ({}, "dict"), ("", "str")]
)
def test_what_is_no_model_is_an_error_that_says_what_it_lacks(made, name):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(lambda: made)
    assert "of type {}, which has no ".format(name) in caught.value.message
    assert "input_filenames" in caught.value.message
    assert "derive the class from flask_psc_model.ModelBase" in caught.value.message


def test_a_factory_of_a_class_passes_for_a_factory_of_models():
    # the class itself has the interface
    assert load_model(lambda: Model) is Model


def test_a_model_that_lacks_one_attribute_is_an_error_that_names_only_that():
    class Duck:
        input_filenames = output_filenames = validation_exception_class = "a"
        io_exception_class = OSError

    with pytest.raises(ModelNotLoaded, match="of type Duck, which has no run: derive"):
        load_model(Duck)


def test_what_cannot_be_called_is_an_error():
    with pytest.raises(ModelNotLoaded, match="not callable"):
        load_model(42)


def test_a_path_names_any_object():
    assert import_object("os.path.join") is __import__("os").path.join
    assert import_object("os:path") is __import__("os").path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a.txt", ["a.txt"]),
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ([], []),
    ],
)
def test_one_file_name_may_stand_without_a_list(names, expected):
    assert as_list(names) == expected
