"""From a model factory to a model."""

import functools
import sys

import pytest
from flask_psc_model import BatchModelBase, ModelBase
from flask_psc_model.errors import ModelNotLoaded
from flask_psc_model.model.base import INTERFACE, STEPS
from flask_psc_model.model.loading import (
    as_list,
    close_model,
    describe,
    import_object,
    is_batch_model,
    load_model,
)

from .commands import run_python
from .template import TEMPLATE


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
    duck = type("Duck", (), dict(dict.fromkeys(INTERFACE, "a"), run=Model.run))
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
        (
            "import no_such_library.inside",
            "add the package of no_such_library to requirements.in",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_an_error_that_says_why(
    module, text, reason
):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(module(text) + ".Model")
    assert reason in caught.value.message


@pytest.mark.parametrize(
    "text", ["import os.nothing", "import flask.nothing", "raise ImportError('odd')"]
)
def test_what_is_installed_already_need_not_be_required(module, text):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(module(text) + ".Model")
    assert "requirements.in" not in caught.value.message


def test_a_class_that_was_renamed_is_offered_for_app_py(module):
    source = "from {} import Model as Base\nclass NewName(Base): pass"
    name = module(source.format(__name__))
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(name + ".OldName")
    assert caught.value.message.endswith(
        "the module {0} has nothing named OldName: write {0}.NewName in app.py".format(
            name
        )
    )


@pytest.mark.parametrize("source", ["", "class One(Base): pass\nclass Two(Base): pass"])
def test_a_class_that_is_gone_leads_to_app_py(module, source):
    name = module("from {} import Model as Base\n{}".format(__name__, source))
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(name + ".OldName")
    assert "has nothing named OldName: correct the path in app.py" in (
        caught.value.message
    )


@pytest.mark.parametrize("part", ["no_such_module.Model", "os.nothing.Model"])
def test_a_module_that_was_moved_leads_to_app_py(part):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(part)
    assert "correct {} in app.py".format(part) in caught.value.message
    assert "requirements.in" not in caught.value.message


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


def test_a_constructor_with_arguments_is_an_error_that_says_what_to_do():
    class NeedsWeights(Model):
        def __init__(self, weights, device="cpu"):
            raise AssertionError("it was called")

    with pytest.raises(ModelNotLoaded) as caught:
        load_model(NeedsWeights)
    assert caught.value.message == (
        "the model could not be loaded: NeedsWeights() is called without arguments, and"
        " is missing a required argument: 'weights': set defaults, or pass create_app a"
        " function without arguments that returns the model"
    )


def test_a_constructor_whose_arguments_have_defaults_is_called_without():
    assert isinstance(load_model(lambda weights=None, *more, **named: Model()), Model)


async def run_async(self, input_path, output_path):
    """Do nothing in a coroutine."""


async def yield_async(self, input_path, output_path):
    """Do nothing in an asynchronous generator."""
    yield


def yield_once(self, input_path, output_path):
    """Do nothing in a generator."""
    yield


@functools.wraps(run_async)
def wrapped(self, *paths):
    """Do nothing, in the name of a coroutine."""


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (run_async, "run() is async, and nothing would await it"),
        (yield_async, "run() is async, and nothing would await it"),
        (wrapped, "run() is async, and nothing would await it"),
        (yield_once, "run() has a yield"),
        (
            lambda self, a, b, c: None,
            "run() takes 3 paths; the model has 1 input (input.txt) and 1 output"
            " (results.json)",
        ),
        (lambda self, a: None, "run() takes 1 path; the model has 1 input"),
        (lambda self: None, "run() takes 0 paths; the model has 1 input"),
        (lambda self, a, b, c, d=1: None, "run() takes 3 to 4 paths; the model has"),
        (lambda self, a, b, c, *d: None, "run() takes 3 or more paths; the model has"),
        (lambda self, a, b, *, size: None, "argument: 'size'"),
        ("a text", "run of Model is no method"),
    ],
)
def test_a_run_that_cannot_run_is_an_error_at_the_load(run, message):
    names = {"input_filenames": "input.txt", "output_filenames": ["results.json"]}
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(type("Model", (ModelBase,), dict(names, run=run)))
    assert "the model could not be loaded: " in caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize(
    "run",
    [
        lambda self, a, b: None,
        lambda self, a, b, c=1: None,
        lambda self, *paths: None,
        lambda self, a, *paths, size=1, **more: None,
        staticmethod(lambda a, b: None),
        print,
    ],
)
def test_a_run_that_takes_the_paths_is_loaded(run):
    names = {"input_filenames": "a.txt", "output_filenames": "b.txt"}
    assert load_model(type("Model", (ModelBase,), dict(names, run=run)))


class BatchModel(BatchModelBase):
    """A batch model that does nothing."""

    input_filenames = ["input.txt", "more.txt"]
    output_filenames = "results.json"

    def preprocess(self, input_path, more_path):
        """Do nothing."""

    def predict(self, batch):
        """Return nothing for each job."""
        return [None] * len(batch)

    def postprocess(self, result, output_path):
        """Do nothing."""


#: The same without the base class: what a class needs at least.
BatchDuck = type(
    "BatchDuck",
    (),
    {name: vars(BatchModel)[name] for name in INTERFACE[:2] + STEPS},
)


