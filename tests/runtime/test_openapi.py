"""`GET /openapi.json`: the description of the API, for tools."""

import json

import pytest
from flask_psc_model import create_app

from . import models
from .apps import FIELDS, check, copy_text, make_client
from .project import make_project, serve

METHODS = {"/status": "get", "/run": "post", "/shutdown": "post"}

METADATA = {
    "name": 'The "best" model',
    "version": "1.2.3",
    "description": {"summary": "Names colours."},
    "timeouts": {"status": "1m30s", "run": "7s"},
    "inputs": {
        "input.txt": {"acceptedMediaTypes": ["text/plain", "text/x"], "maxSize": "1K"},
        "more.bin": {"description": "Nothing more is known."},
    },
    "outputs": {"results.json": {"mediaType": "application/json", "maxSize": "16K"}},
}


@pytest.fixture
def client():
    return make_client(copy_text)


def read(client):
    """Return the document."""
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return json.loads(answer.data.decode("utf-8"))


def resolve(document, schema):
    """Return the schema that a reference names."""
    place = document
    for part in schema["$ref"].split("/")[1:]:
        place = place[part]
    return place


def test_the_three_routes_are_described(client):
    document = read(client)
    assert document["openapi"].startswith("3.")
    paths = document["paths"]
    assert {path: list(methods) for path, methods in paths.items()} == {
        path: [method] for path, method in METHODS.items()
    }


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/status", {"200", "500"}),
        ("/run", {"200", "400", "408", "413", "415", "422", "500", "503"}),
        ("/shutdown", {"202", "500"}),
    ],
)
def test_every_answer_is_the_response_object(client, path, codes):
    document = read(client)
    responses = document["paths"][path][METHODS[path]]["responses"]
    assert set(responses) == codes
    for response in responses.values():
        assert response["description"]
        schema = response["content"]["application/json"]["schema"]
        assert set(resolve(document, schema)["required"]) == FIELDS


def test_the_example_is_a_job(client):
    content = read(client)["paths"]["/run"]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]
    # it is well formed, but its folder is not here
    message = check(client.post("/run", json=example), 400)
    assert message.startswith("the input folder /data/input does not exist")


def test_without_model_yaml_there_is_a_description_all_the_same(client):
    document = read(client)
    assert document["info"]["title"] == "Model"
    assert "at most 60 s" in document["paths"]["/run"]["post"]["description"]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """Return the document of a real server."""
    folder = tmp_path_factory.mktemp("description") / "project"
    with serve(make_project(folder, models.ECHO, **METADATA)) as server:
        return read(server.client)


@pytest.mark.server
def test_the_model_is_that_of_model_yaml(document):
    assert document["info"] == {
        "title": 'The "best" model',
        "version": "1.2.3",
        "description": "Names colours.",
    }


@pytest.mark.server
def test_the_limits_are_those_of_model_yaml(document):
    run = document["paths"]["/run"]["post"]["description"]
    assert "for at most 7 s" in run
    assert "- `input.txt` (text/plain, text/x, at most 1K)" in run
    assert "- `more.bin`\n" in run
    assert "- `results.json` (application/json, at most 16K)" in run
    status = document["paths"]["/status"]["get"]["responses"]["500"]["description"]
    assert "after 90 s" in status


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": None, "version": None, "description": None},
        {"name": 7, "version": 1.5, "description": "a text"},
        {"name": ["x"], "version": {}, "description": {"summary": None}},
        {"inputs": {"a": {"acceptedMediaTypes": None}}},
        {"outputs": {"a": {"mediaType": ["b/c"]}}},
        {"inputs": {"a": "b", "c": {"maxSize": "big"}}, "timeouts": {"run": "soon"}},
    ],
)
def test_odd_metadata_is_no_reason_to_fail(tmp_path, monkeypatch, metadata):
    metadata = dict({"inputs": ["input.txt"], "outputs": ["out"]}, **metadata)
    project = make_project(tmp_path / "project", models.ECHO, **metadata)
    # Python remembers a package by its name
    package = tmp_path.name
    (tmp_path / "project" / "model_lib").rename(tmp_path / "project" / package)
    monkeypatch.syspath_prepend(project)
    app = create_app(package + ".model.Model")
    info = read(app.test_client())["info"]
    assert {"title", "version"} <= set(info)
    assert all(isinstance(value, str) and value for value in info.values())


def test_only_get_is_answered(client):
    for path in ("/openapi.json", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = client.open(path, method=method)
            check(answer, 405, "{} {}".format(method, path))
            assert "GET" in answer.headers["Allow"]


def test_a_head_request_has_no_body(client):
    answer = client.head("/openapi.json")
    assert (answer.status_code, answer.data) == (200, b"")
