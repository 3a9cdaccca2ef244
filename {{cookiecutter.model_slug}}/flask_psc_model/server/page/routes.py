"""The page's two routes: the page itself, and its runs.

Its runs go through the runner of `POST /run`. Only pages of this server may ask for
them, since a browser sends requests to it on behalf of any page.
"""

import os
import tempfile
from contextlib import ExitStack
from typing import List
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, request
from werkzeug.exceptions import ClientDisconnected

from ...errors import (
    ForeignPage,
    InvalidJob,
    JobTooLarge,
    LengthRequired,
    RequestTimeout,
)
from ...model.cases import Case, list_cases
from ...model.spec import ModelSpec
from ...workers.runner import Runner
from ..responses import MessageResponse
from .html import POLICY, write_document
from .multipart import Part, write_parts
from .page_job import Trial

#: Where a repository has the cases that run, below the folder of `model.yaml`.
EXAMPLES = os.path.join("tests", "data", "examples")

#: Bytes that an input may have where `model.yaml` declares no `maxSize`.
DEFAULT_INPUT_SIZE = 100 * 1024 * 1024

#: Bytes of a request that are no content of a file.
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
    """Answer the page, to clients that ask for HTML."""
    if not _wants_html():
        abort(404)
    names = [case.name for case in _list_examples()]
    response = Response(write_document(_read_spec(), names), mimetype="text/html")
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


@page.route("/page/run", methods=["POST"], provide_automatic_options=False)
def run() -> Response:
    """Run the model on an example or on the files that were sent.

    The outputs are the parts of the answer. Nothing is left of the files by then.
    """
    _check_origin()
    spec = _read_spec()
    _check_length(spec)
    with tempfile.TemporaryDirectory(prefix="psc-page-") as folder:
        trial = Trial(folder, spec)
        _give_inputs(trial)
        outcome = _get_runner().run(trial.job)
        if not outcome.ok:
            return MessageResponse.of_kind(outcome.kind, trial.shorten(outcome.message))
        with ExitStack() as stack:
            parts = trial.open_files(stack)
            opened = stack.pop_all()
    return _send(parts, opened)


def _give_inputs(trial: Trial) -> None:
    try:
        name = request.form.get("case")
        files = request.files
    except (OSError, ClientDisconnected) as error:
        raise RequestTimeout("the files did not arrive") from error
    if name is None:
        trial.take_uploads(files)
        return
    for case in _list_examples():
        if case.name == name:
            trial.take_case(case)
            return
    raise InvalidJob(f"there is no example {name!r}")


def _send(parts: List[Part], opened: ExitStack) -> Response:
    content_type, chunks = write_parts(parts)
    response = Response(chunks, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.call_on_close(opened.close)
    return response


def _wants_html() -> bool:
    # a client that takes anything gets the first of these
    kinds = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(kinds) == "text/html"


def _check_origin() -> None:
    """Let no page of another server run the model.

    Raises:
        ForeignPage: the request does not come from the page of this server.
    """
    origin = request.headers.get("Origin", "")
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if not host or host.lower() != request.host.lower():
        raise ForeignPage(
            "only the page of this server may ask for this, not {}; other programs"
            " use POST /run".format(repr(origin) if origin else "an unknown one")
        )


def _check_length(spec: ModelSpec) -> None:
    """Check what the request claims to be as a whole; a job checks each file.

    Raises:
        LengthRequired: it does not say how long it is.
        JobTooLarge: it is larger than all inputs may be together.
    """
    if request.content_length is None:
        raise LengthRequired("the request has no header Content-Length")
    sizes = [each.max_size or DEFAULT_INPUT_SIZE for each in spec.inputs.values()]
    limit = FORM_SIZE + sum(sizes)
    if request.content_length > limit:
        raise JobTooLarge(
            f"the files have more than the {limit} bytes that they may have together"
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
