"""Which requests of browsers are refused: those of foreign pages and foreign names."""

import contextlib
import sys

import pytest
from flask_psc_model import create_app
from flask_psc_model.server.app import _prepare_development_server

from .apps import check, copy_text, make_model
from .connections import connect
from .models import ECHO
from .project import make_project, serve

#: Headers of a POST by what sends it, and whether a server with and without the page
#: answers it.
SENDERS = {
    "curl": ({}, True, True),
    "fetch of Node": ({"Sec-Fetch-Mode": "cors"}, True, True),
    "a user, by the browser itself": ({"Sec-Fetch-Site": "none"}, True, True),
    "the own page": (
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        True,
        False,
    ),
    "the own page through a proxy": (
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://models.example"},
        True,
        False,
    ),
    "the own page, over HTTP from far": ({"Origin": "http://localhost"}, True, False),
    "another port of this machine": (
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9000"},
        False,
        False,
    ),
    "another site": (
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
        False,
        False,
    ),
    "another site that claims our origin": (
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        False,
        False,
    ),
    "another site in an old browser": ({"Origin": "http://evil.example"}, False, False),
    "another port in an old browser": (
        {"Origin": "http://localhost:9000"},
        False,
        False,
    ),
    "a frame without an origin": ({"Origin": "null"}, False, False),
    "an origin without a host": ({"Origin": ""}, False, False),
    "an origin that is no URL": ({"Origin": "http://["}, False, False),
    "a site that nobody knows": ({"Sec-Fetch-Site": "elsewhere"}, False, False),
    "a blank site": ({"Sec-Fetch-Site": ""}, False, False),
}


@pytest.fixture
def make_app(monkeypatch):
    """Return a function that makes an app with or without the page."""

    def make(page):
        monkeypatch.setenv("PSC_MODEL_PAGE", str(int(page)))
        return create_app(make_model(copy_text))

    return make


@pytest.mark.parametrize("page", [True, False], ids=["page", "no page"])
@pytest.mark.parametrize("sender", SENDERS)
def test_a_page_of_another_server_changes_nothing(make_app, page, sender):
    headers, with_page, without = SENDERS[sender]
    answered = with_page if page else without
    app = make_app(page)
    stops = []
    app.config["PSC_SHUTDOWN_FUNCTION"] = lambda: stops.append(1)
    client = app.test_client()
    for path, status_code in (("/run", 400), ("/shutdown", 202), ("/nowhere", 404)):
        answer = client.post(path, data="{}", headers=headers)
        check(answer, status_code if answered else 403)
    assert len(stops) == answered
    for method in ("PUT", "DELETE", "PATCH"):
        answer = client.open("/run", method=method, headers=headers)
        check(answer, 405 if answered else 403)
    # it may read: browsers show no answer to a page of another server
    assert client.get("/openapi.json", headers=headers).status_code == 200


def test_a_refusal_names_the_page_and_who_may_send(make_app):
    headers = {"Origin": "http://evil.example"}
    text = check(make_app(True).test_client().post("/run", headers=headers), 403)
    assert "http://evil.example" in text
    assert "this server's own page, and programs" in text
    text = check(make_app(False).test_client().post("/run", headers=headers), 403)
    assert "http://evil.example" in text
    assert "programs only" in text


# --- host names ------------------------------------------------------------------


OWN = [
    "localhost",
    "localhost:8080",
    "LOCALHOST:8080",
    "localhost.:8080",
    "model.localhost:8080",
    "127.0.0.1:8080",
    "192.168.1.7",
    "[::1]:8080",
    "[fe80::1]",
]

FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example:8080",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "evil.example:80:80",
    "localhost,evil.example",
    "evil.example#@localhost",
    "[localhost]",
    "box",
]

#: What is no host at all; what becomes of it is up to the version of Werkzeug.
MALFORMED = ["[::1"]


def make_development_client(app):
    """Return a client of an app as development servers prepare it."""
    _prepare_development_server(app)
    return app.test_client()


@pytest.fixture(autouse=True)
def _quiet_log(monkeypatch):
    """Leave the log of the tests as it is."""
    monkeypatch.setattr("flask_psc_model.server.app.configure_logging", lambda: None)
    monkeypatch.setattr(
        "flask_psc_model.server.app.prepare_development_stop", lambda app: None
    )


@pytest.mark.parametrize("host", OWN)
def test_a_development_server_answers_under_names_that_nobody_can_rebind(
    make_app, host
):
    client = make_development_client(make_app(True))
    assert client.get("/openapi.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", MALFORMED)
def test_a_development_server_does_not_answer_under_what_is_no_host(make_app, host):
    client = make_development_client(make_app(True))
    for path in ("/", "/openapi.json", "/status"):
        # as the server of Werkzeug would answer 500
        with contextlib.suppress(ValueError):
            assert client.get(path, headers={"Host": host}).status_code >= 400


@pytest.mark.parametrize("host", FOREIGN)
def test_a_development_server_does_not_answer_under_a_foreign_name(make_app, host):
    client = make_development_client(make_app(True))
    for path in ("/", "/openapi.json", "/status", "/nowhere"):
        text = check(client.get(path, headers={"Host": host}), 403)
        assert "PSC_MODEL_ALLOWED_HOSTS" in text
        assert repr(host) in text
    # the browser of a rebound page calls it the same origin
    headers = {"Host": host, "Sec-Fetch-Site": "same-origin"}
    check(client.post("/shutdown", headers=headers), 403)


@pytest.mark.parametrize(
    ("allowed", "host", "answered"),
    [
        ("box", "box:8080", True),
        ("box", "BOX:8080", True),
        (" box , lab.example ", "lab.example", True),
        ("Box.Example", "box.example", True),
        (".lab.example", "box.lab.example", True),
        (".lab.example", "lab.example", True),
        (".lab.example", "evillab.example", False),
        ("lab.example", "box.lab.example", False),
        ("box", "localhost", True),
        ("box", "evil.example", False),
        ("", "evil.example", False),
    ],
)
def test_more_names_can_be_allowed(make_app, monkeypatch, allowed, host, answered):
    monkeypatch.setenv("PSC_MODEL_ALLOWED_HOSTS", allowed)
    client = make_development_client(make_app(True))
    answer = client.get("/openapi.json", headers={"Host": host})
    assert answer.status_code == (200 if answered else 403)


def test_another_server_answers_under_any_name_unless_some_are_set(
    make_app, monkeypatch
):
    headers = {"Host": "models.example"}
    client = make_app(True).test_client()
    assert client.get("/openapi.json", headers=headers).status_code == 200
    monkeypatch.setenv("PSC_MODEL_ALLOWED_HOSTS", "box")
    check(make_app(True).test_client().get("/openapi.json", headers=headers), 403)


@pytest.mark.server
@pytest.mark.parametrize("command", [None, [sys.executable, "app.py"]])
def test_a_client_that_names_no_host_gets_an_answer(tmp_path, command):
    project = make_project(tmp_path / "project", ECHO)
    with serve(project, command) as server, connect(server, 1) as [connection]:
        connection.send(b"POST /run HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
        status_code, content = connection.read_answer()
        assert (status_code, content["statusCode"]) == (400, 400)
        # without a host no page is the server's own
        with connect(server, 1) as [other]:
            other.send(b"POST /shutdown HTTP/1.0\r\nOrigin: http://x\r\n\r\n")
            assert other.read_answer()[0] == 403
