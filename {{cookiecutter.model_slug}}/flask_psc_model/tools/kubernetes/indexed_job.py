"""The Indexed Job: a bulk run in shards, one pod each."""

from typing import Any, Dict, List

from ...bulk.shard import COUNT_VARIABLE
from .pod import CONTAINER, count_stop_seconds, make_pod_template
from .workload import Workload

#: The label of the pods of a bulk run.
COMPONENT = "bulk-run"

#: How often a shard gets a new pod, which skips what has ended.
RETRIES = 3

#: How often a job runs again that failed with a status of 500 or above.
JOB_RETRIES = 2

#: Seconds after which a Job that has ended is deleted with its pods: a week.
KEPT_SECONDS = 7 * 24 * 60 * 60

#: Exit statuses of `run_many`: a setting is wrong, or too many jobs have failed.
WRONG_SETTING, TOO_MANY_FAILURES = 2, 3


def make_indexed_job(
    workload: Workload, inputs: str, outputs: str, shards: int, parallelism: int
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
        parallelism: how many of them run at once.

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
            "--retries",
            str(JOB_RETRIES),
            "--accept-refused",
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
            "parallelism": parallelism,
            "backoffLimitPerIndex": RETRIES,
            # a shard never runs twice at the same time
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _list_failure_rules()},
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": template,
        },
    }


def _list_failure_rules() -> List[Dict[str, Any]]:
    """Return what a pod's end means; Kubernetes applies the first rule that fits."""
    exits = {"FailJob": WRONG_SETTING, "FailIndex": TOO_MANY_FAILURES}
    rules: List[Dict[str, Any]] = [
        {
            "action": action,
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": [status],
            },
        }
        for action, status in exits.items()
    ]
    # a node that is drained, or taken by a pod of a higher priority, is no failure
    disruption = [{"type": "DisruptionTarget", "status": "True"}]
    return [*rules, {"action": "Ignore", "onPodConditions": disruption}]
