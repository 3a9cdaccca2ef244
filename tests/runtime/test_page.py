"""The page for people who look, and its runs, without a browser."""

import base64
import contextlib
import hashlib
import html
import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from email import message_from_bytes
from urllib.request import Request, urlopen

import pytest
from flask_psc_model import create_app
from flask_psc_model.server.page import routes
from flask_psc_model.server.page.multipart import write_multipart

from . import models
from .apps import check, copy_text, make_client, make_model
from .connections import connect
from .job_folders import JobFolders
from .project import make_project, serve, write
from .template import TEMPLATE

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOME = {"Origin": "http://localhost"}

METADATA = {
    "name": "Tom & <b>Jerry</b>",
    "version": "1.2.3",
    "author": "<script>alert(1)</script>",
    "description": {
        "summary": "Says **it** <img src=x onerror=alert(1)>",
        "details": "[a](javascript:alert(1)) ![b](https://example.org/c.png)",
        "technical": "# Top\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    },
    "metrics": [
        {"label": "F1 <i>", "value": 0.875, "description": "On held-out data."},
        {"label": "Loss", "value": 12},
        "nonsense",
    ],
    "resources": {"memory": {"size": "512M"}, "cpu": {"count": 2}},
    "inputs": {
        "input.txt": {
            "acceptedMediaTypes": ["text/plain"],
            "maxSize": "1K",
            "description": "One `word`.",
        }
    },
    "outputs": {"results.json": {"mediaType": "application/json", "maxSize": "2K"}},
}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return the folder for temporary files, which is empty at first."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def make_page(tmp_path, monkeypatch):
    """Return a function that makes a client of an app with the page.

    Its model is what `make_model` makes of the arguments, in a repository of its own.
    """
    monkeypatch.setenv("PSC_MODEL_PAGE", "1")

    def make(run=copy_text, metadata=METADATA, cases=None, **attributes):
        project = make_project(tmp_path / "project", models.ECHO, **dict(metadata))
        for name, text in (cases or {}).items():
            folder = os.path.join(project, "tests", "data", "examples", name)
            os.makedirs(folder)
            if text is not None:
                write(folder, "input.txt", text)
        model = make_model(run, **attributes)
        # the module of a class says where its model.yaml is
        model.__module__ = tmp_path.name
        module = type(sys)(tmp_path.name)
        module.__file__ = os.path.join(project, "app.py")
        monkeypatch.setitem(sys.modules, tmp_path.name, module)
        return create_app(model).test_client()

    return make


def open_page(client):
    """Return the page as a browser gets it."""
    answer = client.get("/", headers={"Accept": BROWSER})
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    return answer.data.decode("utf-8")


def upload(client, files, **options):
    """Send files by the names of the inputs, as the page does."""
    data = {
        name: (io.BytesIO(content), options.pop("filename", "x.txt"))
        for name, content in files.items()
    }
    headers = options.pop("headers", HOME)
    return client.post("/page/run", data=data, headers=headers, **options)


def take_apart(data, content_type):
    """Return (kind, name, media type, content) of each part of an answer."""
    head = "Content-Type: {}\r\n\r\n".format(content_type).encode()
    message = message_from_bytes(head + data)
    assert message.is_multipart() and not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]


def read_parts(answer):
    """Return the parts of an answer of Flask's test client."""
    with contextlib.closing(answer):
        assert answer.status_code == 200, answer.data
        return take_apart(answer.data, answer.content_type)


# --- who gets the page -----------------------------------------------------------


def test_an_app_has_no_page_by_itself():
    client = make_client(copy_text)
    check(client.get("/", headers={"Accept": BROWSER}), 404)
    check(client.post("/page/run"), 404)


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json", "text/plain"])
def test_a_client_that_does_not_ask_for_html_gets_the_response_object(
    make_page, accept
):
    headers = {} if accept is None else {"Accept": accept}
    check(make_page().get("/", headers=headers), 404, "GET /")


