"""The OpenAPI document of the HTTP API.

File names, sizes and time limits come from `model.yaml`, the rest from the container
specification.
"""

from typing import Any, Dict, List, Mapping

from ..model.spec import FileSpec, Limits, ModelSpec
from ..model.units import format_size

#: See https://spec.openapis.org/oas/v3.1.0.
OPENAPI_VERSION = "3.1.0"

RESPONSE_OBJECT = {
    "type": "object",
    "description": "The response of every route.",
    "required": ["statusCode", "status", "message"],
    "properties": {
        "statusCode": {
            "type": "integer",
            "description": "The HTTP status code.",
            "minimum": 200,
            "maximum": 599,
        },
        "status": {
            "type": "string",
            "description": "The reason phrase of the status code.",
            "minLength": 1,
        },
        "message": {
            "type": "string",
            "description": "The result, or what is wrong and how to fix it.",
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
            "description": "Path of the directory that holds the input files.",
            "minLength": 1,
        },
        "output": {
            "type": "string",
            "description": "Path of the directory for the output files, created if"
            " missing.",
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
        "summary": "Return whether the model is ready",
        "description": "Loads the model first if needed.",
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
    description = f"Each job may run for at most {spec.limits.run_timeout:g} s; further jobs wait."
    if inputs:
        description += "\n\nFiles in the input directory:\n\n" + "\n".join(inputs)
    if outputs:
        description += "\n\nFiles in the output directory:\n\n" + "\n".join(outputs)
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
                200: "the output files are in the output directory",
                400: "the job is malformed, or a file is missing or cannot be read or"
                " written",
                408: "the body did not arrive completely",
                413: "the body is too large for a job",
                415: "the body is not JSON, and its content type is not JSON",
                422: "the model rejected an input; the message explains why",
                500: "the model failed, exceeded its time limit, or cannot be loaded",
                503: "the job was not started: too many jobs wait, or the server is"
                " shutting down; see Retry-After",
            }
        ),
    }


def _describe_shutdown() -> Dict[str, Any]:
    return {
        "operationId": "shutdown",
        "summary": "Stop the server",
        "description": "The jobs that run and wait finish first.",
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
