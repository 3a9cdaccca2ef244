"""The interface of a model."""

import pytest
from flask_psc_model import ModelBase
from flask_psc_model.model.base import INTERFACE


def test_a_model_defines_names_and_run():
    class Model(ModelBase):
        input_filenames = "input.txt"
        output_filenames = ["a.json", "b.json"]

        def run(self, *paths):
            return None

    model = Model()
    assert model.input_filenames == "input.txt"
    assert model.output_filenames == ["a.json", "b.json"]
    assert model.validation_exception_class is ValueError
    assert model.io_exception_class is OSError


def test_the_names_may_be_properties():
    class Model(ModelBase):
        @property
        def input_filenames(self):
            return ["input.txt"]

        @property
        def output_filenames(self):
            return "results.json"

        def run(self, *paths):
            return None

    assert Model().input_filenames == ["input.txt"]


@pytest.mark.parametrize("missing", ["input_filenames", "output_filenames", "run"])
def test_a_model_without_one_of_these_cannot_be_made(missing):
    body = {"input_filenames": "a", "output_filenames": "b", "run": lambda *_: None}
    del body[missing]
    model_class = type("Model", (ModelBase,), body)
    with pytest.raises(TypeError, match=missing):
        model_class()


def test_the_exception_classes_can_be_overridden():
    class Model(ModelBase):
        input_filenames = output_filenames = "a"
        validation_exception_class = KeyError

        def run(self, *paths):
            return None

        @property
        def io_exception_class(self):
            return EOFError

    assert Model().validation_exception_class is KeyError
    assert Model().io_exception_class is EOFError


def test_a_class_with_all_five_attributes_is_a_subclass():
    duck = type("Duck", (), dict.fromkeys(INTERFACE))
    assert issubclass(duck, ModelBase)
    assert isinstance(duck(), ModelBase)


@pytest.mark.parametrize("missing", INTERFACE)
def test_a_class_that_lacks_one_attribute_is_not_a_subclass(missing):
    attributes = dict.fromkeys(INTERFACE)
    del attributes[missing]
    duck = type("Duck", (), attributes)
    assert not issubclass(duck, ModelBase)
    assert not isinstance(duck(), ModelBase)


def test_only_the_base_itself_takes_ducks():
    class Model(ModelBase):
        pass

    duck = type("Duck", (), dict.fromkeys(INTERFACE))
    assert not issubclass(duck, Model)
    assert issubclass(Model, ModelBase)
