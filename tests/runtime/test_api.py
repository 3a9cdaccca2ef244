"""The HTTP API of the container specification, in this process."""

import io
import json
import logging
import os

import pytest
from flask import Flask
from flask_psc_model import ModelBase, __version__, api, create_app

from .apps import check, copy_text, make_client, make_model

MEGABYTE = 1024 * 1024


@pytest.fixture
def client():
    return make_client(copy_text)


class Duck:
    """A model that does not inherit from `ModelBase`."""

    input_filenames = "input.txt"
    output_filenames = "results.json"
    validation_exception_class = ValueError
    io_exception_class = OSError
    run = staticmethod(copy_text)


def test_status_says_that_the_model_is_ready(client):
    check(client.get("/status"), 200, "ready")


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [(KeyError("no such colour"), True), (ValueError("no colour"), False)],
)
def test_the_traceback_of_a_failure_is_in_the_log(job, caplog, error, is_logged):
    def run(input_path, output_path):
        raise error

    make_client(run).post("/run", json=job.body)
    assert ("in run" in caplog.text) is is_logged


def test_the_log_has_the_version_whenever_the_status_is_new(caplog):
    caplog.set_level(logging.INFO, "flask_psc_model")
    problems = ["out of paint", "out of paint", None, None]

    def load():
        problem = problems.pop(0)
        if problem:
            raise RuntimeError(problem)
        return make_model(copy_text)()

    client = create_app(load).test_client()
    codes = [client.get("/status").status_code for _ in range(4)]
    assert codes == [500, 500, 200, 200]
    lines = [line for line in caplog.messages if __version__ in line]
    assert ["out of paint" in line for line in lines] == [True, False]
    assert lines[1] == "flask_psc_model {}: the model is ready".format(__version__)


def test_a_job_runs(client, job):
    job.give("ffaa00")
    check(client.post("/run", json=job.body), 200, str(job.output))
    assert job.outputs() == {"results.json": "ffaa00"}


def test_a_job_runs_without_asking_for_the_status_first_and_again(client, job):
    for text in ("one", "two", "three"):
        check(client.post("/run", json=job.give(text).body), 200)
        assert job.outputs() == {"results.json": text}


def test_a_model_that_is_a_duck_runs(job):
    job.give("quack")
    check(create_app(Duck).test_client().post("/run", json=job.body), 200)
    assert job.read() == "quack"


def test_the_status_is_the_phrase_of_the_code(client, job):
    assert client.get("/status").get_json()["status"] == "OK"
    answer = client.post("/run", data="x", content_type="text/plain")
    assert answer.get_json()["status"] == "Unsupported Media Type"
    assert client.post("/run", json={}).get_json()["status"] == "Bad Request"


# --- the model factory -----------------------------------------------------------


def test_the_model_is_loaded_once_and_only_when_it_is_needed(job):
    made = []

    def factory():
        made.append(1)
        return Duck()

    client = create_app(factory).test_client()
    assert made == []
    for _ in range(2):
        check(client.get("/status"), 200)
        check(client.post("/run", json=job.body), 200)
    assert made == [1]


def test_a_model_that_cannot_be_loaded_is_a_500_with_the_reason(job):
    def factory():
        raise RuntimeError("no weights")

    client = create_app(factory).test_client()
    for answer in (client.get("/status"), client.post("/run", json=job.body)):
        check(answer, 500, "the model could not be loaded: RuntimeError: no weights")
    assert job.outputs() is None


def test_a_failed_load_is_tried_again(job):
    attempts = []

    def factory():
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("too early")
        return Duck()

    client = create_app(factory).test_client()
    check(client.get("/status"), 500, "too early")
    check(client.get("/status"), 200)
    check(client.post("/run", json=job.body), 200)
    assert len(attempts) == 2


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("no licence")])
def test_a_model_that_exits_while_it_loads_is_a_500(error):
    def factory():
        raise error

    check(create_app(factory).test_client().get("/status"), 500, "SystemExit")


@pytest.mark.parametrize("made", [None, "model", {}, object()])
def test_a_factory_that_makes_no_model_is_a_500(made):
    client = create_app(lambda: made).test_client()
    check(client.get("/status"), 500, "derive the class from flask_psc_model.ModelBase")


