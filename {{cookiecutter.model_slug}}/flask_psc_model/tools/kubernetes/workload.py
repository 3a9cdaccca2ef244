"""The model in a cluster, as each of its manifests needs to know it."""

import os
from typing import Any, Dict, Optional

from ...model.spec import Limits, ModelSpec
from .names import make_label_value, make_name


class Workload:
    """What is to run, and under which names.

    Attributes:
        name: of every object.
        image: that the pods run.
        limits: of `model.yaml`.
        version: of the model, empty where there is none.
        namespace: of every object; None for the one that kubectl is set to.
        claim: the PersistentVolumeClaim with the jobs' folders; None for a folder in
            each pod that is empty at first and gone with it.
    """

    def __init__(
        self,
        name: str,
        image: str,
        limits: Limits,
        version: str = "",
        namespace: Optional[str] = None,
        claim: Optional[str] = None,
    ) -> None:
        self.name = name
        self.image = image
        self.limits = limits
        self.version = version
        self.namespace = namespace
        self.claim = claim

    @classmethod
    def read(
        cls,
        image: str,
        name: Optional[str],
        namespace: Optional[str],
        claim: Optional[str],
    ) -> "Workload":
        """Return the workload of the `model.yaml` of the working directory.

        Args:
            image: that the pods run.
            name: of every object; made of the model's name where it is None.
            namespace: of every object, or None.
            claim: the PersistentVolumeClaim, or None.

        Raises:
            OSError: there is no such file.
            ValueError: a value in it is wrong, or no name can be made of the model's.
        """
        spec = ModelSpec.load(os.getcwd())
        return cls(
            name or _make_name(spec),
            image,
            spec.limits,
            version=spec.version,
            namespace=namespace,
            claim=claim,
        )

    def make_metadata(self, component: str) -> Dict[str, Any]:
        """Return the `metadata` of an object.

        Args:
            component: what the object belongs to.
        """
        metadata: Dict[str, Any] = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        metadata["labels"] = self.make_labels(component)
        return metadata

    def make_labels(self, component: str) -> Dict[str, str]:
        """Return the labels that Kubernetes recommends.

        See https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/.

        Args:
            component: what the object belongs to.
        """
        labels = self.make_selector(component)
        version = make_label_value(self.version)
        if version:
            labels["app.kubernetes.io/version"] = version
        return labels

    def make_selector(self, component: str) -> Dict[str, str]:
        """Return the labels by which the pods of a component are found.

        The version is none of them, since a Deployment keeps its selector for good. The
        component is one, or the Service would send requests to the pods of a Job.

        Args:
            component: what the pods belong to.
        """
        return {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/component": component,
        }


def _make_name(spec: ModelSpec) -> str:
    try:
        return make_name(spec.name)
    except ValueError as error:
        raise ValueError(f"{spec.path}: name: {error}; give --name") from error
