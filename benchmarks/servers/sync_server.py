"""The predecessor's design: the model in Gunicorn's synchronous worker, with its files checked before and after."""

import os

from flask import Flask, Response, jsonify, request
from hosted_model import DONE, READY, HostedModel

app = Flask(__name__)
model = HostedModel()


@app.get("/status")
def status() -> Response:
    """Answer that the model is ready."""
    return jsonify(READY)


@app.post("/run")
def run() -> Response:
    """Check the input files, run the job, check the output files."""
    job = request.get_json()
    for name in model.input_filenames:
        if not os.access(os.path.join(job["input"], name), os.R_OK):
            return answer(400, "Bad Request", f"the input file {name} cannot be read")
    try:
        model.run(job["input"], job["output"])
    except ValueError as error:
        return answer(422, "Unprocessable Entity", str(error))
    for name in model.output_filenames:
        if not os.path.isfile(os.path.join(job["output"], name)):
            return answer(500, "Internal Server Error", f"the model did not write {name}")
    return jsonify(DONE)


def answer(status_code: int, status: str, message: str) -> Response:
    """Build a response object.

    Args:
        status_code: an HTTP status.
        status: its phrase.
        message: what went wrong.
    """
    response = jsonify(statusCode=status_code, status=status, message=message)
    response.status_code = status_code
    return response