def test_an_abstract_model_is_a_500_that_names_what_it_lacks():
    class Model(ModelBase):
        """A model without a `run`."""

        input_filenames = output_filenames = "a"

    check(create_app(Model).test_client().get("/status"), 500, "run")


def test_the_factory_may_be_a_dotted_path(job):
    client = create_app(__name__ + ".Duck").test_client()
    check(client.post("/run", json=job.give("x").body), 200)


def test_the_factory_may_come_from_the_environment(monkeypatch, job):
    monkeypatch.setenv("PSC_MODEL_FACTORY", __name__ + ".Duck")
    check(create_app().test_client().post("/run", json=job.give("x").body), 200)


def test_a_given_factory_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("PSC_MODEL_FACTORY", "nowhere.Model")
    check(create_app(Duck).test_client().get("/status"), 200)


@pytest.mark.parametrize("value", [None, ""])
def test_an_app_without_a_factory_is_an_error_that_says_how_to_give_one(
    monkeypatch, value
):
    if value is not None:
        monkeypatch.setenv("PSC_MODEL_FACTORY", value)
    with pytest.raises(ValueError, match="PSC_MODEL_FACTORY"):
        create_app()


def test_the_app_is_a_flask_app_with_the_blueprint():
    app = create_app(Duck)
    assert isinstance(app, Flask)
    assert api in app.blueprints.values()
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {"/status", "/run", "/shutdown"} <= rules


def test_two_apps_have_models_of_their_own(job):
    def shout(input_path, output_path):
        with open(output_path, "w") as file:
            file.write("LOUD")

    quiet, loud = make_client(copy_text), make_client(shout)
    check(quiet.post("/run", json=job.give("quiet").body), 200)
    assert job.read() == "quiet"
    check(loud.post("/run", json=job.body), 200)
    assert job.read() == "LOUD"


# --- shutdown --------------------------------------------------------------------


def test_shutdown_calls_the_function_and_answers_202():
    calls = []
    app = create_app(Duck, shutdown_function=lambda: calls.append(1))
    check(app.test_client().post("/shutdown"), 202, "shutting down")
    assert calls == [1]


CALLS = []


def note_shutdown():
    """Note that the server was asked to stop."""
    CALLS.append(1)


def test_the_shutdown_function_may_be_a_dotted_path():
    del CALLS[:]
    app = create_app(Duck, shutdown_function=__name__ + ".note_shutdown")
    check(app.test_client().post("/shutdown"), 202)
    assert CALLS == [1]


def test_the_shutdown_function_may_come_from_the_environment(monkeypatch):
    del CALLS[:]
    monkeypatch.setenv("PSC_SHUTDOWN_FUNCTION", __name__ + ".note_shutdown")
    check(create_app(Duck).test_client().post("/shutdown"), 202)
    assert CALLS == [1]


@pytest.mark.parametrize("function", ["nowhere.stop", lambda: 1 / 0])
def test_a_shutdown_function_that_fails_is_a_500(function):
    app = create_app(Duck, shutdown_function=function)
    check(app.test_client().post("/shutdown"), 500, "Error")


# --- 404 and 405 -----------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/run/", "/run/x", "/status/", "/RUN", "/ä b", "/favicon.ico"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_unknown_route_is_a_404(client, path, method):
    check(client.open(path, method=method), 404, path)


