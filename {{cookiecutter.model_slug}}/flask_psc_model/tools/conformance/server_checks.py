"""The checks of a running server over HTTP."""

import os
from typing import Any, Dict, Iterator, Tuple

from ...client import Answer, Client
from ..containers.container import ANSWER_SECONDS
from ..containers.shared_folder import write_open_file
from .finding import Finding, Unexpected, observe
from .server_under_test import (
    Background,
    ExampleCase,
    RefusalCase,
    Target,
    expect_code,
    expect_response_object,
)

JSON = "application/json"
TEXT = b"cats and dogs"

#: Bodies that are no job, whatever the model.
BROKEN_BODIES = (
    ("no body", b""),
    ("no JSON", TEXT),
    ("half of a job", b'{"type": "file", "input": '),
    ("a list", b"[]"),
    ("null", b"null"),
    ("another object", b'{"cat": "dog"}'),
)

#: What is changed in a good job, so that it is none; None takes a key away.
BROKEN_KEYS: Tuple[Tuple[str, Dict[str, Any]], ...] = (
    ("no input", {"input": None}),
    ("no output", {"output": None}),
    ("a number as input", {"input": 1}),
    ("a list as output", {"output": []}),
)

#: The specification reserves the type for future use.
BROKEN_TYPES: Tuple[Tuple[str, Dict[str, Any]], ...] = (
    ("no type", {"type": None}),
    ("another type", {"type": "video"}),
)

#: The content types of a body that is not JSON; curl sends the second by itself.
MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded")

NO_SUCH_ROUTE = "/no-such-route"

STALE = b"This file is older than the job."

PARALLEL_JOBS = 4


def check_examples(target: Target) -> Iterator[Finding]:
    """Run every example case."""

    def look(case: ExampleCase) -> str:
        target.compare(target.run_case(case), case.outputs)
        return "the same"

    for case in target.data.examples:
        expected = "200, and {} as in the case".format(", ".join(case.outputs))
        yield observe(case.name, expected, look, case)


def check_refusals(target: Target) -> Iterator[Finding]:
    """Run every case that the model should refuse."""

    def look(case: RefusalCase) -> str:
        came = expect_code(target.folder.make_job(case.inputs).run(target.client), 422)
        if case.message.lower() not in came.lower():
            raise Unexpected(came)
        return came

    for case in target.data.refusals:
        yield observe(case.name, f"422, and {case.message!r}", look, case)
    if not target.data.refusals:
        yield Finding("", "422 for each case", "there is no such case", None)


def check_malformed_jobs(target: Target) -> Iterator[Finding]:
    """Send bodies that are no job."""
    job = target.folder.make_job(target.data.examples[0].inputs)

    def look(body: Any) -> str:
        if isinstance(body, bytes):
            answer = target.client.post("/run", data=body, content_type=JSON)
        else:
            content = dict(job.body, **body)
            kept = {key: value for key, value in content.items() if value is not None}
            answer = target.client.post("/run", json=kept)
        return expect_code(answer, 400)

    for subject, body in BROKEN_BODIES + BROKEN_KEYS:
        yield observe(subject, "400", look, body)
    for subject, body in BROKEN_TYPES:
        yield observe(subject, "400", look, body, is_advice=True)


def check_media_type(target: Target) -> Iterator[Finding]:
    """Send a body that neither is JSON nor claims to be."""

    def look(media_type: str) -> str:
        answer = target.client.post("/run", data=TEXT, content_type=media_type)
        return expect_code(answer, 415)

    for media_type in MEDIA_TYPES:
        yield observe(media_type, "415", look, media_type)


def check_missing_input(target: Target) -> Iterator[Finding]:
    """Send jobs whose input is not there."""

    def look(**changes: str) -> str:
        body = dict(target.folder.make_job({}).body, **changes)
        return expect_code(target.client.post("/run", json=body), 400)

    nowhere = target.folder.server_path + "/nowhere"
    yield observe("no folder", "400", lambda: look(input=nowhere))
    yield observe("no file", "400", look)


def check_response_object(target: Target) -> Iterator[Finding]:
    """Look at the body of every kind of answer."""
    client = target.client

    def run(inputs: Dict[str, Any]) -> Answer:
        return target.folder.make_job(inputs).run(client)

    requests = [
        ("GET /status", lambda: client.get("/status")),
        ("POST /run", lambda: run(target.data.examples[0].inputs)),
        ("POST /run without input", lambda: run({})),
        ("POST /run of text", lambda: client.post("/run", TEXT, content_type=JSON)),
        (
            "POST /run of another type",
            lambda: client.post("/run", TEXT, content_type="text/plain"),
        ),
    ]
    if target.data.refusals:
        inputs = target.data.refusals[0].inputs
        requests.append(("POST /run refused", lambda: run(inputs)))
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


def check_fresh_output(target: Target) -> Iterator[Finding]:
    """Run a job where the files of an earlier one are in the way."""
    case = target.data.examples[0]
    job = target.folder.make_job(case.inputs)
    for name in case.outputs:
        write_open_file(os.path.join(job.output_folder, name), STALE)

    def look() -> str:
        for name, content in target.run_job(job, case.outputs).items():
            if STALE in content:
                raise Unexpected(f"200, but {name} is the old file")
        return "the same"

    yield observe("", "200, and new files in the place of old ones", look)


def check_same_job_twice(target: Target) -> Iterator[Finding]:
    """Run one job two times."""
    case = target.data.examples[0]
    job = target.folder.make_job(case.inputs)

    def look() -> str:
        first = target.run_job(job, case.outputs)
        for name in case.outputs:
            job.remove_output(name)
        target.compare(target.run_job(job, case.outputs), first)
        return "the same"

    yield observe("", "200 each time, and the same outputs", look)


def check_parallel_jobs(target: Target) -> Iterator[Finding]:
    """Send several jobs at the same time."""
    examples = target.data.examples
    cases = [examples[number % len(examples)] for number in range(PARALLEL_JOBS)]
    # they may well be run one after the other
    seconds = PARALLEL_JOBS * target.limits.run_timeout + ANSWER_SECONDS
    client = Client(target.client.url, seconds)

    def look() -> str:
        alone = {case.name: target.run_case(case) for case in set(cases)}
        runs = [(case, Background(target.run_case, case, client)) for case in cases]
        for _, run in runs:
            run.wait()
        for case, run in runs:
            target.compare(run.join(), alone[case.name])
        return "the same"

    expected = f"200 for {PARALLEL_JOBS} jobs at once, each with its outputs"
    yield observe("", expected, look)
