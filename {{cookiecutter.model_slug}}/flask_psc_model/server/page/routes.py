"""The two routes of the page: the page itself, and its jobs.

Its jobs use the runner of `POST /run`. `browsers.py` refuses those of other pages.
"""

import os
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import List

from flask import Blueprint, Response, abort, current_app, request
from werkzeug.exceptions import ClientDisconnected

from ...errors import InvalidJob, JobTooLarge, LengthRequired, RequestTimeout
from ...jobs.result import JobResult
from ...model.cases import Case, list_cases
from ...model.spec import ModelSpec
from ...workers.runner import Runner
from ..gunicorn.front import get_socket, has_left
from ..responses import MessageResponse
from .html import POLICY, write_html
from .multipart import Part, write_multipart
from .page_job import PageJob

#: The examples of a repository, relative to the folder of `model.yaml`.
EXAMPLES = os.path.join("tests", "data", "examples")

#: The most bytes of an input for which `model.yaml` declares no `maxSize`.
DEFAULT_INPUT_SIZE = 100 * 1024 * 1024

#: Bytes for the rest of a request beside the content of its files.
FORM_SIZE = 64 * 1024

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}

page = Blueprint("psc_page", __name__)


@page.route("/", methods=["GET"], provide_automatic_options=False)
def show() -> Response:
    """Return the page to clients that accept HTML, and 404 to others."""
    if not _wants_html():
        abort(404)
    html = write_html(_read_spec(), _list_examples())
    response = Response(html, mimetype="text/html")
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


@page.route("/page/run", methods=["POST"], provide_automatic_options=False)
def run() -> Response:
    """Run the model on an example or on uploaded files.

    The response holds the output files, which are removed from the server.
    """
    spec = _read_spec()
    _check_length(spec)
    with tempfile.TemporaryDirectory(prefix="psc-page-") as folder:
        page_job = PageJob(folder, spec)
        _add_inputs(page_job)
        is_gone = partial(has_left, get_socket(request.environ))
        result = _get_runner().run(page_job.job, is_gone)
        if not result.ok:
            message = page_job.shorten(result.message)
            return MessageResponse.of_kind(result.kind, message)
        with ExitStack() as stack:
            parts = page_job.open_files(stack) + _describe_batch(result)
            opened = stack.pop_all()
    return _send(parts, opened)


def _add_inputs(page_job: PageJob) -> None:
    try:
        name = request.form.get("case")
        files = request.files
    except (OSError, ClientDisconnected) as error:
        raise RequestTimeout("the files did not arrive completely") from error
    if name is None:
        page_job.add_uploads(files)
        return
    for case in _list_examples():
        if case.name == name:
            page_job.add_case(case)
            return
    raise InvalidJob(f"there is no example {name!r}")


def _send(parts: List[Part], opened: ExitStack) -> Response:
    content_type, chunks = write_multipart(parts)
    response = Response(chunks, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.call_on_close(opened.close)
    return response


def _describe_batch(result: JobResult) -> List[Part]:
    """Return the size and the seconds of the job's batch, if it was in one."""
    if not result.batch_jobs:
        return []
    seconds = f"{result.batch_seconds:.2f}"
    return [
        Part("batch-jobs", str(result.batch_jobs), "", None),
        Part("batch-seconds", seconds, "", None),
    ]


def _wants_html() -> bool:
    # a client that accepts anything gets the first of these
    kinds = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(kinds) == "text/html"


def _check_length(spec: ModelSpec) -> None:
    """Check the size of the request; the runner checks that of each file.

    Raises:
        LengthRequired: the request has no `Content-Length`.
        JobTooLarge: it is larger than all inputs together may be.
    """
    if request.content_length is None:
        raise LengthRequired("the request has no Content-Length header")
    sizes = [each.max_size or DEFAULT_INPUT_SIZE for each in spec.inputs.values()]
    limit = FORM_SIZE + sum(sizes)
    if request.content_length > limit:
        raise JobTooLarge(
            f"the request is larger than {limit} bytes, the limit for all its files"
        )


def _read_spec() -> ModelSpec:
    factory = current_app.config["PSC_MODEL_FACTORY"]
    return ModelSpec.of_model(factory, strict=False)


def _list_examples() -> List[Case]:
    folder = os.path.dirname(_read_spec().path)
    try:
        return list_cases(os.path.join(folder, EXAMPLES))
    except OSError:
        return []


def _get_runner() -> Runner:
    runner = current_app.extensions["psc_model"]
    assert isinstance(runner, Runner)
    return runner