ALLOWED = {"/run": "POST", "/shutdown": "POST", "/status": "GET"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


@pytest.mark.parametrize(
    ("route", "allowed", "method"),
    [
        (*pair, method)
        for pair in ALLOWED.items()
        for method in METHODS
        if method not in pair
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    client, route, allowed, method
):
    answer = client.open(route, method=method)
    check(answer, 405, "{} {}".format(method, route))
    assert allowed in answer.headers["Allow"]


def test_a_head_request_has_no_body(client):
    answer = client.head("/status")
    assert (answer.status_code, answer.data) == (200, b"")
    answer = client.head("/run")
    assert (answer.status_code, answer.data) == (405, b"")


# --- 400 and 415: malformed jobs -------------------------------------------------

VALID = {"type": "file", "input": "/in", "output": "/out"}

MALFORMED = [
    [],
    [VALID],
    "text",
    42,
    None,
    True,
    {},
    {"cat": "dog"},
    dict(VALID, type="text"),
    dict(VALID, type="FILE"),
    dict(VALID, type=None),
    dict(VALID, type=["file"]),
    {"type": "file"},
    {"type": "file", "input": "/in"},
    {"type": "file", "output": "/out"},
    {"input": "/in", "output": "/out"},
    dict(VALID, input=""),
    dict(VALID, input=None),
    dict(VALID, input=42),
    dict(VALID, input=["/in"]),
    dict(VALID, input={"path": "/in"}),
    dict(VALID, output=""),
    dict(VALID, output=None),
    dict(VALID, output=False),
]


@pytest.mark.parametrize("content", MALFORMED, ids=json.dumps)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_a_malformed_job_is_a_400_whatever_its_content_type(
    client, content, content_type
):
    answer = client.post("/run", data=json.dumps(content), content_type=content_type)
    check(answer, 400)


def test_a_wrong_type_is_shown(client):
    answer = client.post("/run", json=dict(VALID, type="text"))
    check(answer, 400, 'the "type" of the job should be "file", not "text"')
    answer = client.post("/run", json=dict(VALID, type="x" * 100000))
    assert len(check(answer, 400)) < 1000


def test_a_missing_path_is_named(client):
    check(client.post("/run", json={"type": "file"}), 400, '"input"')
    check(client.post("/run", json=dict(VALID, output=None)), 400, '"output"')


NOT_JSON = [
    b"",
    b"cats and dogs",
    b"{",
    b"{'type': 'file'}",
    b"type=file&input=/in&output=/out",
    b"\xff\xfe\x00",
    b"\x00",
    json.dumps(VALID).encode("utf-16"),
    json.dumps(VALID).encode() + b"}",
    b'{"type": "file", "input": "\xe4"}',
]


@pytest.mark.parametrize("body", NOT_JSON)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/problem+json",
    ],
)
def test_what_is_not_json_but_claims_to_be_is_a_400(client, body, content_type):
    answer = client.post("/run", data=body, content_type=content_type)
    check(answer, 400, 'send {"type": "file"')


@pytest.mark.parametrize("body", NOT_JSON)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "text/json", "nonsense", None],
)
def test_what_is_not_json_and_does_not_claim_to_be_is_a_415(client, body, content_type):
    answer = client.post("/run", data=body, content_type=content_type)
    check(answer, 415, 'send {"type": "file"')


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json",
        "application/json; charset=utf-8",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
def test_a_job_is_taken_whatever_its_content_type(client, job, content_type):
    data = json.dumps(job.give("taken").body)
    check(client.post("/run", data=data, content_type=content_type), 200)
    assert job.read() == "taken"


def test_a_job_may_hold_more_keys_and_start_with_a_byte_order_mark(client, job):
    body = json.dumps(dict(job.body, more=[1, {}])).encode("utf-8-sig")
    check(client.post("/run", data=body, content_type="application/json"), 200)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [2000, 50000])
def test_deeply_nested_json_is_a_400(client, opening, depth):
    # with what it holds last, so that only its depth is wrong
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    for body in (opening * depth, opening * depth + b"1" + closing * depth):
        answer = client.post("/run", data=body, content_type="application/json")
        check(answer, 400)


def test_a_huge_number_is_a_400(client):
    body = b'{"type": "file", "input": ' + b"9" * 100000 + b"}"
    check(client.post("/run", data=body, content_type="application/json"), 400)


# --- 408 and 413: bodies that are too short or too large -------------------------


def test_a_body_larger_than_a_megabyte_is_a_413(client, job):
    body = json.dumps(dict(job.body, more="x" * MEGABYTE))
    answer = client.post("/run", data=body, content_type="application/json")
    check(answer, 413, "1048576 bytes")
    assert job.outputs() is None


def test_a_body_without_a_length_is_measured_too(client, job):
    def post(body):
        return client.post(
            "/run",
            input_stream=io.BytesIO(body),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )

    body = json.dumps(job.body).encode()
    check(post(body), 200)
    check(post(body + b" " * MEGABYTE), 413)


def test_a_body_of_a_megabyte_is_read(client, job):
    body = json.dumps(job.body).encode()
    body += b" " * (MEGABYTE - len(body))
    check(client.post("/run", data=body, content_type="application/json"), 200)


