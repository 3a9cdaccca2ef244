"""The manifests of a server and of a bulk run, and their YAML."""

import posixpath
import re
from typing import Any, Dict, List, Sequence

import yaml

from ..containers.engine import MOUNT_POINT
from .deployment import (
    make_autoscaler,
    make_deployment,
    make_disruption_budget,
    make_service,
)
from .indexed_job import make_indexed_job
from .workload import Workload

# PyYAML reads `y`, `1e3` and `0o7` as strings, but other YAML parsers may not
_PLAIN = re.compile("[A-Za-z/]{2}")


class _Dumper(yaml.SafeDumper):
    """Quotes each string that a parser might read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated values in full."""
        return True


def make_server(
    workload: Workload, port: int, replicas: int, max_replicas: int
) -> List[Dict[str, Any]]:
    """Return the objects that serve a model.

    Args:
        workload: what runs.
        port: of the server and of the Service.
        replicas: the minimum number of pods.
        max_replicas: the maximum number of pods.

    Raises:
        ValueError: `model.yaml` lacks a resource.
    """
    return [
        make_deployment(workload, port),
        make_service(workload, port),
        make_autoscaler(workload, replicas, max_replicas),
        make_disruption_budget(workload),
    ]


def make_job(
    workload: Workload, inputs: str, outputs: str, shards: int, parallelism: int
) -> List[Dict[str, Any]]:
    """Return the object that runs a model on many folders.

    Args:
        workload: what runs.
        inputs: the folder of the jobs, in the claim.
        outputs: the folder for their outputs, in the claim.
        shards: the number of pods.
        parallelism: how many of them run at once.

    Raises:
        ValueError: `model.yaml` lacks a resource, or `run_many` refuses the folders.
    """
    inputs, outputs = find_folder("inputs", inputs), find_folder("outputs", outputs)
    if f"{outputs}/".startswith(f"{inputs}/"):
        raise ValueError(
            f"--outputs {outputs} is in --inputs {inputs}, where every folder is a job:"
            " choose a folder outside it"
        )
    return [make_indexed_job(workload, inputs, outputs, shards, parallelism)]


def find_folder(option: str, folder: str) -> str:
    """Return the path in the pods of a folder in the claim.

    Raises:
        ValueError: it is not in the claim.
    """
    path = posixpath.normpath(posixpath.join(MOUNT_POINT, folder))
    if f"{path}/".startswith(f"{MOUNT_POINT}/") and folder.isprintable():
        return path
    raise ValueError(
        f"--{option} {folder!r} is not in the claim, which is {MOUNT_POINT} in the pods:"
        f" pass a path in the claim, such as {option}"
    )


def write_manifests(manifests: Sequence[Dict[str, Any]]) -> str:
    """Return manifests as the documents of one YAML stream."""
    return str(
        yaml.dump_all(manifests, Dumper=_Dumper, explicit_start=True, sort_keys=False)
    )


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.match(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
