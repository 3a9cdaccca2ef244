"""The test cases for a model's app: what they check, and their messages."""

import json
import os
import sys
import tempfile
import threading
import unittest
import weakref
from collections import OrderedDict
from types import SimpleNamespace

import pytest
from flask_psc_model import BatchModelBase, create_app, testing
from flask_psc_model.testing import find_case_file, live_server
from flask_psc_model.testing.live_server import ServerNotStarted
from flask_psc_model.testing.memory import release_models
from werkzeug.wrappers import Response

from . import models
from .apps import make_model
from .project import make_project, serve, write


def shout(input_path, output_path):
    """Write the input in capitals; a model's `run`."""
    with open(input_path, encoding="utf-8") as file:
        text = file.read()
    if text.startswith("refuse"):
        raise ValueError("Expected no refusal, but found " + text)
    if text.startswith("break"):
        raise RuntimeError(text)
    with open(output_path, "w", encoding="utf-8") as file:
        file.write(text.upper())


def swap(first_in, second_in, first_out, second_out):
    """Copy each input to the other output; a model's `run`."""
    for source, target in [(first_in, second_out), (second_in, first_out)]:
        with open(source, "rb") as reader, open(target, "wb") as writer:
            writer.write(reader.read())


SHOUTER = make_model(shout)
SWAPPER = make_model(swap, ["a.txt", "b.txt"], ["one.json", "two.json"])


def make_case(check, model=SHOUTER, base=testing.AutoAppTestCase, **attributes):
    """Return a test case class with one test, a function of the test case."""

    class Case(base):
        def create_app(self):
            return create_app(model)

        def test_it(self):
            check(self)

    for name, value in attributes.items():
        setattr(Case, name, value)
    return Case