def test_a_body_that_breaks_off_is_a_408(client):
    answer = client.post(
        "/run",
        input_stream=io.BytesIO(b'{"type"'),
        content_length=100,
        content_type="application/json",
    )
    # Werkzeug before 2.3 does not see that it breaks off, and it is no JSON
    assert answer.status_code in (400, 408)
    check(answer, answer.status_code)


# --- 400: files ------------------------------------------------------------------


def _post(client, job, **changes):
    return client.post("/run", json=dict(job.body, **changes))


def test_an_input_folder_that_does_not_exist_is_a_400_that_names_it(client, job):
    path = str(job.folder / "nowhere")
    check(_post(client, job, input=path), 400, "input folder {} does not".format(path))


def test_an_input_that_is_no_folder_is_a_400_that_names_it(client, job):
    path = str(job.input / "input.txt")
    message = "the input folder {} is not a folder".format(path)
    check(_post(client, job, input=path), 400, message)


def test_a_missing_input_file_is_a_400_that_names_it(client, job):
    (job.input / "input.txt").unlink()
    path = str(job.input / "input.txt")
    check(_post(client, job), 400, "the input file {} does not exist".format(path))


def test_a_broken_link_is_a_missing_input_file(client, job):
    (job.input / "input.txt").unlink()
    os.symlink("nowhere", str(job.input / "input.txt"))
    check(_post(client, job), 400, "does not exist")


def test_a_linked_input_file_is_read(client, job):
    (job.input / "input.txt").rename(job.folder / "elsewhere.txt")
    (job.folder / "elsewhere.txt").write_text("linked")
    os.symlink(str(job.folder / "elsewhere.txt"), str(job.input / "input.txt"))
    check(_post(client, job), 200)
    assert job.read() == "linked"


def test_a_second_input_file_that_is_missing_is_named(job):
    def run(*paths):
        raise AssertionError("the model should not run")

    client = make_client(run, inputs=["input.txt", "more.txt"])
    check(_post(client, job), 400, str(job.input / "more.txt"))


def test_an_input_file_that_cannot_be_read_is_a_400_that_names_it(
    client, job, monkeypatch
):
    path = str(job.input / "input.txt")
    allows = os.access

    def access(each, mode, **options):
        return each != path and allows(each, mode, **options)

    # nothing is unreadable to root
    monkeypatch.setattr(os, "access", access)
    check(_post(client, job), 400, "the input file {} cannot be read".format(path))
    assert job.outputs() is None


def test_a_folder_in_place_of_an_input_file_is_a_400_that_names_it(client, job):
    (job.input / "input.txt").unlink()
    (job.input / "input.txt").mkdir()
    check(_post(client, job), 400, str(job.input / "input.txt"))


def test_a_missing_input_does_not_create_the_output_folder(client, job):
    (job.input / "input.txt").unlink()
    check(_post(client, job), 400)
    check(_post(client, job, input="/nowhere"), 400)
    assert job.outputs() is None


def test_an_output_that_is_no_folder_is_a_400_that_names_it(client, job):
    path = str(job.input / "input.txt")
    message = "the output folder {} is not a folder".format(path)
    check(_post(client, job, output=path), 400, message)
    assert (job.input / "input.txt").read_text() == ""


def test_an_output_below_a_file_is_a_400_that_names_it(client, job):
    path = str(job.input / "input.txt" / "deep" / "deeper")
    check(_post(client, job, output=path), 400, path)


def test_an_output_that_is_a_broken_link_is_a_400_that_names_it(client, job):
    os.symlink("nowhere", str(job.output))
    check(_post(client, job), 400, str(job.output))


@pytest.mark.parametrize("key", ["input", "output"])
@pytest.mark.parametrize("path", ["/in\0put", "\0", "/\ud800", "/\udfff/x"])
def test_a_path_that_no_file_system_has_is_a_400_that_shows_it(client, job, key, path):
    shown = json.dumps(path)[1:-1]
    message = check(_post(client, job, **{key: path}), 400, '"{}"'.format(key))
    assert shown in message


@pytest.mark.parametrize("key", ["input", "output"])
@pytest.mark.parametrize(
    "name",
    ["x" * 300, "x/" * 5000, "ä" * 200, "x" * 200000],
    ids=["long name", "long path", "long in bytes", "very long"],
)
def test_a_path_too_long_to_exist_is_a_400(client, job, key, name):
    check(_post(client, job, **{key: str(job.folder / "new") + "/" + name}), 400)
    assert os.listdir(str(job.folder)) == ["in"]


