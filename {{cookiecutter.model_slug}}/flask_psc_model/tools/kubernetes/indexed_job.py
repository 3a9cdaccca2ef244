"""The Indexed Job: a bulk run in shards, one pod each."""

from typing import Any, Dict

from ...bulk.shard import COUNT_VARIABLE
from .pod import count_stop_seconds, make_pod_template
from .workload import Workload

#: The label of the pods of a bulk run.
COMPONENT = "bulk-run"

#: How often a shard gets a new pod, which skips what is done and retries what failed.
RETRIES = 3


def make_indexed_job(
    workload: Workload, inputs: str, outputs: str, shards: int
) -> Dict[str, Any]:
    """Return the Job.

    Kubernetes passes each pod the number of its shard in `JOB_COMPLETION_INDEX`. A shard
    that finally fails does not end the others; this limit for each index requires the
    restart policy `Never`:
    https://kubernetes.io/docs/concepts/workloads/controllers/job/#backoff-limit-per-index.

    Args:
        workload: what runs.
        inputs: the path in the pods of the folder of the jobs.
        outputs: the path in the pods of the folder for their outputs.
        shards: the number of pods.

    Raises:
        ValueError: `model.yaml` lacks a resource.
    """
    running = {
        "command": [
            "python",
            "-m",
            "flask_psc_model.cli.run_many",
            inputs,
            outputs,
            "--resume",
            "--processes",
            "1",
        ],
        "env": [{"name": COUNT_VARIABLE, "value": str(shards)}],
    }
    template = make_pod_template(
        workload,
        COMPONENT,
        running,
        count_stop_seconds(workload.limits),
        restartPolicy="Never",
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": workload.make_metadata(COMPONENT),
        "spec": {
            "completionMode": "Indexed",
            "completions": shards,
            "parallelism": shards,
            "backoffLimitPerIndex": RETRIES,
            "template": template,
        },
    }