def run_case(case):
    """Run a test case class and return its result."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 1
    return result


def check_passes(check, *args, **options):
    """Check that a test passes."""
    result = run_case(make_case(check, *args, **options))
    assert not result.errors + result.failures


def check_fails(check, *args, **options):
    """Check that a test fails, in whatever way, and return its message."""
    result = run_case(make_case(check, *args, **options))
    assert result.errors + result.failures
    return "\n".join(text for _, text in result.errors + result.failures)


def failed_cases(check, **options):
    """Return the names of the case folders that fail."""
    result = run_case(make_case(check, **options))
    return [
        os.path.basename(test.params["case"])
        for test, _ in result.failures + result.errors
    ]


@pytest.fixture
def cases(tmp_path):
    """Return a function that writes a folder of cases and returns its path."""

    def write(**files):
        for path, content in files.items():
            path = tmp_path / "cases" / path.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(tmp_path / "cases")

    return write


def examples(folder):
    """Return a test that checks the example cases of a folder."""
    return lambda case: case.check_example_cases(folder)


def refusals(folder):
    """Return a test that checks the validation error cases of a folder."""
    return lambda case: case.check_validation_error_cases(folder)


# --- the app and the client ------------------------------------------------------


def test_the_app_is_made_once_for_each_test():
    made = []

    class Case(testing.AppTestCase):
        def create_app(self):
            made.append(create_app(SHOUTER))
            return made[-1]

        def test_it(self):
            assert self.app is self.app
            self.client.get("/status")

    for _ in range(2):
        assert run_case(Case).wasSuccessful()
    assert len(made) == 2


def test_a_case_without_an_app_says_what_to_define():
    class Case(testing.AppTestCase):
        def test_it(self):
            self.check_sanity()

    [(_, text)] = run_case(Case).errors
    assert "Case does not define create_app: define it and return" in text


def test_the_module_has_no_tests_of_its_own():
    # `python -m unittest` imports this package, by its name `test*`
    suite = unittest.defaultTestLoader.loadTestsFromModule(testing)
    assert suite.countTestCases() == 0


# --- failures that several classes have -------------------------------------------


def fail_twice(first, second=None, name="Other"):
    """Return the results of two classes with the same test, which does two things."""
    checks = {"One": first, "Other": second or first}

    class Tests:
        def test_it(self):
            checks[self.kind](self)

    results = []
    for kind, qualname in [("One", "One"), ("Other", name)]:
        case = type(kind, (Tests, testing.AppTestCase), {"kind": kind})
        case.__qualname__ = qualname
        results.append(run_case(case))
    return results


def raise_error(error):
    """Return a test that raises an error."""

    def check(case):
        raise error

    return check


def fail_in_subtest(text, **params):
    """Return a test whose only subtest fails."""

    def check(case):
        with case.subTest(**params):
            case.fail(text)

    return check


@pytest.mark.parametrize(
    "check",
    [
        raise_error(AssertionError("once: fails")),
        raise_error(RuntimeError("once: breaks")),
        fail_in_subtest("once: a case", case="a"),
    ],
)
def test_the_second_class_with_the_same_failure_skips_it(check):
    first, second = fail_twice(check)
    assert len(first.failures + first.errors) == 1
    assert second.failures + second.errors == []
    [(_, reason)] = second.skipped
    assert reason == "fails as in One"


def test_a_failure_is_the_same_with_another_temporary_folder():
    _, second = fail_twice(
        raise_error(OSError("no /tmp/tmpabcd_123/output/.psc-1-2/x at 0x7f12")),
        raise_error(OSError("no /tmp/tmpzz89efgh/output/.psc-7-8/x at 0x7fee")),
    )
    assert second.errors == []


@pytest.mark.parametrize(
    ("check", "other"),
    [
        (raise_error(ValueError("two: a")), raise_error(ValueError("two: b"))),
        (raise_error(ValueError("two: c")), raise_error(TypeError("two: c"))),
        (fail_in_subtest("two: d", case="a"), fail_in_subtest("two: d", case="b")),
    ],
)
def test_another_failure_of_the_second_class_is_shown(check, other):
    for result in fail_twice(check, other):
        assert len(result.failures + result.errors) == 1
        assert result.skipped == []


def test_another_test_with_the_same_message_is_shown():
    check = raise_error(ValueError("the same words"))
    for cls in ("One", "Other"):
        assert len(run_case(make_case(check, __qualname__=cls)).errors) == 1


def test_a_class_that_runs_again_shows_its_failures_again():
    check = raise_error(ValueError("again"))
    for result in fail_twice(check, check, "One"):
        assert len(result.errors) == 1


def test_subtests_that_pass_stay_so():
    def check(case):
        for number in range(3):
            with case.subTest(number=number):
                pass

    for result in fail_twice(check):
        assert result.wasSuccessful()
        assert result.skipped == []


def test_a_runner_without_subtests_gets_the_first_failure():
    class Results:
        """What unittest needs of a result."""

        failfast = shouldStop = False

        def __init__(self):
            self.failed = []

        def startTest(self, test):
            """Note nothing."""

        stopTest = startTest

        def addDuration(self, test, seconds):
            """Note nothing; without it Python 3.12 warns."""

        def addFailure(self, test, error):
            self.failed.append(str(error[1]))

    results = Results()
    case = make_case(fail_in_subtest("without subtests", case="a"))("test_it")
    assert case.run(results) is results
    assert results.failed == ["without subtests"]


# --- models in this process -------------------------------------------------------


def test_a_released_model_is_gone_and_loaded_again_for_the_next_job():
    made = []

    class Model(SHOUTER):
        def __init__(self):
            made.append(weakref.ref(self))

    app = create_app(Model)

    def check(case):
        _, result = case.run_test_job("a")
        case.assertEqual(result, b"A")

    for count in (1, 2):
        check_passes(check, create_app=lambda case: app)
        assert len(made) == count
        assert made[-1]() is not None
        release_models()
        assert made[-1]() is None


def test_a_model_on_a_gpu_leaves_no_memory_there(monkeypatch):
    emptied = []
    cuda = SimpleNamespace(
        is_initialized=lambda: True, empty_cache=lambda: emptied.append(True)
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    release_models()
    assert emptied == [True]


# --- AppTestCase.run_test_job ----------------------------------------------------


def test_a_job_returns_the_response_and_the_outputs_by_name():
    def check(case):
        response, outputs = case.run_test_job({"input.txt": "hé"})
        case.assertSuccessResponse(response)
        case.assertEqual(outputs, {"results.json": "HÉ".encode("utf-8")})

    check_passes(check, base=testing.AppTestCase)


def test_a_job_takes_bytes_and_leaves_out_what_is_none():
    def check(case):
        response, outputs = case.run_test_job({"a.txt": b"\xff", "b.txt": None})
        case.assertClientErrorResponse(response)
        case.assertIn("b.txt", response.get_json()["message"])
        case.assertEqual(outputs, {})
        _, outputs = case.run_test_job({"a.txt": b"\xff\r\n", "b.txt": b""})
        case.assertEqual(outputs, {"one.json": b"", "two.json": b"\xff\r\n"})

    check_passes(check, SWAPPER, testing.AppTestCase)


def test_a_job_returns_extra_and_nested_outputs():
    def run(input_path, output_path):
        for name in ("extra.txt", "deep/er.txt", "results.json"):
            path = os.path.join(os.path.dirname(output_path), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(name)

    def check(case):
        _, outputs = case.run_test_job({"input.txt": ""})
        names = ["deep/er.txt", "extra.txt", "results.json"]
        case.assertEqual(outputs, {name: name.encode() for name in names})

    check_passes(check, make_model(run), testing.AppTestCase)


def test_a_job_takes_names_with_folders():
    model = make_model(shout, "deep/input.txt")

    def check(case):
        _, outputs = case.run_test_job({"deep/input.txt": "a"})
        case.assertEqual(outputs, {"results.json": b"A"})

    check_passes(check, model, testing.AppTestCase)


def test_a_job_that_fails_returns_its_response():
    def check(case):
        response, outputs = case.run_test_job({"input.txt": "refuse"})
        case.assertValidationErrorResponse(response)
        case.assertEqual(outputs, {})

    check_passes(check, base=testing.AppTestCase)


def test_a_job_leaves_no_temporary_files(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    check_passes(lambda case: case.run_test_job("a"))
    check_passes(lambda case: case.run_test_job("refuse"))
    assert os.listdir(str(tmp_path)) == []


def test_a_model_that_cannot_be_loaded_fails_the_job_with_the_reason():
    def factory():
        raise RuntimeError("no weights")

    def check(case):
        case.run_test_job({"input.txt": ""})

    assert "no weights" in check_fails(check, factory, testing.AppTestCase)


# --- assertions ------------------------------------------------------------------


def respond(code, content, content_type="application/json"):
    """Return a response with the interface of Flask's."""

    class Answer(Response):
        def get_json(self):
            return None if content_type != "application/json" else content

    return Answer(json.dumps(content), status=code, content_type=content_type)


def body(code=200, status="OK", message="well"):
    """Return a response object."""
    return {"statusCode": code, "status": status, "message": message}


ASSERTIONS = OrderedDict(
    [
        ("assertSuccessResponse", (200, "OK")),
        ("assertAcceptedResponse", (202, "Accepted")),
        ("assertClientErrorResponse", (400, "Bad Request")),
        ("assertMediaTypeErrorResponse", (415, "Unsupported Media Type")),
        ("assertValidationErrorResponse", (422, "Unprocessable Entity")),
    ]
)


@pytest.mark.parametrize("name", ASSERTIONS)
@pytest.mark.parametrize(("code", "status"), ASSERTIONS.values())
def test_each_assertion_takes_its_own_status_only(name, code, status):
    def check(case):
        getattr(case, name)(respond(code, body(code, status)))

    if ASSERTIONS[name][0] == code:
        check_passes(check)
    else:
        text = check_fails(check)
        assert "the server answered {}".format(code) in text
        assert "'message': 'well'" in text