def test_undecodable_bytes_in_a_path_arrive(client, tmp_path, job):
    # Python writes the byte 0xff in a path as a lone surrogate
    check(_post(client, job, output=str(tmp_path / "out\udcff")), 200)
    assert os.listdir(os.fsencode(str(tmp_path)) + b"/out\xff") == [b"results.json"]


@pytest.mark.parametrize(
    "name",
    [
        "ünïcödé 文字 😀",
        "with spaces  and\ttabs",
        "quotes'\"`$(x);",
        "new\nline",
        "x" * 255,
        "{0}%s{cookies}",
        "...",
    ],
)
def test_unusual_and_long_names_work(client, tmp_path, name):
    folder = tmp_path / name
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "input.txt").write_text("hello")
    body = {"type": "file", "input": str(folder / "in"), "output": str(folder / "out")}
    check(client.post("/run", json=body), 200)
    assert (folder / "out" / "results.json").read_text() == "hello"


def test_a_relative_path_starts_in_the_working_directory(client, job, monkeypatch):
    monkeypatch.chdir(str(job.folder))
    job.give("relative")
    answer = _post(client, job, input="in", output="./new/../out")
    check(answer, 200, str(job.output))
    assert job.outputs() == {"results.json": "relative"}


# --- 422 and 500: errors of the model --------------------------------------------


def _raise(error):
    def run(*paths):
        raise error

    return run


def test_an_input_that_the_model_refuses_is_a_422_with_its_message(job):
    client = make_client(_raise(ValueError("expected a colour")))
    assert check(_post(client, job), 422) == "expected a colour"


def test_a_subclass_refuses_too(job):
    client = make_client(_raise(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")))
    check(_post(client, job), 422, "utf-8")


class Refused(Exception):
    """A model's own exception."""


def test_the_model_chooses_by_which_exception_it_refuses(job):
    custom = {"validation_exception_class": Refused}
    client = make_client(_raise(Refused("no cat in it")), **custom)
    assert check(_post(client, job), 422) == "no cat in it"
    client = make_client(_raise(ValueError("a bug")), **custom)
    check(_post(client, job), 500, "ValueError: a bug")


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_refusal_without_a_message_still_gets_one(job, text):
    client = make_client(_raise(ValueError(text)))
    check(_post(client, job), 422, "the model refused the input")


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "ünïcödé 😀",
        "lone \ud800 surrogate",
        "nul \0",
        '"quoted" {braces}',
    ],
    ids=ascii,
)
def test_a_message_arrives_as_it_is(job, text):
    assert check(_post(make_client(_raise(ValueError(text))), job), 422) == text
    check(_post(make_client(_raise(RuntimeError(text))), job), 500, text)


def test_a_very_long_message_is_cut(job):
    client = make_client(_raise(ValueError("x" * 10**7)))
    assert len(check(_post(client, job), 422)) < 20000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("out of ideas"), "RuntimeError: out of ideas"),
        (RuntimeError(), "RuntimeError"),
        (KeyError("name"), "KeyError: 'name'"),
        (AssertionError(), "AssertionError"),
        (MemoryError(), "MemoryError"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (StopIteration(), "StopIteration"),
        (SystemExit(), "SystemExit"),
        (SystemExit(0), "SystemExit: 0"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit("bye"), "SystemExit: bye"),
    ],
    ids=repr,
)
def test_a_model_that_breaks_is_a_500_that_says_why(job, error, message):
    client = make_client(_raise(error))
    text = check(_post(client, job), 500)
    assert text == "the model failed: " + message
    assert job.outputs() is None
    check(client.get("/status"), 200)


def test_an_error_of_our_own_libraries_is_no_answer_of_ours(job):
    from werkzeug.exceptions import NotFound

    check(_post(make_client(_raise(NotFound())), job), 500, "NotFound")


def test_run_with_wrong_arguments_is_a_500(job):
    client = make_client(copy_text, inputs=["input.txt", "input.txt"])
    check(_post(client, job), 500, "argument")


def test_an_os_error_about_an_input_is_a_400(job):
    def run(input_path, output_path):
        raise PermissionError(13, "Permission denied", input_path)

    check(_post(make_client(run), job), 400, str(job.input / "input.txt"))


