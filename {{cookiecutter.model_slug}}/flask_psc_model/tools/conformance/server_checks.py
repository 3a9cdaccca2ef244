"""The checks of a running server over HTTP."""

import os
from concurrent.futures import wait
from typing import Any, Dict, Iterator, Tuple

from ...client import Response
from ..containers.container import RESPONSE_SECONDS
from ..containers.shared_folder import write_open_file
from ..interrupts import InterruptibleClient, interruptible
from .check import BEST_PRACTICE, RESPONSE, RUN, Finding, Unexpected, check, observe
from .server_under_test import (
    ExampleCase,
    RefusalCase,
    ServerUnderTest,
    expect_code,
    expect_response_object,
    start_call,
)

JSON = "application/json"
TEXT = b"cats and dogs"

#: Bodies that are no job for any model.
BROKEN_BODIES = (
    ("no body", b""),
    ("no JSON", TEXT),
    ("half of a job", b'{"type": "file", "input": '),
    ("a list", b"[]"),
    ("null", b"null"),
    ("another object", b'{"cat": "dog"}'),
)

#: Changes that make a valid job invalid; None removes a key.
BROKEN_KEYS: Tuple[Tuple[str, Dict[str, Any]], ...] = (
    ("no input", {"input": None}),
    ("no output", {"output": None}),
    ("a number as input", {"input": 1}),
    ("a list as output", {"output": []}),
)

#: Recommendations only: the specification reserves the type for future use.
BROKEN_TYPES: Tuple[Tuple[str, Dict[str, Any]], ...] = (
    ("no type", {"type": None}),
    ("another type", {"type": "video"}),
)

#: Content types of a body that is not JSON; the second is curl's default.
MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded")

NO_SUCH_ROUTE = "/no-such-route"

STALE = b"This file is older than the job."

PARALLEL_JOBS = 4


@check("examples", RUN, "every example case returns its expected outputs")
def check_examples(server: ServerUnderTest) -> Iterator[Finding]:
    """Run every example case."""

    def look(case: ExampleCase) -> str:
        server.compare(server.run_case(case), case.outputs)
        return "the same"

    for case in server.data.examples:
        expected = f"200, and {', '.join(case.outputs)} as in the case"
        yield observe(case.name, expected, look, case)


@check("validation-errors", RUN, "every validation-error case gets 422 and its message")
def check_refusals(server: ServerUnderTest) -> Iterator[Finding]:
    """Run every case that the model should reject."""

    def look(case: RefusalCase) -> str:
        with server.folder.make_job(case.inputs) as job:
            got = expect_code(job.run(server.client), 422)
        if case.message.lower() not in got.lower():
            raise Unexpected(got)
        return got

    for case in server.data.refusals:
        yield observe(case.name, f"422, and {case.message!r}", look, case)
    if not server.data.refusals:
        yield Finding("", "422 for each case", "there is no such case", None)


@check("malformed-jobs", RUN, "a malformed job gets 400")
def check_malformed_jobs(server: ServerUnderTest) -> Iterator[Finding]:
    """Send bodies that are no valid job."""

    def look(body: Any) -> str:
        with server.folder.make_job(server.data.examples[0].inputs) as job:
            if isinstance(body, dict):
                changed = dict(job.body, **body).items()
                kept = {key: value for key, value in changed if value is not None}
                return expect_code(server.client.post("/run", json=kept), 400)
        return expect_code(server.client.post("/run", body, content_type=JSON), 400)

    for subject, body in BROKEN_BODIES + BROKEN_KEYS:
        yield observe(subject, "400", look, body)
    for subject, body in BROKEN_TYPES:
        yield observe(subject, "400", look, body, is_recommendation=True)


@check("media-type", RUN, "a body that is not JSON gets 415")
def check_media_type(server: ServerUnderTest) -> Iterator[Finding]:
    """Send a body that is not JSON, under content types that are not JSON."""

    def look(media_type: str) -> str:
        response = server.client.post("/run", TEXT, content_type=media_type)
        return expect_code(response, 415)

    for media_type in MEDIA_TYPES:
        yield observe(media_type, "415", look, media_type)


