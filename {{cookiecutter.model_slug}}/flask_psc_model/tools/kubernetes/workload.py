"""The model in a cluster: what each of its manifests needs."""

import os
from typing import Any, Dict, NamedTuple, Optional

from ...model.spec import Limits, ModelSpec
from .names import make_label_value, make_name


class Workload(NamedTuple):
    """What runs, and under which names.

    Attributes:
        name: of every object.
        image: that the pods run.
        limits: of `model.yaml`.
        version: of the model, empty where there is none.
        namespace: of every object; None for kubectl's current one.
        claim: the PersistentVolumeClaim with the jobs' folders; None for an empty
            folder in each pod.
        path: of the `model.yaml`, for messages.
    """

    name: str
    image: str
    limits: Limits
    version: str = ""
    namespace: Optional[str] = None
    claim: Optional[str] = None
    path: str = "model.yaml"

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
            name: of every object; None to make it from the model's name.
            namespace: of every object, or None.
            claim: the PersistentVolumeClaim, or None.

        Raises:
            OSError: there is no such file.
            ValueError: a value in it is wrong, or no name can be made from the model's.
        """
        spec = ModelSpec.load(os.getcwd())
        return cls(
            name or _make_name(spec),
            image,
            spec.limits,
            spec.version,
            namespace,
            claim,
            spec.path,
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
        """Return the labels that select the pods of a component.

        They exclude the version, since the selector of a Deployment cannot change, and
        include the component, or the Service would send requests to a Job's pods.

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
        raise ValueError(f"{spec.path}: name: {error}; pass --name") from error
