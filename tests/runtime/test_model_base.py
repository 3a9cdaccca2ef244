"""The interfaces of a model."""

import pytest
from flask_psc_model import BatchModelBase, ModelBase
from flask_psc_model.model.base import (
    INTERFACE,
    STEPS,
    WrongResults,
    predict_batch,
)


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


class Upper(BatchModelBase):
    """Joins its two inputs in upper case; logs what it is called with."""

    input_filenames = ["a.txt", "b.txt"]
    output_filenames = "c.txt"

    def __init__(self):
        self.calls = []

    def preprocess(self, *input_paths):
        self.calls.append(input_paths)
        return "-".join(input_paths)

    def predict(self, batch):
        self.calls.append(batch)
        return [text.upper() for text in batch]

    def postprocess(self, result, *output_paths):
        self.calls.append((result, output_paths))


def test_a_batch_model_runs_one_job_as_a_batch_of_one():
    model = Upper()
    assert model.run("a", "b", "c") is None
    assert model.calls == [("a", "b"), ["a-b"], ("A-B", ("c",))]


def test_one_input_name_may_stand_without_a_list_in_a_batch_model():
    model = type("Model", (Upper,), {"input_filenames": "a.txt"})()
    model.run("a", "b", "c")
    assert model.calls == [("a",), ["a"], ("A", ("b", "c"))]


def test_a_batch_has_32_jobs_and_waits_for_none_by_default():
    assert isinstance(Upper(), ModelBase)
    assert (Upper.max_batch_size, Upper.max_batch_delay) == (32, 0)


@pytest.mark.parametrize("missing", STEPS)
def test_a_batch_model_without_one_of_its_steps_cannot_be_made(missing):
    with pytest.raises(TypeError, match=missing):
        type("Model", (Upper,), {missing: getattr(BatchModelBase, missing)})()


@pytest.mark.parametrize(
    ("results", "got"),
    [
        ([1], "1 result for"),
        ([1, 2, 3], "3 results for"),
        ((), "0 results for"),
        (None, "an object of type NoneType for"),
        ("ab", "an object of type str for"),
        (b"ab", "an object of type bytes for"),
        ({"a": 1, "b": 2}, "an object of type dict for"),
        (2, "an object of type int for"),
    ],
)
def test_a_wrong_number_of_results_is_an_error_that_says_how_many(results, got):
    model = type("Model", (Upper,), {"predict": lambda self, batch: results})()
    message = got + " a batch of 2: return a list with one result per job"
    with pytest.raises(WrongResults, match=message):
        predict_batch(model, ["a", "b"])


def test_a_job_alone_needs_one_result_too():
    model = type("Model", (Upper,), {"predict": lambda self, batch: batch * 2})()
    with pytest.raises(WrongResults, match="2 results for a batch of 1"):
        model.run("a", "b", "c")


@pytest.mark.parametrize("make", [list, tuple, iter, lambda each: each])
def test_results_may_come_as_any_sequence(make):
    model = type("Model", (Upper,), {"predict": lambda self, batch: make(batch)})()
    assert predict_batch(model, ["a", "b"]) == ["a", "b"]


def test_a_class_with_all_steps_is_a_batch_model():
    duck = type("Duck", (), dict.fromkeys(INTERFACE[:2] + STEPS))
    assert issubclass(duck, BatchModelBase)
    assert isinstance(duck(), ModelBase)


@pytest.mark.parametrize("missing", INTERFACE[:2] + STEPS)
def test_a_class_that_lacks_one_step_or_name_is_no_batch_model(missing):
    attributes = dict.fromkeys(INTERFACE[:2] + STEPS)
    del attributes[missing]
    assert not issubclass(type("Duck", (), attributes), BatchModelBase)


def test_a_plain_model_whose_helpers_have_the_names_of_steps_stays_plain():
    model = type("Model", (ModelBase,), dict.fromkeys(INTERFACE + STEPS))
    assert not issubclass(model, BatchModelBase)


def test_only_the_batch_base_itself_takes_ducks():
    duck = type("Duck", (), dict.fromkeys(INTERFACE + STEPS))
    assert not issubclass(duck, Upper)
