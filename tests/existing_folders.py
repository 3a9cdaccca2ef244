"""What Schemathesis loads: the jobs that it makes up name folders that exist.

A description of the API cannot tell which folders there are, and a job whose folder is
not there is refused. `JOB_INPUT` and `JOB_OUTPUT` are the folders.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, object]) -> None:
    """Replace the folders that a valid job names by existing ones."""
    if case.meta and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        for key in {"input", "output"} & set(case.body):
            case.body[key] = os.environ[f"JOB_{key.upper()}"]