@pytest.mark.parametrize(
    "response",
    [
        respond(200, body(201)),
        respond(201, body(200)),
        respond(200, body(), "text/html"),
        respond(200, [body()]),
        respond(200, "OK"),
        respond(200, {}),
        respond(200, {"statusCode": 200, "status": "OK"}),
        respond(200, {"statusCode": 200, "message": "well"}),
        respond(200, {"status": "OK", "message": "well"}),
        respond(200, body(status="Fine")),
        respond(200, body(status="")),
        respond(200, body(message="")),
        respond(200, body(message="  ")),
        respond(200, body(message=None)),
        respond(200, body(message=["well"])),
    ],
)
def test_what_is_no_response_object_fails(response):
    check_fails(lambda case: case.assertResponse(response, 200))


def test_the_response_object_may_come_with_a_charset():
    response = respond(200, body())
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    check_passes(lambda case: case.assertResponse(response, 200))


def reject(text):
    """Fail whatever the text is."""
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, True),
        ({"status": "OK"}, True),
        ({"status": "Fine"}, False),
        ({"status": lambda text: text == "OK"}, True),
        ({"status": lambda text: text == "Fine"}, False),
        ({"message": "well"}, True),
        ({"message": "ill"}, False),
        ({"message": lambda text: "ell" in text}, True),
        ({"message": lambda text: "ill" in text}, False),
        # a function may use assertions of its own, and return nothing
        ({"message": lambda text: None}, True),
        ({"message": reject}, False),
    ],
)
def test_status_and_message_may_be_given_as_a_text_or_a_function(options, passes):
    def check(case):
        case.assertResponse(respond(200, body()), 200, **options)

    if passes:
        check_passes(check)
    else:
        check_fails(check)


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("assertClientErrorResponse", 400, "Bad Request"),
        ("assertMediaTypeErrorResponse", 415, "Unsupported Media Type"),
        ("assertValidationErrorResponse", 422, "Unprocessable Entity"),
    ],
)
def test_the_assertions_of_errors_take_a_message(name, code, status):
    response = respond(code, body(code, status, "wrong"))
    check_passes(lambda case: getattr(case, name)(response, "wrong"))
    check_passes(lambda case: getattr(case, name)(response, message="wrong"))
    check_fails(lambda case: getattr(case, name)(response, "right"))


def test_the_status_of_another_framework_may_be_given():
    response = respond(422, body(422, "Unprocessable Content"))
    check_passes(
        lambda case: case.assertResponse(response, 422, "Unprocessable Content")
    )


# --- check_sanity ----------------------------------------------------------------


def test_a_sane_app_passes_and_is_not_stopped():
    stopped = []

    class Case(testing.AutoAppTestCase):
        def create_app(self):
            return create_app(SHOUTER, shutdown_function=lambda: stopped.append(1))

        def test_it(self):
            self.check_sanity()

    assert run_case(Case).wasSuccessful()
    assert stopped == []


def test_an_app_that_cannot_load_its_model_is_not_sane():
    def factory():
        raise RuntimeError("no weights")

    assert "no weights" in check_fails(lambda case: case.check_sanity(), factory)


@pytest.mark.parametrize("path", ["/status", "/run", "/shutdown"])
def test_an_app_that_answers_otherwise_is_not_sane(path):
    class Case(testing.AutoAppTestCase):
        def create_app(self):
            app = create_app(SHOUTER)

            @app.after_request
            def change(response):
                from flask import request

                if request.path == path:
                    response.set_data(b"{}")
                return response

            return app

        def test_it(self):
            self.check_sanity()

    assert not run_case(Case).wasSuccessful()


# --- AutoAppTestCase.run_test_job ------------------------------------------------


def test_an_automatic_job_takes_and_returns_files_in_the_order_of_their_names():
    def check(case):
        response, one, two = case.run_test_job("a", b"b")
        case.assertSuccessResponse(response)
        case.assertEqual((one, two), (b"b", b"a"))

    check_passes(check, SWAPPER)


def test_an_automatic_job_leaves_out_what_is_none_or_not_given():
    def check(case):
        for inputs in [(None, "b"), ("a", None), ("a",), ()]:
            response, one, two = case.run_test_job(*inputs)
            case.assertClientErrorResponse(response)
            case.assertEqual((one, two), (None, None))

    check_passes(check, SWAPPER)


def test_more_inputs_than_the_model_has_fail():
    text = check_fails(lambda case: case.run_test_job("a", "b", "c"), SWAPPER)
    assert "3" in text
    assert "a.txt" in text


# --- check_example_cases ---------------------------------------------------------


def test_examples_with_the_expected_results_pass(cases):
    folder = cases(
        one__input_txt="a",
        one__results_json="A",
        two__input_txt="b",
        two__results_json="B",
        readme_md="no case",
    )
    check_passes(examples(folder))


def test_every_example_runs_even_when_one_fails(cases):
    folder = cases(
        a__input_txt="a",
        a__results_json="wrong",
        b__input_txt="b",
        b__results_json="B",
        c__input_txt="refuse",
        c__results_json="C",
        d__input_txt="break",
        d__results_json="D",
        e__input_txt="e",
        f__results_json="F",
    )
    assert sorted(failed_cases(examples(folder))) == ["a", "c", "d", "e", "f"]


def test_a_failing_example_names_case_and_file_and_shows_both_results(cases):
    folder = cases(first__input_txt="actual", first__results_json="expected")
    text = check_fails(examples(folder))
    for part in ("results.json", "ACTUAL", "expected"):
        assert part in text
    result = run_case(make_case(examples(folder)))
    [(test, _)] = result.failures
    assert str(test).endswith("(case={!r})".format(os.path.join(folder, "first")))


def test_an_example_that_is_refused_shows_the_message(cases):
    folder = cases(first__input_txt="refuse it", first__results_json="")
    assert "Expected no refusal, but found refuse it" in check_fails(examples(folder))


def test_a_missing_expected_result_fails_with_its_name_and_case(cases):
    folder = cases(first__input_txt="a", first__result_json="A")
    text = check_fails(examples(folder))
    expected = "the case {} has no results.json: it holds input.txt, result.json;"
    assert expected.format(os.path.join(folder, "first")) in text