def test_the_page_takes_get_and_its_runs_take_post(make_page):
    client = make_page()
    for path, method, allowed in (("/", "POST", "GET"), ("/page/run", "GET", "POST")):
        answer = client.open(path, method=method, headers={"Accept": BROWSER})
        check(answer, 405, "{} {}".format(method, path))
        assert allowed in answer.headers["Allow"]
    answer = client.head("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.server
@pytest.mark.parametrize(
    ("command", "setting", "expected"),
    [
        ("./entrypoint.sh", None, 404),
        ("./entrypoint.sh", "1", 200),
        ("python app.py", None, 200),
        ("python app.py", "0", 404),
        ("flask run", None, 200),
    ],
)
def test_the_development_servers_have_the_page_and_the_container_on_demand(
    tmp_path, command, setting, expected
):
    project = make_project(tmp_path / "project", models.ECHO)
    variables = {} if setting is None else {"PSC_MODEL_PAGE": setting}
    python = [sys.executable, "-m"] if command.startswith("flask") else []
    with serve(project, python + command.split(), **variables) as server:
        request = Request(server.client.url + "/", headers={"Accept": BROWSER})
        try:
            with urlopen(request, timeout=20) as answer:
                status_code = answer.status
        except OSError as error:
            status_code = error.code
        assert status_code == expected
        check(server.client.get("/"), 404)
        check(server.client.get("/status"), 200)


def test_a_server_without_the_page_imports_nothing_for_it():
    code = (
        "import sys, flask_psc_model.server.gunicorn.hooks;"
        "import flask_psc_model.server.app as app;"
        "app.create_app('x.y');"
        "sys.exit('markdown_it' in sys.modules)"
    )
    environment = dict(os.environ, PYTHONPATH=TEMPLATE, PYTHONDONTWRITEBYTECODE="1")
    subprocess.check_call([sys.executable, "-c", code], env=environment)


# --- its texts ----------------------------------------------------------------


def test_the_card_is_that_of_model_yaml(make_page):
    text = open_page(make_page())
    assert "<title>Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;</title>" in text
    for part in ("Version 1.2.3", "512M", "text/plain", "One <code>word</code>."):
        assert part in text
    assert "Says <strong>it</strong>" in text
    assert "<td>2</td>" in text
    # below the headings of the page itself
    assert "<h3>Top</h3>" in text


def test_nothing_in_model_yaml_becomes_a_script_or_an_address(make_page):
    text = open_page(make_page())
    body = text[text.index("<body>") : text.rindex("<script>")]
    assert "<script" not in body
    assert "<img" not in body
    assert "&lt;img src=x onerror=alert(1)&gt;" in body
    # what would be an image is a link, which loads nothing by itself
    assert re.findall("href=[^>]*", body) == ['href="https://example.org/c.png"']
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body


def test_a_metric_from_0_to_1_is_a_bar(make_page):
    text = open_page(make_page())
    assert re.findall("<meter[^>]*>", text) == [
        '<meter min="0" max="1" value="0.875" aria-label="F1 &lt;i&gt;">'
    ]
    assert "Loss" in text


def test_the_declared_limits_are_in_the_form(make_page):
    text = open_page(make_page())
    [field] = re.findall('<input type="file"[^>]*>', text)
    assert 'data-max-bytes="1024"' in field
    assert 'accept="text/plain"' in field
    assert 'name="input.txt"' in field


def test_the_examples_are_offered(make_page):
    text = open_page(make_page(cases={'a "b"': "x", ".hidden": "y"}))
    names = re.findall('data-case="([^"]*)"', text)
    assert [html.unescape(name) for name in names] == ['a "b"']


def test_an_example_has_the_paths_of_its_input_files(make_page):
    text = open_page(make_page(cases={'a "b"': "x", "none": None}))
    first, second = re.findall('data-files="([^"]*)"', text)
    [path] = json.loads(html.unescape(first)).values()
    assert path.endswith(os.path.join("examples", 'a "b"', "input.txt"))
    assert json.loads(html.unescape(second)) == {}


def test_an_example_with_too_many_files_is_offered_all_the_same(make_page, tmp_path):
    client = make_page(cases={"odd": None})
    folder = tmp_path / "project" / "tests" / "data" / "examples" / "odd" / "input"
    folder.mkdir()
    for name in ("a", "b"):
        write(str(folder), name, "x")
    assert 'data-files="{}"' in open_page(client)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": None, "version": 1.5, "author": ["x"], "description": "text"},
        {"description": {"summary": 5, "details": None}, "metrics": {"a": 1}},
        {"metrics": [{"value": True}, {"value": "0.5"}, {"label": None}]},
        {"inputs": {"a": {"acceptedMediaTypes": "b/c"}}, "outputs": {"d": {}}},
    ],
)
def test_odd_metadata_is_no_reason_to_fail(make_page, metadata):
    text = open_page(make_page(metadata=metadata))
    assert "<h1>" in text