@check("missing-input", RUN, "a job with a missing input gets 400")
def check_missing_input(server: ServerUnderTest) -> Iterator[Finding]:
    """Send jobs whose input is missing."""

    def look(**changes: str) -> str:
        with server.folder.make_job({}) as job:
            body = dict(job.body, **changes)
            return expect_code(server.client.post("/run", json=body), 400)

    nowhere = server.folder.server_path + "/nowhere"
    yield observe("no folder", "400", lambda: look(input=nowhere))
    yield observe("no file", "400", look)


@check("response-object", RESPONSE, "every route answers with the response object")
def check_response_object(server: ServerUnderTest) -> Iterator[Finding]:
    """Check the body of every kind of response."""
    client = server.client

    def run(inputs: Dict[str, Any]) -> Response:
        with server.folder.make_job(inputs) as job:
            return job.run(client)

    requests = [
        ("GET /status", lambda: client.get("/status")),
        ("POST /run", lambda: run(server.data.examples[0].inputs)),
        ("POST /run without input", lambda: run({})),
        ("POST /run of text", lambda: client.post("/run", TEXT, content_type=JSON)),
        (
            "POST /run of another type",
            lambda: client.post("/run", TEXT, content_type="text/plain"),
        ),
    ]
    if server.data.refusals:
        inputs = server.data.refusals[0].inputs
        requests.append(("POST /run rejected", lambda: run(inputs)))
    requests += [
        ("GET /run", lambda: client.get("/run")),
        ("POST /status", lambda: client.post("/status")),
        ("GET " + NO_SUCH_ROUTE, lambda: client.get(NO_SUCH_ROUTE)),
        ("POST " + NO_SUCH_ROUTE, lambda: client.post(NO_SUCH_ROUTE)),
    ]
    expected = f"{JSON}: statusCode, status and message"
    for subject, send in requests:
        yield observe(
            subject, expected, lambda send=send: expect_response_object(send())
        )


@check("fresh-output", RUN, "an old file is never taken for a job's output")
def check_fresh_output(server: ServerUnderTest) -> Iterator[Finding]:
    """Run a job in a folder that holds an earlier job's outputs."""
    case = server.data.examples[0]

    def look() -> str:
        with server.folder.make_job(case.inputs) as job:
            for name in case.outputs:
                write_open_file(os.path.join(job.output_folder, name), STALE)
            for name, content in server.run_job(job, case.outputs).items():
                if STALE in content:
                    raise Unexpected(f"200, but {name} is the old file")
        return "the same"

    yield observe("", "200, and new files in place of the old ones", look)


@check("same-job-twice", RUN, "the same job runs twice, with the same outputs")
def check_same_job_twice(server: ServerUnderTest) -> Iterator[Finding]:
    """Run one job twice."""
    case = server.data.examples[0]

    def look() -> str:
        with server.folder.make_job(case.inputs) as job:
            first = server.run_job(job, case.outputs)
            for name in case.outputs:
                job.remove_output(name)
            server.compare(server.run_job(job, case.outputs), first)
        return "the same"

    yield observe("", "200 each time, and the same outputs", look)


@check("parallel-jobs", BEST_PRACTICE, "jobs sent at the same time all run")
def check_parallel_jobs(server: ServerUnderTest) -> Iterator[Finding]:
    """Send several jobs at the same time."""
    examples = server.data.examples[:PARALLEL_JOBS]
    cases = [examples[number % len(examples)] for number in range(PARALLEL_JOBS)]
    # the server may run them one after the other
    seconds = PARALLEL_JOBS * server.limits.run_timeout + RESPONSE_SECONDS
    client = InterruptibleClient(server.client.url, seconds)

    def look() -> str:
        alone = {case.name: server.run_case(case) for case in examples}
        runs = [start_call(server.run_case, case, client) for case in cases]
        with interruptible():
            wait(runs)
        for case, run in zip(cases, runs):
            server.compare(run.result(), alone[case.name])
        return "the same"

    expected = f"200 for {PARALLEL_JOBS} jobs at once, each with its outputs"
    yield observe("", expected, look)
