"""Exceptions of a model whose text cannot be made."""

import pytest
from flask_psc_model import BatchModelBase, create_app
from flask_psc_model.jobs.execution import condemns
from flask_psc_model.model.loading import describe, explain

from .apps import check, make_client


class TypoText:
    """A mixin whose text has a typo in the name of an attribute."""

    def __str__(self):
        """Fail."""
        return "code {}".format(self.cod)


class NoText:
    """A mixin whose text is none."""

    def __str__(self):
        """Return a number."""
        return 5


class Interrupting:
    """A mixin whose text raises what is no `Exception`."""

    def __str__(self):
        """Fail."""
        raise KeyboardInterrupt


class Exiting:
    """A mixin whose text ends the process."""

    def __str__(self):
        """Fail."""
        raise SystemExit(3)


class Endless:
    """A mixin whose text calls itself."""

    def __str__(self):
        """Fail."""
        return str(self)


class Recurring:
    """A mixin whose text raises an error of the same kind."""

    def __str__(self):
        """Fail."""
        raise type(self)()


MIXINS = {
    TypoText: "AttributeError",
    NoText: "TypeError",
    Interrupting: "KeyboardInterrupt",
    Exiting: "SystemExit",
    Endless: "RecursionError",
    Recurring: "Bad",
}


def make_bad(mixin, base):
    """Return an exception of a class `Bad`."""
    return type("Bad", (mixin, base), {})()


def expect(mixin):
    """Return what stands in the place of the text."""
    return "its text cannot be made: Bad.__str__ raised " + MIXINS[mixin]


def raise_it(error, cause=None):
    """Return a function that raises an error."""

    def run(*_):
        raise error from cause

    return run


def post_job(client, job):
    """Run a job."""
    return client.post("/run", json=job.body)


@pytest.mark.parametrize("mixin", MIXINS)
@pytest.mark.parametrize("function", [describe, explain])
def test_the_type_stands_beside_the_reason(function, mixin):
    error = make_bad(mixin, RuntimeError)
    assert function(error) == "Bad: " + expect(mixin)
    assert not condemns(error)


def test_a_text_of_a_class_of_its_own_is_a_plain_one():
    class Text(str):
        def strip(self, *_):
            raise RuntimeError

    error = type("Odd", (Exception,), {"__str__": lambda self: Text(" a ")})()
    assert describe(error) == "Odd: a"
    assert type(describe(error)) is str


@pytest.mark.parametrize("mixin", MIXINS)
@pytest.mark.parametrize("base", [Exception, BaseException, OSError, ImportError])
def test_a_failure_is_a_500_with_the_type(job, mixin, base):
    client = make_client(raise_it(make_bad(mixin, base)))
    message = check(post_job(client, job), 500)
    assert message == "the model failed: Bad: " + expect(mixin)
    assert job.outputs() is None


@pytest.mark.parametrize("mixin", MIXINS)
def test_the_cause_of_a_failure_may_have_no_text(job, mixin):
    error = RuntimeError("it broke")
    client = make_client(raise_it(error, make_bad(mixin, OSError)))
    message = check(post_job(client, job), 500)
    assert message == "the model failed: RuntimeError: it broke"


@pytest.mark.parametrize("mixin", MIXINS)
def test_a_refusal_is_still_a_422(job, mixin):
    client = make_client(raise_it(make_bad(mixin, ValueError)))
    assert check(post_job(client, job), 422) == expect(mixin)
    assert job.outputs() is None


@pytest.mark.parametrize("mixin", MIXINS)
def test_an_error_about_a_file_is_still_a_400(job, mixin):
    def run(input_path, _):
        error = make_bad(mixin, OSError)
        error.filename = input_path
        raise error

    assert check(post_job(make_client(run), job), 400) == "Bad: " + expect(mixin)


@pytest.mark.parametrize("mixin", MIXINS)
def test_a_model_that_cannot_be_loaded_shows_the_type(mixin):
    client = create_app(raise_it(make_bad(mixin, RuntimeError))).test_client()
    message = check(client.get("/status"), 500)
    assert message == "the model could not be loaded: Bad: " + expect(mixin)


@pytest.mark.parametrize("mixin", MIXINS)
@pytest.mark.parametrize(("base", "status"), [(ValueError, 422), (Exception, 500)])
def test_a_batch_fails_its_job_alone(job, mixin, base, status):
    class Model(BatchModelBase):
        """Fails in its second step."""

        input_filenames, output_filenames = "input.txt", "results.json"

        def preprocess(self, *_):
            """Do nothing."""

        def predict(self, batch):
            """Fail."""
            raise make_bad(mixin, base)

        def postprocess(self, *_):
            """Do nothing."""

    answer = post_job(create_app(Model).test_client(), job)
    assert expect(mixin) in check(answer, status)


@pytest.mark.parametrize("mixin", MIXINS)
def test_an_extension_module_that_cannot_be_imported_may_have_no_text(mixin):
    error = make_bad(mixin, ImportError)
    error.path = "module.so"
    assert explain(error) == "Bad: " + expect(mixin)