@pytest.mark.parametrize("check", [examples, refusals])
def test_a_job_that_fails_for_want_of_an_input_says_what_is_there(cases, check):
    folder = cases(
        first__imput_txt="refuse", first__results_json="A", first__message_txt=""
    )
    text = check_fails(check(folder))
    assert "the server answered 400" in text
    expected = "first has no input.txt: it holds imput.txt, message.txt, results.json;"
    assert expected in text
    assert "input with any extension" in text


def test_an_empty_case_says_so(cases, tmp_path):
    folder = cases(readme_md="")
    os.mkdir(os.path.join(folder, "first"))
    assert "first has no input.txt: it is empty;" in check_fails(examples(folder))


def test_examples_of_several_files_are_compared_file_by_file(cases):
    check_passes(
        examples(cases(x__a_txt="a", x__b_txt="b", x__one_json="b", x__two_json="a")),
        SWAPPER,
    )
    text = check_fails(examples(cases(x__two_json="wrong")), SWAPPER)
    assert "two.json" in text
    assert "one.json" not in text.replace("test_one.json", "")


def test_no_cases_at_all_fail(cases):
    folder = cases(readme_md="no case")
    for check in (examples(folder), refusals(folder)):
        assert "there are no case folders in " + folder in check_fails(check)


def test_a_folder_of_cases_that_does_not_exist_fails(tmp_path):
    for check in (examples, refusals):
        assert "nowhere" in check_fails(check(str(tmp_path / "nowhere")))


def test_hidden_folders_are_no_cases(cases):
    folder = cases(one__input_txt="a", one__results_json="A")
    os.mkdir(os.path.join(folder, ".git"))
    check_passes(examples(folder))


def test_check_results_gets_all_actual_then_all_expected_results(cases):
    folder = cases(x__a_txt="a", x__b_txt="b", x__one_json="1", x__two_json="2")
    got = []

    def check_results(case, *results):
        got.extend(results)

    check_passes(examples(folder), SWAPPER, check_results=check_results)
    assert got == [b"b", b"a", b"1", b"2"]


def test_check_results_can_be_called_and_compares_bytes():
    check_passes(lambda case: case.check_results(b"1", b"2", b"1", b"2"), SWAPPER)
    text = check_fails(lambda case: case.check_results(b"1", b"2", b"1", b"3"), SWAPPER)
    assert "two.json differs from the expected file: it is 2, not 3" in text


@pytest.mark.parametrize(
    ("expected", "tolerance", "passes"),
    [
        (b'{"a": 0.5, "b": [1, "x"]}', 0.001, True),
        (b'{"b":[1,"x"],"a":0.5009}', 0.001, True),
        (b'{"b":[1,"x"],"a":0.5009}', 0, False),
        (b'{"b":[1,"x"],"a":0.502}', 0.001, False),
        (b'{"b":[2,"x"],"a":0.5}', 10, False),
        (b'{"b":[1,"y"],"a":0.5}', 10, False),
    ],
)
def test_numbers_in_json_may_differ_by_the_tolerance(expected, tolerance, passes):
    def check(case):
        case.check_results(b'{"a": 0.5, "b": [1, "x"]}', expected)

    verdict = check_passes if passes else check_fails
    verdict(check, tolerance=tolerance)


def test_what_is_no_json_is_compared_byte_by_byte():
    model = make_model(shout, "input.txt", "numbers.txt")
    check_passes(lambda case: case.check_results(b"0.5", b"0.5"), model)
    text = check_fails(lambda case: case.check_results(b"0.5", b"0.50"), model)
    assert "numbers.txt differs from the expected file: byte 3 differs" in text


def test_an_output_that_is_a_folder_is_no_file():
    text = check_fails(lambda case: case.check_results(None, b"1"))
    assert "results.json is not a file: an output that is a folder needs a test" in text


@pytest.mark.parametrize("expected", [[], ["a"], ["a", "b"]])
def test_a_case_whose_output_is_a_folder_says_what_to_do(tmp_path, expected):
    def run(input_path, output_path):
        os.mkdir(output_path)
        write(output_path, "a", "1")

    case_folder = tmp_path / "examples" / "one"
    case_folder.mkdir(parents=True)
    write(str(case_folder), "input.txt", "a")
    for name in expected:
        folder = case_folder / "results.json"
        folder.mkdir(exist_ok=True)
        write(str(folder), name, "1")
    examples = str(case_folder.parent)
    text = check_fails(lambda case: case.check_example_cases(examples), make_model(run))
    assert "an output that is a folder needs a test of your own" in text
    assert "cli.record" not in text


# --- cases of a batch model as one batch ------------------------------------------


class BatchShouter(BatchModelBase):
    """Writes its input in capitals; keeps the size of each batch."""

    input_filenames = "input.txt"
    output_filenames = "results.json"
    sizes = None

    def preprocess(self, input_path):
        with open(input_path, encoding="utf-8") as file:
            text = file.read()
        if text.startswith("refuse"):
            raise ValueError("Expected no refusal, but found " + text)
        return text

    def predict(self, batch):
        type(self).sizes.append(len(batch))
        return [text.upper() for text in batch]

    def postprocess(self, result, output_path):
        with open(output_path, "w", encoding="utf-8") as file:
            file.write(result)


def make_batch_model(**attributes):
    """Return a class like `BatchShouter`."""
    return type("Model", (BatchShouter,), dict(attributes, sizes=[]))


@pytest.fixture
def mixed_cases(cases):
    """Return a folder of four examples, with two refused cases beside it."""
    files = {
        "validation-error/{}/{}".format(case, name): text
        for case in ("b", "c")
        for name, text in [("input.txt", "refuse " + case), ("message.txt", case)]
    }
    for case in "acde":
        files["examples/{}/input.txt".format(case)] = case
        files["examples/{}/results.json".format(case)] = case.upper()
    return os.path.join(cases(**files), "examples")