@pytest.mark.parametrize("base", [BatchModel, BatchDuck])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"preprocess": run_async}, "preprocess() is async, and nothing would await"),
        ({"predict": yield_async}, "predict() is async, and nothing would await it"),
        ({"postprocess": wrapped}, "postprocess() is async, and nothing would await"),
        ({"predict": yield_once}, "predict() has a yield, so that calling it does"),
        (
            {"preprocess": lambda self, a: None},
            "preprocess() takes 1 path; the model has 2 inputs (input.txt, more.txt): "
            "too many",
        ),
        (
            {"predict": lambda self: None},
            "predict() takes 0 arguments, and is called with a batch: too many",
        ),
        (
            {"postprocess": lambda self, result, a, b: None},
            "postprocess() takes 3 arguments, and is called with a result and 1 output"
            " (results.json): missing a required argument: 'b'",
        ),
        ({"predict": 1}, "predict of {name} is no method"),
        ({"run": lambda self: None}, "run() takes 0 paths; the model has 2 inputs"),
        ({"max_batch_size": 0}, "max_batch_size of {name} is 0: set a whole number"),
        ({"max_batch_size": -1}, "max_batch_size of {name} is -1: set a whole number"),
        ({"max_batch_size": 1.5}, "max_batch_size of {name} is 1.5: set a whole"),
        ({"max_batch_size": True}, "max_batch_size of {name} is True: set a whole"),
        ({"max_batch_size": None}, "max_batch_size of {name} is None: set a whole"),
        ({"max_batch_size": "8"}, "max_batch_size of {name} is '8': set a whole"),
        ({"max_batch_delay": -0.1}, "max_batch_delay of {name} is -0.1: set a number"),
        ({"max_batch_delay": "1s"}, "max_batch_delay of {name} is '1s': set a number"),
        ({"max_batch_delay": None}, "max_batch_delay of {name} is None: set a number"),
        ({"max_batch_delay": True}, "max_batch_delay of {name} is True: set a number"),
        ({"max_batch_delay": float("inf")}, "max_batch_delay of {name} is inf: set"),
        ({"max_batch_delay": float("nan")}, "max_batch_delay of {name} is nan: set"),
    ],
)
def test_a_batch_model_that_cannot_run_is_an_error_at_the_load(base, changed, message):
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(type("Changed", (base,), changed))
    assert "the model could not be loaded: " in caught.value.message
    assert message.format(name="Changed") in caught.value.message


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"preprocess": lambda self, *paths: None},
        {"preprocess": lambda self, a, b, c=1: None},
        {"predict": lambda self, batch, size=1: None},
        {"postprocess": lambda self, result, *paths: None},
        {"max_batch_size": 1, "max_batch_delay": 0},
        {"max_batch_delay": 0.005},
    ],
)
def test_a_batch_model_that_takes_its_arguments_is_loaded(changed):
    assert is_batch_model(load_model(type("Model", (BatchModel,), changed)))


def test_a_batch_model_without_the_base_class_gets_what_it_lacks():
    model = load_model(BatchDuck)
    assert is_batch_model(model)
    assert (model.max_batch_size, model.max_batch_delay) == (32, 0)
    assert model.validation_exception_class is ValueError
    assert model.io_exception_class is OSError
    assert model.run("a", "b", "c") is None


def test_a_batch_model_without_the_base_class_keeps_what_it_has():
    own = {"max_batch_size": 4, "validation_exception_class": KeyError}
    model = load_model(type("Model", (BatchDuck,), own))
    assert model.max_batch_size == 4
    assert model.validation_exception_class is KeyError


def test_a_batch_model_that_lacks_names_is_an_error_that_names_the_base_class():
    with pytest.raises(ModelNotLoaded) as caught:
        load_model(type("Duck", (), {name: vars(BatchModel)[name] for name in STEPS}))
    assert "which has no input_filenames, output_filenames: derive the class from" in (
        caught.value.message
    )
    assert caught.value.message.endswith("flask_psc_model.BatchModelBase")


def test_a_plain_model_whose_helpers_have_the_names_of_steps_runs_alone():
    helpers = dict.fromkeys(STEPS, lambda self: None)
    model = load_model(type("Model", (Model,), helpers))
    assert not is_batch_model(model)
    assert not is_batch_model(load_model(Model))


def test_a_model_without_files_is_loaded():
    names = {"input_filenames": [], "output_filenames": []}
    assert load_model(type("Model", (ModelBase,), dict(names, run=lambda self: None)))


def test_a_fork_that_comes_back_from_a_function_of_a_model_ends():
    program = (
        "import os, sys\n"
        "from flask_psc_model.model.loading import call_model\n"
        "def fork(end):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        return end()\n"
        "    return os.waitpid(pid, 0)[1]\n"
        "ends = [int, sys.exit, lambda: sys.exit(3), lambda: 1 / 0]\n"
        "print([call_model(fork, end) for end in ends])\n"
    )
    ending = run_python("-c", program, folder=TEMPLATE)
    assert ending.output == "[0, 0, 256, 256]\n", ending


def test_a_model_is_closed_if_it_can_be(caplog):
    closed = []
    close_model(type("Model", (Model,), {"close": lambda self: closed.append(1)})())
    assert closed == [1]
    close_model(Model())
    close_model(None)
    assert not caplog.text
    close_model(type("Model", (Model,), {"close": lambda self: sys.exit("no")})())
    assert "close() of the model failed" in caplog.text
    assert "SystemExit: no" in caplog.text


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
