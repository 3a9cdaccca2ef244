"""The description of the HTTP API, for tools: an OpenAPI document.

The figures in it, such as the names of the input files, are those of `model.yaml`. The
rest is the "HTTP API Specification" of the container specification.
"""

from typing import Any, Dict, List, Mapping

from ..model.spec import FileSpec, Limits, ModelSpec
from ..model.units import format_size

#: See https://spec.openapis.org/oas/v3.1.0.
OPENAPI_VERSION = "3.1.0"

RESPONSE_OBJECT = {
    "type": "object",
    "description": "What every route answers.",
    "required": ["statusCode", "status", "message"],
    "properties": {
        "statusCode": {
            "type": "integer",
            "description": "The status code of HTTP.",
            "minimum": 200,
            "maximum": 599,
        },
        "status": {
            "type": "string",
            "description": "The standard phrase of the status code.",
            "minLength": 1,
        },
        "message": {
            "type": "string",
            "description": "What was done, or what is wrong and what to do about it.",
            "minLength": 1,
        },
    },
    "additionalProperties": False,
}

JOB = {
    "type": "object",
    "description": "The job configuration object.",
    "required": ["type", "input", "output"],
    "properties": {
        "type": {"const": "file", "description": "Reserved for future use."},
        "input": {
            "type": "string",
            "description": "The path of a directory from which the model reads.",
            "minLength": 1,
        },
        "output": {
            "type": "string",
            "description": "The path of the directory where the model writes; it is"
            " made where it does not exist.",
            "minLength": 1,
        },
    },
}

EXAMPLE_JOB = {"type": "file", "input": "/data/input", "output": "/data/output"}


def describe_api(spec: ModelSpec) -> Dict[str, Any]:
    """Return the OpenAPI document of a model's API."""
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": spec.name or "Model",
            "version": spec.version or "0",
            "description": spec.summary or "A model behind the PSC container API.",
        },
        "paths": {
            "/status": {"get": _describe_status(spec.limits)},
            "/run": {"post": _describe_run(spec)},
            "/shutdown": {"post": _describe_shutdown()},
        },
        "components": {"schemas": {"Response": RESPONSE_OBJECT, "Job": JOB}},
    }


def _describe_status(limits: Limits) -> Dict[str, Any]:
    return {
        "operationId": "status",
        "summary": "Tell whether the model is ready",
        "description": "Loads the model first, where that is not done.",
        "responses": _describe_responses(
            {
                200: "the model is ready to run",
                500: "the model cannot be loaded, or is still loading after"
                f" {limits.status_timeout:g} s",
            }
        ),
    }


def _describe_run(spec: ModelSpec) -> Dict[str, Any]:
    inputs = _list_files(spec.inputs)
    outputs = _list_files(spec.outputs)
    description = (
        f"Jobs run one after another, each for at most {spec.limits.run_timeout:g} s."
    )
    if inputs:
        description += "\n\nThe input directory holds:\n\n" + "\n".join(inputs)
    if outputs:
        description += "\n\nThe output directory gets:\n\n" + "\n".join(outputs)
    return {
        "operationId": "run",
        "summary": "Run the model on the files of a directory",
        "description": description,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Job"},
                    "example": EXAMPLE_JOB,
                }
            },
        },
        "responses": _describe_responses(
            {
                200: "the outputs are in the output directory",
                400: "the job is malformed, or a file does not exist or cannot be read"
                " or written",
                408: "the client stopped sending in the middle of the body",
                413: "the body is too large for a job",
                415: "the body is not JSON, and does not claim to be",
                422: "the model cannot process the input; the message says why",
                500: "the model broke, ran out of time, or cannot be loaded",
            }
        ),
    }


def _describe_shutdown() -> Dict[str, Any]:
    return {
        "operationId": "shutdown",
        "summary": "Stop the server",
        "description": "A running job may finish first.",
        "responses": _describe_responses(
            {202: "the server is shutting down", 500: "the server cannot be stopped"}
        ),
    }


def _describe_responses(meanings: Dict[int, str]) -> Dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Response"}
    content = {"application/json": {"schema": schema}}
    return {
        str(code): {"description": meaning, "content": content}
        for code, meaning in meanings.items()
    }


def _list_files(files: Mapping[str, FileSpec]) -> List[str]:
    """Return a line of Markdown for each file."""
    lines = []
    for file in files.values():
        facts = list(file.media_types)
        if file.max_size:
            facts.append(f"at most {format_size(file.max_size)}")
        lines.append(f"- `{file.name}`" + (f" ({', '.join(facts)})" if facts else ""))
    return lines