def test_all_cases_of_a_batch_model_run_alone_and_then_as_one_batch(mixed_cases):
    model = make_batch_model()
    check_passes(examples(mixed_cases), model)
    assert model.sizes == [1, 1, 1, 1, 4]


@pytest.mark.parametrize("make", [lambda model: model, lambda model: lambda: model()])
def test_a_factory_of_a_batch_model_is_as_good_as_its_class(mixed_cases, make):
    model = make_batch_model()
    names = {"input_filenames": "input.txt", "output_filenames": "results.json"}
    check_passes(examples(mixed_cases), make(model), **names)
    assert model.sizes == [1, 1, 1, 1, 4]


def test_a_batch_of_cases_is_no_larger_than_the_model_allows(mixed_cases):
    model = make_batch_model(max_batch_size=4)
    check_passes(examples(mixed_cases), model)
    # a, b, c and c, of which two are refused, then d and e
    assert model.sizes == [1, 1, 1, 1, 2, 2]


def test_a_plain_model_runs_each_case_once(cases):
    runs = []

    def run(*paths):
        runs.append(1)
        shout(*paths)

    folder = cases(one__input_txt="a", one__results_json="A")
    check_passes(examples(folder), make_model(run))
    assert runs == [1]


def test_results_in_another_order_fail_the_cases_they_belong_to(mixed_cases):
    def predict(self, batch):
        return [text.upper() for text in reversed(batch)]

    model = make_batch_model(predict=predict)
    result = run_case(make_case(examples(mixed_cases), model))
    # alone each is right, and in a batch of four all are wrong
    assert len(result.failures) == 4
    for test, text in result.failures:
        assert "batch=6" in str(test)
        assert "results.json differs from the expected file" in text


def test_a_refused_case_that_spoils_a_batch_fails_the_good_ones(mixed_cases):
    def preprocess(self, input_path):
        with open(input_path, encoding="utf-8") as file:
            return file.read()

    def predict(self, batch):
        refused = [text for text in batch if text.startswith("refuse")]
        return [ValueError(*refused) if refused else text.upper() for text in batch]

    def postprocess(self, result, output_path):
        if isinstance(result, ValueError):
            raise result
        BatchShouter.postprocess(self, result, output_path)

    model = make_batch_model(
        preprocess=preprocess, predict=predict, postprocess=postprocess
    )
    failed = failed_cases(examples(mixed_cases), model=model)
    assert set("acde") <= set(failed)


def test_results_of_a_batch_are_compared_by_check_results(mixed_cases):
    got = []

    def check_results(case, *results):
        got.append(results)

    check_passes(examples(mixed_cases), make_batch_model(), check_results=check_results)
    expected = [(letter.encode(),) * 2 for letter in "ACDE"]
    assert got == expected * 2


def test_a_case_of_a_batch_that_cannot_be_read_fails_alone(mixed_cases):
    os.mkdir(os.path.join(mixed_cases, "a", "input"))
    os.rename(
        os.path.join(mixed_cases, "a", "input.txt"),
        os.path.join(mixed_cases, "a", "input", "one"),
    )
    open(os.path.join(mixed_cases, "a", "input", "two"), "w").close()
    failed = failed_cases(examples(mixed_cases), model=make_batch_model())
    assert failed == ["a", "a"]


# --- cases that are to be filled in ------------------------------------------------


def test_a_case_that_is_to_be_filled_in_is_skipped_for_that_reason(cases):
    folder = cases(
        first__TODO_md="add the files",
        second__input_txt="a",
        second__results_json="wrong",
        third__TODO_md="add the files",
        third__input_txt="a",
        third__results_json="A",
    )
    result = run_case(make_case(examples(folder)))
    assert [os.path.basename(test.params["case"]) for test, _ in result.failures] == [
        "second"
    ]
    [(_, reason)] = result.skipped
    first = os.path.join(folder, "first")
    assert reason == "the case is to be filled in; see TODO.md in " + first


@pytest.mark.parametrize("check", [examples, refusals])
@pytest.mark.parametrize("base", ["ModelBase", "BatchModelBase"])
def test_cases_that_are_all_to_be_filled_in_fail_nothing(cases, check, base):
    model = SHOUTER if base == "ModelBase" else make_batch_model()
    result = run_case(make_case(check(cases(first__TODO_md="")), model))
    assert result.wasSuccessful()
    assert len(result.skipped) == 1


# --- check_validation_error_cases ------------------------------------------------


def test_refusals_with_the_expected_message_pass(cases):
    folder = cases(
        same__input_txt="refuse",
        same__message_txt="Expected no refusal, but found",
        case__input_txt="refuse",
        case__message_txt="EXPECTED NO",
        part__input_txt="refuse",
        part__message_txt="  no refusal \n",
    )
    check_passes(refusals(folder))


def test_every_refusal_runs_even_when_one_fails(cases):
    folder = cases(
        a__input_txt="refuse",
        a__message_txt="something else",
        b__input_txt="refuse",
        b__message_txt="refusal",
        c__input_txt="good",
        c__message_txt="refusal",
        d__input_txt="break",
        d__message_txt="break",
        e__input_txt="refuse",
        f__message_txt="does not exist",
        g__input_txt="refuse",
        g__message_txt=" \n",
    )
    assert sorted(failed_cases(refusals(folder))) == ["a", "c", "d", "e", "f", "g"]


def test_a_refusal_with_another_message_shows_both(cases):
    folder = cases(first__input_txt="refuse", first__message_txt="something else")
    text = check_fails(refusals(folder))
    assert "something else" in text
    assert "but found refuse" in text


def test_a_missing_message_fails_with_its_name_and_case(cases):
    text = check_fails(refusals(cases(first__input_txt="refuse")))
    assert "has no message.txt" in text
    assert "first" in text


def test_a_blank_message_fails(cases):
    folder = cases(first__input_txt="refuse", first__message_txt="\n")
    assert "blank" in check_fails(refusals(folder))


