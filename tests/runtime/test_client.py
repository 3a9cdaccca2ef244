"""The client of a model's server."""

import socket
import threading

import pytest
from flask_psc_model.client import Client, Response
from flask_psc_model.settings import parse_url

from .web_servers import answer_with


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://localhost:8080/run", "http://localhost:8080"),
        ("http://localhost:8080/run/", "http://localhost:8080"),
        ("http://localhost:8080/status", "http://localhost:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("localhost:8080/run", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost:8080/status/", "http://localhost:8080"),
        ("https://models.example/color/run", "https://models.example/color"),
        ("http://models.example/color", "http://models.example/color"),
        ("http://models.example/runner", "http://models.example/runner"),
        ("http://[::1]:8080/run", "http://[::1]:8080"),
        ("  http://localhost:8080/run\n", "http://localhost:8080"),
        ("http://localhost:8080/run?a=1#b", "http://localhost:8080"),
    ],
)
def test_the_url_of_a_server_is_found_from_that_of_a_route(url, expected):
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "http://",
        "http:///run",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://localhost:port",
        "http://localhost:99999",
        "http://localhost:0",
        "http://local host",
        "http://[::1",
        ":8080",
    ],
)
def test_what_is_no_url_is_an_error_that_shows_one(url):
    with pytest.raises(ValueError, match="is not a URL such as http://localhost:8080"):
        Client(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@localhost:8080/run",
        "user:secret@localhost",
        "https://secret@localhost",
        "http://@localhost",
        "ftp://user:secret@localhost",
        "http://user:secret@localhost:port",
        "http://user:secret@[::1",
        "http://user:sec/secret@localhost",
        "http://user:secr\u00e9t,secret@localhost",
        "http://user:the secret@localhost",
        "user://secret@",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_shown(url):
    with pytest.raises(ValueError, match="holds a user name or a password") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_a_path_may_have_an_at_sign():
    url = "http://models.example/user/me@example.org/8080"
    assert parse_url(url + "/run") == url


def test_a_get_request_returns_the_answer():
    with answer_with({"GET /status": (200, "ready")}) as (url, _):
        answer = Client(url).get("/status")
    assert (answer.status_code, answer.message) == (200, "ready")
    assert answer.content_type == "application/json"
    assert answer.get_json()["statusCode"] == 200


@pytest.mark.parametrize("status_code", [400, 404, 422, 500, 503])
def test_an_error_is_an_answer_too(status_code):
    with answer_with({"POST /run": (status_code, "no")}) as (url, _):
        answer = Client(url + "/run").post("/run", json={})
    assert (answer.status_code, answer.message) == (status_code, "no")


def test_a_job_is_posted_as_json():
    with answer_with({"POST /run": (200, "done")}) as (url, requests):
        Client(url).post("/run", json={"input": "/ä"})
    assert requests[0].headers["Content-Type"] == "application/json"
    assert b'"input"' in requests[0].body


def test_a_body_is_posted_as_it_is():
    with answer_with({"POST /run": (200, "done")}) as (url, requests):
        client = Client(url)
        client.post("/run", data=b"\xff\x00", content_type="text/plain")
        client.post("/run", data="ä")
        client.post("/run")
        client.post("/run", json=[], content_type="text/json")
    assert [each.body for each in requests] == [b"\xff\x00", "ä".encode(), b"", b"[]"]
    assert requests[0].headers["Content-Type"] == "text/plain"
    assert requests[3].headers["Content-Type"] == "text/json"


def test_an_answer_that_is_not_json_has_no_json():
    assert Response(200, "", b"<html>").get_json() is None
    assert Response(200, "", b"\xff").get_json() is None


@pytest.mark.parametrize("data", [b"<html>", b"[]", b"{}", b'{"message": 1}', b""])
def test_an_answer_that_is_no_response_object_has_no_message(data):
    with pytest.raises(ValueError, match="not the response object"):
        _ = Response(200, "", data).message


@pytest.mark.parametrize(
    ("status_code", "data", "shown"),
    [(502, b"<h1>", "but b'<h1>'"), (204, b"", "but an empty body"), (500, b"", "but")],
)
def test_the_status_is_named_where_there_is_no_response_object(
    status_code, data, shown
):
    with pytest.raises(ValueError) as caught:
        _ = Response(status_code, "", data).message
    assert "the server answered {}: not the".format(status_code) in str(caught.value)
    assert shown in str(caught.value)


@pytest.mark.parametrize("status_code", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_post_is_an_answer_and_not_followed(status_code):
    answers = {"POST /run": (status_code, b""), "GET /run": (200, "wrong")}
    headers = {"Location": "/other/run"}
    with answer_with(answers, headers=headers) as (url, requests):
        answer = Client(url).post("/run", json={})
    assert (answer.status_code, answer.location) == (status_code, url + "/other/run")
    assert len(requests) == 1


@pytest.mark.parametrize("url", ["http://lökalhost:8080", "http://localhost/wähle"])
def test_a_url_that_is_not_ascii_gets_a_sentence(url):
    with pytest.raises(ValueError, match="has characters that are not ASCII: write"):
        Client(url)


def test_a_server_that_is_not_there_is_an_os_error():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}".format(closed.getsockname()[1])
        with pytest.raises(OSError, match="refused"):
            Client(url).get("/status")


def test_an_error_is_that_of_the_connection_and_not_of_urllib():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}".format(closed.getsockname()[1])
        with pytest.raises(ConnectionRefusedError):
            Client(url).get("/status")


def test_a_server_that_is_silent_is_an_os_error():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        url = "http://127.0.0.1:{}".format(silent.getsockname()[1])
        with pytest.raises(OSError, match="timed out"):
            Client(url, timeout=0.1).get("/status")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
    ids=["hangs up", "another protocol", "half an answer", "no status"],
)
def test_a_server_that_does_not_speak_http_is_an_os_error(reply):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)

        def serve():
            connection = listener.accept()[0]
            connection.recv(65536)
            connection.sendall(reply)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = "http://127.0.0.1:{}".format(listener.getsockname()[1])
        with pytest.raises(OSError):
            Client(url).get("/status")
        thread.join()


def test_a_server_on_this_machine_needs_no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with answer_with({"GET /status": (200, "ready")}) as (url, _):
        assert Client(url).get("/status").status_code == 200