def test_a_wrong_limit_is_left_out_of_the_page(make_page):
    wrong = {
        "resources": {"memory": {"size": "plenty"}, "cpu": {"count": 2}},
        "inputs": {
            "input.txt": {"maxSize": "oodles"},
            "other.txt": {"maxSize": "2 KiB"},
        },
    }
    text = open_page(make_page(metadata=dict(METADATA, **wrong)))
    assert "plenty" not in text
    assert "<dt>Memory</dt>" not in text
    assert "<dd>2</dd>" in text
    assert "oodles" not in text
    assert re.findall('data-max-[^"]*"[^"]*"', text) == [
        'data-max-bytes="2048"',
        'data-max-size="2K"',
    ]
    assert text.count("at most 2K") == 3


def test_an_app_without_model_yaml_has_a_page_all_the_same(monkeypatch):
    monkeypatch.setenv("PSC_MODEL_PAGE", "1")
    text = open_page(make_client(copy_text))
    assert "<h1>Model</h1>" in text
    assert "<form" not in text


# --- the content security policy -------------------------------------------------


def test_only_the_script_and_the_style_of_the_page_are_allowed(make_page):
    answer = make_page().get("/", headers={"Accept": BROWSER})
    text = answer.data.decode("utf-8")
    policy = dict(
        part.split(" ", 1)
        for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        [content] = re.findall("<{0}>(.*?)</{0}>".format(tag), text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest())
        assert policy[directive] == "'sha256-{}'".format(digest.decode())


def test_the_page_names_no_address_and_needs_no_exception(make_page):
    text = open_page(make_page())
    assert not re.search(r"<[^>]*\s(src|style|on\w+)=", text)
    text = text.replace('href="https://example.org/c.png"', "")
    assert not re.search(r"https?://|@import|url\(", text)


# --- runs ------------------------------------------------------------------------


def test_an_uploaded_file_runs_and_is_gone_afterwards(make_page, temporary):
    answer = upload(make_page(), {"input.txt": b"hello"})
    assert read_parts(answer) == [
        ("output", "results.json", "application/json", b"hello")
    ]
    assert os.listdir(str(temporary)) == []


def test_an_example_runs_and_is_shown_with_its_input(make_page, temporary):
    client = make_page(cases={"one": "first", "two": "second"})
    answer = client.post("/page/run", data={"case": "two"}, headers=HOME)
    assert read_parts(answer) == [
        ("input", "input.txt", "text/plain", b"second"),
        ("output", "results.json", "application/json", b"second"),
    ]
    assert os.listdir(str(temporary)) == []


def test_only_the_server_may_read_the_files(make_page, temporary):
    modes = []

    def run(input_path, output_path):
        folder = os.path.dirname(os.path.dirname(input_path))
        modes.append(stat.S_IMODE(os.stat(folder).st_mode))
        copy_text(input_path, output_path)

    read_parts(upload(make_page(run), {"input.txt": b""}))
    assert modes == [0o700]


@pytest.mark.parametrize(
    "filename", ["../../evil.txt", "/etc/passwd", "", "a\0b", "..", "C:\\x"]
)
def test_the_name_that_a_file_had_does_not_matter(make_page, temporary, filename):
    seen = []

    def run(input_path, output_path):
        seen.append(os.listdir(os.path.dirname(input_path)))
        copy_text(input_path, output_path)

    read_parts(upload(make_page(run), {"input.txt": b"x"}, filename=filename))
    assert seen == [["input.txt"]]
    assert os.listdir(str(temporary)) == []


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..", "other", ""])
def test_a_file_for_no_input_is_a_400(make_page, temporary, name):
    answer = upload(make_page(), {name: b"x"})
    check(answer, 400)
    assert os.listdir(str(temporary)) == []


@pytest.mark.parametrize("name", ["..", "../examples/one", "two", "", "/etc"])
def test_an_unknown_example_is_a_400(make_page, name):
    client = make_page(cases={"one": "x"})
    answer = client.post("/page/run", data={"case": name}, headers=HOME)
    check(answer, 400, "there is no example {!r}".format(name))


def test_an_example_without_its_input_says_what_the_api_says(make_page, temporary):
    client = make_page(cases={"one": None})
    answer = client.post("/page/run", data={"case": "one"}, headers=HOME)
    assert check(answer, 400) == "the input file input.txt does not exist"
    assert os.listdir(str(temporary)) == []


def test_nothing_that_was_sent_is_a_missing_file(make_page, temporary):
    answer = make_page().post("/page/run", data="x", headers=HOME)
    assert check(answer, 400) == "the input file input.txt does not exist"


@pytest.mark.parametrize(
    ("error", "code"), [(ValueError("too red"), 422), (RuntimeError("too red"), 500)]
)
def test_a_refusal_is_in_the_words_of_the_api(make_page, temporary, error, code):
    def run(input_path, output_path):
        raise error

    check(upload(make_page(run), {"input.txt": b"x"}), code, "too red")
    assert os.listdir(str(temporary)) == []


def test_a_file_larger_than_its_limit_is_refused_in_the_words_of_the_api(make_page):
    answer = upload(make_page(), {"input.txt": b"x" * 1025})
    check(answer, 422, "model.yaml allows at most 1024 (inputs.input.txt.maxSize)")


def test_all_that_the_model_wrote_is_sent_the_declared_first(make_page, temporary):
    def run(input_path, output_path):
        copy_text(input_path, output_path)
        folder = os.path.dirname(output_path)
        os.mkdir(os.path.join(folder, "deep"))
        for name in ("a.png", "deep/b", 'q"r.txt'):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(bytes(bytearray(range(256))) * 1000)

    parts = read_parts(upload(make_page(run), {"input.txt": b"x"}))
    assert [part[:3] for part in parts] == [
        ("output", "results.json", "application/json"),
        ("output", "a.png", "image/png"),
        ("output", "deep/b", "application/octet-stream"),
        ("output", "q%22r.txt", "text/plain"),
    ]


def test_a_flood_of_files_is_not_sent_but_named(make_page, temporary):
    def run(input_path, output_path):
        copy_text(input_path, output_path)
        for number in range(101):
            name = "{:03}.txt".format(number)
            with open(os.path.join(os.path.dirname(output_path), name), "w"):
                pass

    parts = read_parts(upload(make_page(run), {"input.txt": b"x"}))
    assert [part[0] for part in parts] == ["output"] * 100 + ["omitted"] * 2
    assert [part[3] for part in parts[-2:]] == [b"099.txt", b"100.txt"]


def test_the_files_are_closed_though_nobody_reads_the_answer(
    make_page, temporary, monkeypatch
):
    opened = []

    def note(parts):
        opened.extend(part.file for part in parts)
        return write_multipart(parts)

    monkeypatch.setattr(routes, "write_multipart", note)
    answer = upload(make_page(), {"input.txt": b"x"}, buffered=False)
    assert [file.closed for file in opened] == [False]
    answer.close()
    assert [file.closed for file in opened] == [True]
    assert os.listdir(str(temporary)) == []


# --- whose runs they are ---------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://localhost:8081",
        "http://localhost.evil.example",
        "http://[",
        "localhost",
    ],
)
def test_a_page_of_another_server_is_refused(make_page, temporary, origin):
    def run(*paths):
        raise AssertionError("the model should not run")

    headers = {"Origin": origin}
    answer = upload(make_page(run), {"input.txt": b"x"}, headers=headers)
    check(answer, 403, "a page of another server")