def test_check_validation_error_message_can_be_called():
    check_passes(lambda case: case.check_validation_error_message("Ab cD", "B Cd"))
    check_fails(lambda case: case.check_validation_error_message("B", "abc"))
    check_fails(lambda case: case.check_validation_error_message("abc", ""))


def test_check_validation_error_message_can_be_overridden(cases):
    got = []
    folder = cases(one__input_txt="refuse", one__message_txt=" anything ")
    check_passes(
        refusals(folder),
        check_validation_error_message=lambda case, *texts: got.append(texts),
    )
    assert got == [("Expected no refusal, but found refuse", "anything")]


# --- class attributes ------------------------------------------------------------


def test_by_default_a_message_is_read_from_message_txt_as_utf_8(cases):
    folder = cases(one__input_txt="refuse ä", one__message_txt="ä".encode("utf-8"))
    check_passes(refusals(folder))


def test_the_encoding_of_messages_can_be_chosen(cases):
    folder = cases(one__input_txt="refuse ä", one__message_txt="ä".encode("latin-1"))
    check_passes(refusals(folder), text_encoding="latin-1")
    check_fails(refusals(folder))


def test_the_file_of_messages_can_be_chosen(cases):
    folder = cases(one__input_txt="refuse", one__error_log="refusal")
    check_passes(refusals(folder), error_message_filename="error.log")
    check_fails(refusals(folder))


@pytest.mark.parametrize("wrap", [list, tuple])
def test_the_file_names_can_be_given(cases, wrap):
    folder = cases(x__a_txt="a", x__b_txt="b", x__one_json="b", x__two_json="a")
    check_passes(
        examples(folder),
        lambda: SWAPPER(),
        input_filenames=wrap(["a.txt", "b.txt"]),
        output_filenames=wrap(["one.json", "two.json"]),
    )


def test_one_file_name_can_be_given_as_a_text(cases):
    folder = cases(one__input_txt="a", one__results_json="A")
    check_passes(
        examples(folder),
        lambda: SHOUTER(),
        input_filenames="input.txt",
        output_filenames="results.json",
    )


def test_names_that_are_not_known_before_the_model_is_made_say_what_to_set(cases):
    folder = cases(one__input_txt="a", one__results_json="A")

    class Model(SHOUTER):
        @property
        def input_filenames(self):
            return "input.txt"

    for factory in (lambda: SHOUTER(), Model):
        text = check_fails(examples(folder), factory)
        assert "set input_filenames in Case" in text


def test_names_come_from_a_dotted_path_too(cases):
    folder = cases(one__input_txt="a", one__results_json="A")
    check_passes(examples(folder), __name__ + ".SHOUTER")


def reject(check, inputs, outputs, message_name):
    """Return why a check does not accept some names of files."""
    return check_fails(
        check,
        input_filenames=inputs,
        output_filenames=outputs,
        error_message_filename=message_name,
    )


@pytest.mark.parametrize(
    ("inputs", "outputs", "message_name", "both"),
    [
        ("same.txt", "same.json", "message.txt", ("same.txt", "same.json")),
        (["a.txt", "a.png"], "b.json", "message.txt", ("a.txt", "a.png")),
        ("a.txt", ["b.json", "b.txt"], "message.txt", ("b.json", "b.txt")),
        ("a", "a.json", "message.txt", ("a", "a.json")),
    ],
)
def test_names_that_differ_by_extension_only_are_rejected(
    cases, inputs, outputs, message_name, both
):
    folder = cases(one__input_txt="a")
    for check in (examples(folder), refusals(folder)):
        text = reject(check, inputs, outputs, message_name)
        assert "differ only in their extensions" in text
        assert "{} and {}".format(*both) in text


@pytest.mark.parametrize(
    ("inputs", "outputs", "message_name", "name"),
    [
        ("message.txt", "b.json", "message.txt", "message.txt"),
        ("message.json", "b.json", "message.txt", "message.json"),
        ("a.txt", "error.json", "error.log", "error.json"),
    ],
)
def test_the_name_of_the_expected_message_is_rejected(
    cases, inputs, outputs, message_name, name
):
    folder = cases(one__input_txt="a")
    for check in (examples(folder), refusals(folder)):
        text = reject(check, inputs, outputs, message_name)
        assert message_name + " holds the expected error message of a case" in text
        assert "rename the file " + name in text


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (".cfg.json", "the file .cfg.json is hidden"),
        (["a/b.json", "a.txt"], "a of a/b.json and a.txt are a folder and a file"),
    ],
)
def test_outputs_that_no_example_can_hold_are_rejected_there_alone(
    cases, outputs, message
):
    folder = cases(one__input_txt="refuse it", one__message_txt="it")
    assert message in check_fails(examples(folder), output_filenames=outputs)
    # a refusal has no outputs
    check_passes(refusals(folder), output_filenames=outputs)


def test_names_that_differ_by_more_than_extension_are_fine(cases):
    folder = cases(
        one__a_b_txt="a", one__a_c_txt="b", one__one_json="b", one__two_json="a"
    )
    check_passes(
        examples(folder),
        make_model(swap, ["a.b.txt", "a.c.txt"], ["one.json", "two.json"]),
    )


# --- find_case_file --------------------------------------------------------------