def test_an_input_that_disappears_is_a_400(job):
    def run(input_path, output_path):
        os.remove(input_path)
        with open(input_path):
            pass

    check(_post(make_client(run), job), 400, "input.txt")


def test_an_os_error_about_an_output_is_a_400_that_names_it(job):
    def run(input_path, output_path):
        os.mkdir(output_path)
        with open(output_path, "w"):
            pass

    message = check(_post(make_client(run), job), 400, str(job.output / "results.json"))
    assert ".psc-" not in message


def test_an_os_error_about_the_target_of_a_move_is_a_400(job):
    def run(input_path, output_path):
        os.rename(str(job.folder / "nothing"), output_path)

    check(_post(make_client(run), job), 400, "results.json")


@pytest.mark.parametrize(
    "error",
    [
        OSError("the disk is on fire"),
        OSError(),
        OSError(5, "Input/output error"),
        FileNotFoundError(2, "No such file", "/opt/weights.bin"),
        FileNotFoundError(2, "No such file", 3),
        FileNotFoundError(2, "No such file", b"/opt/weights.bin"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("no answer"),
    ],
    ids=repr,
)
def test_any_other_os_error_is_a_500(job, error):
    check(_post(make_client(_raise(error)), job), 500, "the model failed")


class Unreadable(Exception):
    """A model's own exception."""

    def __init__(self, filename):
        super().__init__("cannot read " + filename)
        self.filename = filename


def test_the_model_chooses_by_which_exception_it_tells_of_files(job):
    def read(input_path, output_path):
        raise Unreadable(input_path)

    client = make_client(read, io_exception_class=Unreadable)
    check(_post(client, job), 400, "cannot read " + str(job.input / "input.txt"))
    client = make_client(_raise(Unreadable("/opt/x")), io_exception_class=Unreadable)
    check(_post(client, job), 500, "cannot read /opt/x")
    check(_post(make_client(read), job), 500, "Unreadable")


def test_the_exception_classes_may_be_properties_of_the_model(job):
    class Model(make_model(_raise(Refused("no")))):
        @property
        def validation_exception_class(self):
            return Refused

    check(_post(create_app(Model).test_client(), job), 422, "no")


# --- file names ------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [list, tuple])
def test_paths_come_in_the_order_of_the_names_as_text(job, wrap):
    got = []

    def run(*paths):
        got.extend(paths)
        for path in paths[2:]:
            open(path, "w").close()

    inputs, outputs = wrap(["b.txt", "a.txt"]), wrap(["2.json", "1.json"])
    for name in inputs:
        job.give(name, name)
    client = make_client(run, inputs=inputs, outputs=outputs)
    check(_post(client, job), 200)
    assert all(type(path) is str and os.path.isabs(path) for path in got)
    assert [os.path.basename(path) for path in got] == list(inputs) + list(outputs)
    assert got[:2] == [str(job.input / "b.txt"), str(job.input / "a.txt")]


def test_a_model_may_have_no_inputs_and_no_outputs(job):
    client = make_client(lambda: None, inputs=[], outputs=[])
    check(_post(client, job), 200)


def test_the_names_may_be_properties_of_the_model(job):
    class Model(make_model(copy_text)):
        @property
        def input_filenames(self):
            return ["input.txt"]

    check(_post(create_app(Model).test_client(), job), 200)


# --- the request id --------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/status"), ("POST", "/run"), ("GET", "/nothing"), ("PUT", "/run")],
)
def test_every_answer_has_the_request_id_of_its_request(client, method, path):
    answer = client.open(path, method=method, headers={"X-Request-ID": "abc-123"})
    assert answer.headers["X-Request-ID"] == "abc-123"
    first, second = [
        client.open(path, method=method).headers["X-Request-ID"] for _ in range(2)
    ]
    assert first
    assert first != second


def test_the_status_has_the_version_of_the_server(client):
    answer = client.get("/status")
    assert answer.headers["X-PSC-Version"] == __version__


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 1000, "ä", "a\tb"])
def test_a_request_id_that_would_spoil_the_log_is_replaced(client, request_id):
    answer = client.get("/status", headers={"X-Request-ID": request_id})
    assert answer.headers["X-Request-ID"] not in ("", request_id)
