"""The helpers of these tests work themselves."""

import pytest

from . import models
from .project import make_project, serve

pytestmark = pytest.mark.server


def test_a_small_project_serves_jobs(tmp_path, job):
    job.give("hello")
    with serve(make_project(tmp_path / "project", models.ECHO)) as server:
        assert server.client.get("/status").status_code == 200
        answer = server.client.post("/run", json=job.body)
    assert answer.status_code == 200, answer.data
    assert job.outputs() == {"results.json": "hello"}


def test_an_actor_does_what_its_input_says(tmp_path, job):
    project = make_project(tmp_path / "project", models.ACTOR)
    job.give(["print something", "where", "write more/extra.txt a b"])
    with serve(project) as server:
        answer = server.client.post("/run", json=job.body)
        assert answer.status_code == 200, answer.data
        assert sorted(job.outputs()) == [
            "more",
            "more/extra.txt",
            "results.json",
            "where.json",
        ]
        assert job.read("more/extra.txt") == "a b"
        for line, status_code in [
            ("refuse this", 422),
            ("fail badly", 500),
            ("fail-silently", 500),
            ("missing elsewhere", 500),
            ("nothing", 500),
            ("sleep 0", 200),
        ]:
            answer = server.client.post("/run", json=job.give(line).body)
            assert answer.status_code == status_code, answer.data