FORMS = [
    "input.txt",
    "input",
    "input.png",
    "input.txt/any name.dat",
    "input/any name.dat",
    "input.d/any name.dat",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_a_case_is_found_by_its_name_without_the_extension(tmp_path, form):
    path = tmp_path / form
    path.parent.mkdir(exist_ok=True)
    path.write_text("here")
    assert find_case_file(str(tmp_path), "input.txt") == str(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_case_runs_with_its_files_in_each_form(tmp_path, form):
    for stem, text in [("input", "a"), ("results", "A")]:
        path = tmp_path / "case" / form.replace("input", stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    check_passes(examples(str(tmp_path)))


def test_a_file_in_a_folder_of_the_model_is_found_without_its_extension(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "input.png").write_text("")
    path = find_case_file(str(tmp_path), "deep/input.txt")
    assert path == str(tmp_path / "deep" / "input.png")


@pytest.mark.parametrize("other", ["input", "input.png"])
def test_two_files_for_one_are_an_error_that_names_both(tmp_path, other):
    for name in ("input.txt", other):
        (tmp_path / name).write_text(name)
    with pytest.raises(ValueError, match="could be input.txt") as caught:
        find_case_file(str(tmp_path), "input.txt")
    assert " and ".join(sorted(["input.txt", other])) in str(caught.value)


@pytest.mark.parametrize("other", ["input.txt~", ".input.txt", "input.txt.bak"])
def test_backups_of_a_file_are_no_second_one(tmp_path, other):
    for name in ("input.txt", other):
        (tmp_path / name).write_text(name)
    assert find_case_file(str(tmp_path), "input.txt") == str(tmp_path / "input.txt")


def test_hidden_files_in_a_folder_do_not_count(tmp_path):
    (tmp_path / "input").mkdir()
    for name in (".DS_Store", "photo.txt"):
        (tmp_path / "input" / name).write_text("")
    path = find_case_file(str(tmp_path), "input.txt")
    assert path == str(tmp_path / "input" / "photo.txt")


@pytest.mark.parametrize("names", [[], ["a", "b"], [".hidden"]])
def test_a_folder_with_other_than_one_file_is_an_error_that_names_it(tmp_path, names):
    (tmp_path / "case" / "input").mkdir(parents=True)
    for name in names:
        (tmp_path / "case" / "input" / name).write_text("")
    with pytest.raises(ValueError, match="should hold one file") as caught:
        find_case_file(str(tmp_path / "case"), "input.txt")
    assert str(tmp_path / "case" / "input") in str(caught.value)
    text = check_fails(examples(str(tmp_path)))
    assert "should hold one file" in text


def test_a_file_that_is_not_there_is_none(tmp_path):
    (tmp_path / "inputs.txt").write_text("")
    assert find_case_file(str(tmp_path), "input.txt") is None
    assert find_case_file(str(tmp_path / "nowhere"), "input.txt") is None


def test_a_name_without_extension_is_found(tmp_path):
    (tmp_path / "input").write_text("")
    assert find_case_file(str(tmp_path), "input") == str(tmp_path / "input")


# --- LiveAppTestCase -------------------------------------------------------------

LIVE_TESTS = """
import os
import unittest

from app import app
from flask_psc_model.testing import AutoAppTestCase, LiveAppTestCase

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


class Tests:
    def create_app(self):
        return app

    def test_sanity(self):
        self.check_sanity()

    def test_examples(self):
        self.check_example_cases(os.path.join(DATA, "examples"))

    def test_refusals(self):
        self.check_validation_error_cases(os.path.join(DATA, "validation-error"))


class TestApp(Tests, AutoAppTestCase):
    pass


class TestServer(Tests, LiveAppTestCase):
    def test_real(self):
        self.assertIsNot(self.client, app.test_client())
        self.assertIn("127.0.0.1", self.client.url)
"""


@pytest.fixture
def live_project(tmp_path):
    """Return a project with tests of the app, both ways."""
    project = make_project(tmp_path / "project", models.ACTOR)
    files = {
        "__init__.py": "",
        "test_app.py": LIVE_TESTS,
        "data/examples/good/input.txt": "a",
        "data/examples/good/results.json": "a",
        "data/validation-error/bad/input.txt": "refuse the reason",
        "data/validation-error/bad/message.txt": "The reason",
    }
    for name, text in files.items():
        path = os.path.join(project, "tests", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    return project


def run_unittest(project, **environment):
    """Run the tests of a project and return the exit code and what they print."""
    import subprocess
    import sys

    settings = {"PSC_MODEL_PORT": "1", "PSC_MODEL_HOST": "192.0.2.1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "unittest"],
        cwd=project,
        env={**os.environ, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    output = process.communicate()[0]
    return process.returncode, output


@pytest.mark.server
def test_the_same_cases_pass_in_this_process_and_over_http(live_project):
    code, output = run_unittest(live_project)
    assert code == 0, output
    assert "Ran 7 tests" in output


#: What docs/server/development.md shows.
FOLDER_TEST = """
    def test_examples(self):
        case = os.path.join(DATA, "examples", "good")
        with open(os.path.join(case, "input.txt"), "rb") as file:
            data = file.read()
        response, files = AppTestCase.run_test_job(self, {"input.txt": data})
        self.assertSuccessResponse(response)
        self.assertEqual(sorted(files), ["results.json/0.txt", "results.json/1.txt"])
        self.assertEqual(files["results.json/1.txt"], EXPECTED)
"""

WRITES_FOLDER = """
import os

from flask_psc_model import ModelBase


class Model(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def run(self, input_path, output_path):
        with open(input_path) as file:
            text = file.read()
        if "refuse" in text:
            raise ValueError(text)
        os.mkdir(output_path)
        for number in range(2):
            with open(os.path.join(output_path, "%d.txt" % number), "w") as file:
                file.write(text * number)
"""


@pytest.mark.server
@pytest.mark.parametrize(("expected", "code"), [("b'a'", 0), ("b'b'", 1)])
def test_a_test_of_ones_own_checks_an_output_that_is_a_folder(
    live_project, expected, code
):
    before, _, after = LIVE_TESTS.partition("    def test_refusals")
    tests = before.split("    def test_examples")[0] + FOLDER_TEST + "\n"
    tests = tests.replace("import AutoApp", "import AppTestCase, AutoApp")
    tests += "    def test_refusals" + after
    write(live_project, "tests/test_app.py", tests.replace("EXPECTED", expected))
    write(live_project, "model_lib/model.py", WRITES_FOLDER)
    os.remove(os.path.join(live_project, "tests/data/examples/good/results.json"))
    ending, output = run_unittest(live_project)
    assert ending == code, output
    assert "Ran 7 tests" in output


@pytest.mark.server
def test_the_tests_need_no_optional_package(live_project, tmp_path):
    # unittest imports every package of the runtime to find tests
    optional = ["jsonschema", "markdown_it", "prometheus_client", "ray"]
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.modules.update(dict.fromkeys({}))".format(optional)
    )
    code, output = run_unittest(live_project, PYTHONPATH=str(tmp_path))
    assert code == 0, output
    assert "Ran 7 tests" in output


@pytest.mark.server
def test_what_fails_in_this_process_and_over_http_is_shown_once(live_project):
    path = os.path.join(live_project, "tests", "data", "examples", "good")
    with open(os.path.join(path, "results.json"), "w") as file:
        file.write("something else")
    code, output = run_unittest(live_project)
    assert code == 1, output
    assert "FAILED (failures=1, skipped=1)" in output
    assert output.count("results.json differs from the expected file") == 1


@pytest.mark.server
def test_what_fails_over_http_only_is_shown(live_project):
    with open(os.path.join(live_project, "tests", "test_app.py"), "a") as file:
        file.write(
            "\n    def check_results(self, *_):\n        self.fail('over HTTP')\n"
        )
    code, output = run_unittest(live_project)
    assert code == 1, output
    assert "FAILED (failures=1)" in output
    assert output.count("over HTTP") > 0


#: Notes when it is loaded and closed.
NOTING = """
import os

from flask_psc_model import ModelBase


def note(event):
    with open(os.environ["NOTES"], "a") as file:
        print(event, file=file)


class Model(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def __init__(self):
        note("load")

    def run(self, source, target):
        with open(source) as file:
            text = file.read()
        if text.startswith("refuse"):
            raise ValueError(text)
        with open(target, "w") as file:
            file.write(text)

    def close(self):
        note("close")
"""


@pytest.mark.server
def test_no_model_is_loaded_beside_another(live_project, tmp_path):
    write(live_project, "model_lib/model.py", NOTING)
    code, output = run_unittest(live_project, NOTES=str(tmp_path / "notes"))
    assert code == 0, output
    notes = (tmp_path / "notes").read_text().split()
    # in this process, in the server, and in the server after the shutdown
    assert notes[:4] == ["load", "close"] * 2
    # the last server may be stopped at any point of its start
    assert notes[4:] in ([], ["load"], ["load", "close"])


@pytest.mark.server
def test_a_server_that_does_not_start_fails_with_its_log(live_project):
    with open(os.path.join(live_project, "gunicorn.conf.py"), "a") as file:
        file.write("\nsys.exit('no start today')\n")
    code, output = run_unittest(live_project)
    assert code == 1
    assert "no start today" in output


@pytest.mark.server
def test_a_server_whose_app_does_not_import_says_why(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    write(project, "app.py", "import nonexistent_pkg\n")
    with pytest.raises(ServerNotStarted, match="nonexistent_pkg") as caught:
        testing.LiveServer(project).__enter__()
    assert caught.value.problem == "the server ./entrypoint.sh exited with code 3"


@pytest.mark.server
def test_a_server_that_accepts_nothing_is_not_waited_for(tmp_path, monkeypatch):
    timeouts = {"status": "0.1s"}
    project = make_project(tmp_path / "project", models.ECHO, timeouts)
    monkeypatch.setattr(live_server, "START_SECONDS", 2)
    code = (
        "import os, socket, time; s = socket.socket();"
        " s.bind(('', int(os.environ['PSC_MODEL_PORT']))); s.listen(); time.sleep(600)"
    )
    server = testing.LiveServer(project, [sys.executable, "-c", code])
    with pytest.raises(ServerNotStarted, match="does not answer"):
        server.__enter__()
    assert server.process.poll() is not None


@pytest.mark.server
def test_another_server_can_be_tested(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)

    class Case(testing.LiveAppTestCase):
        input_filenames = "input.txt"
        output_filenames = "results.json"

        @classmethod
        def make_server(cls):
            return testing.LiveServer(project)

        def test_it(self):
            response, result = self.run_test_job("hello")
            self.assertSuccessResponse(response)
            self.assertEqual(result, b"hello")

    assert run_case(Case).wasSuccessful()


#: Refuses what begins with `refuse`, and writes the rest in capitals.
BATCHES = """
from flask_psc_model import BatchModelBase


class Model(BatchModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def preprocess(self, input_path):
        with open(input_path) as file:
            text = file.read()
        if text.startswith("refuse"):
            raise ValueError(text)
        return text

    def predict(self, batch):
        return [text.upper() for text in batch]

    def postprocess(self, result, output_path):
        with open(output_path, "w") as file:
            file.write(result)
"""


@pytest.mark.server
def test_a_real_server_gets_all_cases_of_a_batch_model_at_once(tmp_path, mixed_cases):
    project = make_project(tmp_path / "project", BATCHES)
    answered = []

    class Case(testing.LiveAppTestCase):
        input_filenames = "input.txt"
        output_filenames = "results.json"

        @classmethod
        def make_server(cls):
            return testing.LiveServer(project)

        def run_test_job(self, *inputs):
            # no case is answered before the last one has come
            if len(answered) >= 4:
                everyone.wait(timeout=20)
            answered.append(inputs)
            return super().run_test_job(*inputs)

        def test_it(self):
            self.check_example_cases(mixed_cases)

    everyone = threading.Barrier(6)
    assert run_case(Case).wasSuccessful()
    assert len(answered) == 10


@pytest.mark.server
def test_a_server_that_runs_already_can_be_talked_to(tmp_path, mixed_cases):
    project = make_project(tmp_path / "project", BATCHES)
    with serve(project) as server:

        class Case(testing.AutoAppTestCase):
            input_filenames = "input.txt"
            output_filenames = "results.json"
            client = server.client

            def test_it(self):
                self.assertEqual(self.run_test_job("hello")[1], b"HELLO")
                self.check_example_cases(mixed_cases)

        assert run_case(Case).wasSuccessful()