def test_the_scheme_does_not_matter_since_a_proxy_may_add_it(make_page):
    headers = {"Origin": "https://LOCALHOST"}
    read_parts(upload(make_page(), {"input.txt": b"x"}, headers=headers))


def test_a_request_larger_than_all_inputs_is_a_413(make_page, temporary):
    check(upload(make_page(), {"input.txt": b"x" * 100000}), 413, "66560 bytes")


# --- the real server -------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server with the page, and a folder for its temporary files."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "temporary").mkdir()
    project = make_project(folder / "project", models.ACTOR, {"run": "1s"})
    temporary = str(folder / "temporary")
    with serve(project, PSC_MODEL_PAGE="1", TMPDIR=temporary) as server:
        check(server.client.get("/status"), 200)
        server.temporary = temporary
        yield server


def send(server, text):
    """Send a text as the one input, and return the answer."""
    body = (
        "--x\r\nContent-Disposition: form-data; name=input.txt; filename=a.txt\r\n\r\n"
        "{}\r\n--x--\r\n".format(text)
    )
    headers = {
        "Origin": server.client.url,
        "Content-Type": "multipart/form-data; boundary=x",
    }
    url = server.client.url + "/page/run"
    return server.client._send(Request(url, body.encode(), headers))


def list_trials(server):
    """Return what trials have left among the temporary files."""
    names = os.listdir(server.temporary)
    return [name for name in names if name.startswith("psc-page-")]


