"""A bare Flask app with the model inside the web process."""

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
    """Run one job."""
    job = request.get_json()
    model.run(job["input"], job["output"])
    return jsonify(DONE)