@pytest.mark.server
def test_the_real_server_runs_what_is_sent(server):
    answer = send(server, "write more.txt extra")
    parts = take_apart(answer.data, answer.content_type)
    assert [part[1] for part in parts] == ["results.json", "more.txt"]
    assert parts[1][3] == b"extra"
    assert list_trials(server) == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("refuse too red", 422, "too red"),
        ("kill 9", 500, "SIGKILL"),
        ("sleep 60", 500, "time limit of 1 s"),
    ],
)
def test_the_real_server_leaves_nothing_of_a_run_that_failed(
    server, line, code, message
):
    check(send(server, line), code, message)
    assert list_trials(server) == []
    check(server.client.get("/status"), 200)


@pytest.mark.server
def test_a_request_without_a_length_is_a_411(server):
    head = (
        "POST /page/run HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with connect(server, 1) as [connection]:
        status_code, content = connection.send(head.encode()).read_answer()
    assert status_code == content["statusCode"] == 411


@pytest.mark.server
def test_files_that_do_not_arrive_are_a_408(server):
    head = (
        "POST /page/run HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n\r\n"
        "--x\r\nContent-Disposition: form-data; name=input.txt; filename=a\r\n\r\n"
    )
    with connect(server, 1) as [connection]:
        connection.send(head.encode()).socket.shutdown(socket.SHUT_WR)
        status_code, content = connection.read_answer()
    assert status_code == content["statusCode"]
    # or a client that has closed its sending direction counts as one that has left
    assert status_code in (400, 408, 503)
    assert list_trials(server) == []


@pytest.mark.server
def test_jobs_of_the_page_and_of_the_api_take_turns(server, tmp_path):
    job = JobFolders(tmp_path / "job").give("x")
    check(server.client.post("/run", json=job.body), 200)
    assert send(server, "y").status_code == 200
